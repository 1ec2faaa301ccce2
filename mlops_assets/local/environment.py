"""DAGSTER_HOME, and the variables that every child process of the platform gets.

Comes in: `Settings` and `Stores`. Goes out: a plain dict. A child reads the same settings back from it, so that a run
in a worker process uses the same stores as the command that started it all.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import mlops_assets
from mlops_assets.errors import ServiceError
from mlops_assets.settings import Settings, Stores

OTHERS = (stat.S_IRWXG | stat.S_IRWXO) & ~stat.S_IXOTH
"""What other users may not do; to pass through a folder shows nothing of it."""
POSTGRES_FOLDER = "postgres"
"""As root PostgreSQL runs as another user, who passes through this folder and the home."""
PRIVATE = 0o077
"""The umask of every program that writes below the home: files are their owner's alone."""
CODE = Path(mlops_assets.__file__).resolve().parent.parent
DAGSTER_CONFIGURATION = Path(__file__).with_name("dagster.yaml")


def environment(settings: Settings, stores: Stores) -> dict[str, str]:
    """Return the environment of a child process: the caller's variables, our addresses, and no telemetry.

    Args:
        settings: Settings of the installation.
        stores: URLs of the databases.

    Returns:
        All variables.
    """
    server = settings.database_url or _server_of(stores)
    ours = {
        "DAGSTER_HOME": str(dagster_home(settings)),
        "DAGSTER_POSTGRES_URL": stores.dagster_url,
        "MLOPS_COMPUTE_LOGS": str(settings.home / "logs" / "compute"),
        "MLFLOW_TRACKING_URI": settings.mlflow_tracking_uri or stores.mlflow_url,
        "MLOPS_HOME": str(settings.home),
        "MLOPS_MODELS": str(settings.models),
        "MLOPS_DATABASE_URL": server,
        "MLOPS_EMBEDDED": "1" if settings.embedded or settings.database_url is None else "0",
        "MLOPS_READINGS_URL": stores.readings_url,
        **({} if stores.approvals_url is None else {"MLOPS_APPROVALS_URL": stores.approvals_url}),
        "MLOPS_DATA_ROOT": settings.data_root,
        "MLOPS_MODEL_ROOT": str(settings.model_root),
        "MLOPS_ARTIFACT_ROOT": settings.artifact_root,
        "MLOPS_HOST": settings.host,
        "MLOPS_SCHEDULES": "on" if settings.automatic else "off",
        "MLOPS_PROBE": "on" if settings.probe else "off",
        "PATH": _first(str(Path(sys.executable).parent), settings.environ.get("PATH", os.defpath)),
        # also where the project is neither installed nor the current folder
        "PYTHONPATH": _first(str(CODE), settings.environ.get("PYTHONPATH", "")),
        "PYTHONUNBUFFERED": "1",
    }
    quiet = {
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GX_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        # threads that wait by spinning made two busy cores 12 to 18 times slower
        "OMP_WAIT_POLICY": "passive",
    }
    return {**quiet, **settings.environ, **ours}


def make_home(home: Path) -> None:
    """Create the platform's folder, accessible to its owner only; an open one is closed, with what lies in it.

    As root, PostgreSQL runs as another user, who must pass through (o+x): that permission alone stays, for the home
    and PostgreSQL's own folder.

    Args:
        home: Folder of the platform, `MLOPS_HOME`.

    Raises:
        ServiceError: The folder cannot be created, or nothing can be written in it.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(
            f"cannot make {home}: {error.strerror}. Set MLOPS_HOME to a folder of yours"
        ) from None
    require_writable(home)
    for path in open_to_others(home):
        status = path.lstat()
        if status.st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(status.st_mode) & ~_forbidden(home, path))


def require_writable(folder: Path) -> None:
    """Refuse a folder in which this user cannot write, and say why.

    Args:
        folder: An existing folder.

    Raises:
        ServiceError: Its disk is mounted read-only, or it belongs to another user.
    """
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        raise ServiceError(f"the disk of {folder} is mounted read-only: mount it writable, or set MLOPS_HOME")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ServiceError(
            f"{folder} belongs to the user '{folder.owner()}': run this command as that user, or set MLOPS_HOME"
        )


def open_to_others(home: Path) -> tuple[Path, ...]:
    """Return what other users of this machine can read or change in the platform's folder.

    Args:
        home: Folder of the platform, `MLOPS_HOME`.

    Returns:
        The home itself, and files and folders in it where others can pass through it; none for a missing home.
    """
    if not home.exists():
        return ()
    passable = home.stat().st_mode & (stat.S_IXOTH | stat.S_IXGRP)
    paths = [home, *(sorted(home.iterdir()) if passable else ())]
    modes = {path: path.lstat().st_mode for path in paths}
    return tuple(
        path for path in paths if not stat.S_ISLNK(modes[path]) and modes[path] & _forbidden(home, path)
    )


def _forbidden(home: Path, path: Path) -> int:
    passed_through = path in (home, home / POSTGRES_FOLDER)
    return OTHERS if passed_through else stat.S_IRWXG | stat.S_IRWXO


def dagster_home(settings: Settings) -> Path:
    """Return Dagster's folder: configuration, artifacts and captured output. Its records are in the database.

    Args:
        settings: Settings of the installation.

    Returns:
        A folder below `home`; it need not exist.
    """
    return settings.home / "dagster"


def make_dagster_home(settings: Settings) -> Path:
    """Create DAGSTER_HOME with this package's `dagster.yaml` in it.

    Args:
        settings: Settings of the installation.

    Returns:
        The folder.
    """
    make_home(settings.home)
    home = dagster_home(settings)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    wanted = DAGSTER_CONFIGURATION.read_bytes()
    if not target.exists() or target.read_bytes() != wanted:
        # by rename: a process that reads it now sees the old or the new one
        fresh = target.with_name(f".dagster.yaml.{os.getpid()}")
        fresh.write_bytes(wanted)
        fresh.replace(target)
    return home


def _server_of(stores: Stores) -> str:
    head, _, query = stores.ledger_url.partition("?")
    return f"{head.removesuffix('mlops_ledger')}{'?' if query else ''}{query}"


def _first(path: str, paths: str) -> str:
    return os.pathsep.join(dict.fromkeys([path, *filter(None, paths.split(os.pathsep))]))
