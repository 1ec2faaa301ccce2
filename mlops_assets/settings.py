"""Where things are: read from the environment once per entry point, passed down as a value.

Comes in: environment variables. Goes out: a frozen `Settings`, and the addresses of the databases as frozen `Stores`.
Nothing else in the project reads the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

POSTGRES_DRIVER: Final = "postgresql+psycopg2"
APPLICATION_ROLE: Final = "mlops_app"
APPROVER_ROLE: Final = "mlops_approver"
RETENTION_ROLE: Final = "mlops_retention"


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses of every store. `None` means: the embedded local one below `home`.

    home: folder of all local state. models: folder of model files.
    database_url: a PostgreSQL server (`postgresql://user:password@host:5432`); databases are named
    mlops_ledger, mlops_dagster, mlops_mlflow and mlops_readings on it.
    readings_url: where `kind: sql` sources read unless they name their own variable.
    data_root: root of the Delta tables, a folder or s3://. model_root: root of model bundles, a folder.
    mlflow_tracking_uri: an MLflow server, else the database directly.
    online_store: the feature store's online half, redis:// or postgresql://; unset means SQLite below `home`.
    artifact_root: where MLflow keeps artifacts, as a URI; the same with a server and without one.
    review_url: address of the review page, which serves reports too; links in Dagster and mails begin with it.
    mlflow_url: address of MLflow as browsers open it, where programs reach it at another one.
    executor: how Dagster carries out the steps of a run, a name in `defs.executors`.
    automatic: whether schedules and the retrain governor start switched on; anything but `on` is off.
    probe: whether a tiny model goes through the platform every hour; anything but `on` is off.
    embedded: the database server is the embedded one of `home`, which simulators may keep filled.
    environ: the environment itself, for sources that name a variable holding their secret.
    """

    home: Path
    models: Path
    database_url: str | None
    readings_url: str | None
    data_root: str
    model_root: Path
    mlflow_tracking_uri: str | None
    artifact_root: str
    online_store: str | None
    review_url: str | None
    mlflow_url: str | None
    host: str
    executor: str
    automatic: bool
    probe: bool
    embedded: bool
    environ: Mapping[str, str]

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read every setting; folders become absolute so that a change of directory moves nothing.

        Args:
            environ: Environment variables; missing ones use the defaults.

        Returns:
            The settings.
        """
        home = Path(environ.get("MLOPS_HOME", ".mlops")).absolute()
        return cls(
            home=home,
            models=Path(environ.get("MLOPS_MODELS", "models")).absolute(),
            database_url=environ.get("MLOPS_DATABASE_URL"),
            readings_url=environ.get("MLOPS_READINGS_URL"),
            data_root=environ.get("MLOPS_DATA_ROOT", str(home / "data")),
            model_root=Path(environ.get("MLOPS_MODEL_ROOT", home / "bundles")).absolute(),
            mlflow_tracking_uri=environ.get("MLFLOW_TRACKING_URI"),
            artifact_root=environ.get("MLOPS_ARTIFACT_ROOT") or (home / "mlruns").as_uri(),
            online_store=environ.get("MLOPS_ONLINE_STORE"),
            review_url=environ.get("MLOPS_REVIEW_URL") or None,
            mlflow_url=environ.get("MLOPS_MLFLOW_URL") or None,
            host=environ.get("MLOPS_HOST", "127.0.0.1"),
            executor=environ.get("MLOPS_EXECUTOR") or "in_process",
            automatic=environ.get("MLOPS_SCHEDULES", "on") == "on",
            probe=environ.get("MLOPS_PROBE", "off") == "on",
            embedded=environ.get("MLOPS_EMBEDDED") == "1",
            environ=environ,
        )


@dataclass(frozen=True, slots=True)
class Stores:
    """Addresses of the four databases, `postgresql+psycopg2://`.

    readings_url: where simulated readings are written.
    approvals_url: the ledger as the role that may record verdicts and waivers; None when `ledger_url` may.
    """

    ledger_url: str
    dagster_url: str
    mlflow_url: str
    readings_url: str
    approvals_url: str | None = None

    @classmethod
    def on(cls, server_url: str, readings_url: str | None = None, approvals_url: str | None = None) -> Stores:
        """Return the databases of this project on one server; a database named in `server_url` is not used.

        Args:
            server_url: PostgreSQL URL of the server.
            readings_url: URL of the database with readings; None for one on the same server.
            approvals_url: URL of the ledger as the role that may record verdicts; None when every role may.

        Returns:
            URLs of the databases.
        """
        return cls(
            ledger_url=database_on(server_url, "mlops_ledger"),
            dagster_url=database_on(server_url, "mlops_dagster"),
            mlflow_url=database_on(server_url, "mlops_mlflow"),
            readings_url=with_driver(readings_url)
            if readings_url
            else database_on(server_url, "mlops_readings"),
            approvals_url=with_driver(approvals_url) if approvals_url else None,
        )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Stores:
        """Return the databases of a child process of `mlops`.

        Args:
            environ: Environment variables.

        Returns:
            URLs of the databases.

        Raises:
            ValueError: When `MLOPS_DATABASE_URL` is not set.
        """
        server = environ.get("MLOPS_DATABASE_URL")
        if not server:
            raise ValueError(
                "no database: MLOPS_DATABASE_URL is not set. Start this process through `mlops` (which starts the "
                "embedded PostgreSQL), or set MLOPS_DATABASE_URL=postgresql://user:password@host:5432"
            )
        return cls.on(server, environ.get("MLOPS_READINGS_URL"), environ.get("MLOPS_APPROVALS_URL"))


def database_on(server_url: str, name: str) -> str:
    """Return the address of the database `name` on a server, with the driver this project installs.

    Args:
        server_url: URL of the server; its own database is replaced.
        name: Name of the database.

    Returns:
        The URL.
    """
    parts = urlsplit(server_url)
    query = f"?{parts.query}" if parts.query else ""
    return with_driver(f"{parts.scheme}://{parts.netloc}/{name}{query}")


def with_user(url: str, user: str) -> str:
    """Return the address with another user and without a password.

    Args:
        url: A database URL.
        user: Name of the PostgreSQL role.

    Returns:
        The URL.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{user}@{host}{parts.path}{query}"


def with_driver(url: str) -> str:
    """Return a PostgreSQL URL with the driver that this project installs, any other URL unchanged.

    A bare `postgresql://` means another driver in each SQLAlchemy release.

    Args:
        url: A database URL.

    Returns:
        The URL.
    """
    scheme, separator, rest = url.partition("://")
    return f"{POSTGRES_DRIVER}{separator}{rest}" if scheme in ("postgres", "postgresql") else url


def without_driver(url: str) -> str:
    """Return a URL in the form that the driver itself reads: the inverse of `with_driver`.

    Args:
        url: A database URL.

    Returns:
        The URL.
    """
    scheme, separator, rest = url.partition("://")
    return f"postgresql{separator}{rest}" if scheme == POSTGRES_DRIVER else url
