"""The keys that callers of a service must send: from the environment, or from a file that only its owner may read."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from mlops_assets.errors import ServiceError
from mlops_assets.settings import Settings

API = "api"
REVIEW = "review"
FRONT = "front"
EXPORTER = "exporter"


def key_file(home: Path, service: str) -> Path:
    """Return the file of a service's key.

    Args:
        home: Folder of the platform.
        service: Name of the service, such as `api`.

    Returns:
        A path below `home`; it need not exist.
    """
    return home / f"{service}_key"


def read_key(settings: Settings, service: str) -> str:
    """Return `MLOPS_<SERVICE>_KEY`, else the content of the key file.

    Args:
        settings: Settings of the installation.
        service: Name of the service, such as `api`.

    Returns:
        The key.

    Raises:
        ServiceError: There is neither: a service never runs without a key.
    """
    variable = f"MLOPS_{service.upper()}_KEY"
    if key := settings.environ.get(variable, "").strip():
        return key
    file = key_file(settings.home, service)
    try:
        key = file.read_text(encoding="utf-8").strip()
    except OSError:
        key = ""
    if not key:
        raise ServiceError(f"the {service} service has no key; set {variable} or write one to {file}")
    return key


def create_key(home: Path, service: str) -> Path:
    """Create the key file once, readable by its owner alone.

    Args:
        home: Folder of the platform.
        service: Name of the service, such as `api`.

    Returns:
        The file.
    """
    path = key_file(home, service)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        if path.stat().st_size:
            return path
        descriptor = os.open(path, os.O_WRONLY)  # a process was killed between creating and writing it
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    return path


def read_or_create_key(settings: Settings, service: str) -> str:
    """Return the key of the environment or the file, created at the first use.

    Args:
        settings: Settings of the installation.
        service: Name of the service, such as `api`.

    Returns:
        The key.
    """
    if not settings.environ.get(f"MLOPS_{service.upper()}_KEY", "").strip():
        create_key(settings.home, service)
    return read_key(settings, service)
