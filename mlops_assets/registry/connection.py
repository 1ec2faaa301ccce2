"""MLflow, imported when first needed, quiet and impatient; and a client bound to one address.

The client carries its address, so nothing here depends on MLflow's global state (which belongs to dagster-mlflow).
"""

from __future__ import annotations

import os
import re
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from mlops_assets.errors import ServiceError

_SETTINGS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_SECRET: Final = re.compile(r"//[^/@]*@")


def listens(tracking_uri: str, patience: float = 1.0) -> bool:
    """Return whether a server accepts connections, so that a missing one is reported at once.

    MLflow's own client would try again for minutes.

    Args:
        tracking_uri: URL of MLflow: a database URL or http.
        patience: Timeout in seconds.

    Returns:
        True also for a database URL, which is not tried.
    """
    parts = urlsplit(tracking_uri)
    if parts.scheme not in ("http", "https"):
        return True
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname or "", port), patience).close()
    except (OSError, ValueError):
        return False
    return True


def mlflow_client(tracking_uri: str) -> Any:
    """Return an MlflowClient for tracking and registry at one URL.

    Args:
        tracking_uri: URL of MLflow: a database URL or http.

    Returns:
        The client.
    """
    quiet()
    from mlflow import MlflowClient
    from mlflow.store.db import utils

    utils.MAX_RETRY_COUNT = 3  # the default keeps a run waiting for 100 seconds when the database is down
    return MlflowClient(tracking_uri=tracking_uri, registry_uri=tracking_uri)


def quiet() -> None:
    """Import MLflow without telemetry, without its warnings about itself, and impatient.

    A server that is down is noticed within a minute.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: F401


@contextmanager
def reaching(tracking_uri: str, what: str) -> Iterator[None]:
    """Convert errors of MLflow and its transports within the block into a ServiceError.

    Args:
        tracking_uri: URL of MLflow: a database URL or http.
        what: Verb phrase of the message: 'could not <what>'.

    Yields:
        Nothing.

    Raises:
        ServiceError: With the URL, without its password.
    """
    quiet()
    from mlflow.exceptions import MlflowException
    from mlflow.store.db.utils import sqlalchemy

    try:
        yield
    except (MlflowException, OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        raise ServiceError(
            f"MLflow at {without_secret(tracking_uri)} could not {what}: {without_secret(str(error))[:500]}"
        ) from error


def without_secret(text: str) -> str:
    """Remove users and passwords of URLs from a text.

    Args:
        text: Any text.

    Returns:
        The text.
    """
    return _SECRET.sub("//", text)
