"""Backups: one folder with the databases and every file they name, whole or not there, each file with its hash.

Comes in: settings, a folder. Goes out: a backup, its list of problems, or a platform put back. The ledger is dumped
first and files are copied after it: a bundle or a table version was complete before the ledger named it, so that runs
may go on meanwhile. Keys and passwords are in no backup.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import mlops_assets
from mlops_assets.errors import ServiceError
from mlops_assets.local import data_folder, postgres
from mlops_assets.settings import Settings, Stores, without_driver

DATABASES: Final = ("mlops_ledger", "mlops_dagster", "mlops_mlflow")
MANIFEST: Final = "manifest.json"
PARTIAL: Final = ".partial"
Echo = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup. files: path below its folder, bytes and sha256 of every file.

    home: the folder of the platform it was made of; release: the version of this package.
    """

    created_at: datetime
    release: str
    home: str
    files: dict[str, tuple[int, str]]

    @property
    def size(self) -> int:
        """Return the bytes of all files."""
        return sum(size for size, _ in self.files.values())


def create(settings: Settings, folder: Path, at: datetime, echo: Echo) -> tuple[Path, Backup]:
    """Make a backup while the platform goes on working.

    Args:
        settings: The platform's settings.
        folder: Folder of backups; made where it is missing.
        at: The present instant, with a zone; it names the backup.
        echo: Receives a sentence per step.

    Returns:
        The folder of the backup, and what is in it.

    Raises:
        ServiceError: A database cannot be dumped, or tables or bundles are not on this disk.
    """
    _require_local(settings)
    if settings.database_url is None and not (settings.home / "postgres").exists():
        raise ServiceError(f"nothing has run below {settings.home} yet: there is nothing to back up")
    target = folder / f"{at:%Y%m%dT%H%M%SZ}"
    partial = target.with_name(target.name + PARTIAL)
    if target.exists():
        raise ServiceError(f"{target} is there already")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True, mode=0o700)
    stores = postgres.start(settings)
    for name, url in zip(DATABASES, _addresses(stores), strict=True):
        echo(f"dumping {name}")
        _client("pg_dump", url, "--format=custom", f"--file={partial / f'{name}.dump'}")
    for name, source in _folders(settings).items():
        if source.is_dir():
            echo(f"copying {name}")
            _copy(source, partial / name)
    backup = Backup(at, mlops_assets.__version__, str(settings.home), dict(_hashed(partial)))
    (partial / MANIFEST).write_text(json.dumps(asdict(backup), default=str, indent=1, sort_keys=True))
    partial.rename(target)
    return target, backup


def read(folder: Path) -> Backup:
    """Return what a backup says is in it.

    Args:
        folder: The folder of the backup.

    Returns:
        Time, release, home and files of the backup.

    Raises:
        ServiceError: There is no readable manifest.
    """
    try:
        body: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        files = {name: (int(size), str(digest)) for name, (size, digest) in body["files"].items()}
        return Backup(datetime.fromisoformat(body["created_at"]), body["release"], body["home"], files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ServiceError(f"{folder} is no backup: its {MANIFEST} cannot be read ({error})") from None


def known(folder: Path) -> list[tuple[Path, Backup]]:
    """Return the finished backups of a folder, newest first.

    Args:
        folder: Folder of backups.

    Returns:
        Folder and manifest of each backup.
    """
    finished = [one for one in folder.glob("*T*Z") if (one / MANIFEST).is_file()]
    return [(one, read(one)) for one in sorted(finished, reverse=True)]


def problems(folder: Path) -> list[str]:
    """Return what is wrong with a backup, by name of file; nothing when it is what was written.

    Args:
        folder: The folder of the backup.

    Returns:
        One sentence per missing, damaged or added file.

    Raises:
        ServiceError: There is no readable manifest.
    """
    backup, present = read(folder), dict(_hashed(folder))
    present.pop(MANIFEST, None)
    missing = [f"{name} is missing" for name in backup.files if name not in present]
    damaged = [
        f"{name} is damaged: {present[name][0]:,} bytes, sha256 {present[name][1][:12]}, expected "
        f"{size:,} bytes, {digest[:12]}"
        for name, (size, digest) in backup.files.items()
        if name in present and present[name] != (size, digest)
    ]
    added = [f"{name} was added later" for name in present if name not in backup.files]
    return sorted(missing + damaged + added)


def restore(settings: Settings, folder: Path, echo: Echo) -> Backup:
    """Put a backup back where no platform is yet.

    Args:
        settings: The settings of the platform to be.
        folder: The folder of the backup.
        echo: Receives a sentence per step.

    Returns:
        The backup.

    Raises:
        ServiceError: The backup is damaged, a platform is here already, or the server refuses; what was begun stays
            for inspection and is refused by the next attempt.
    """
    _require_local(settings)
    if wrong := problems(folder):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise ServiceError(f"{folder} was not restored: {wrong[0]}{more}")
    taken = [path for path in (*_folders(settings).values(), settings.home / "postgres") if path.exists()]
    if taken:
        raise ServiceError(f"{taken[0]} is there already; restore into an empty MLOPS_HOME")
    backup = read(folder)
    stores = postgres.start(settings)
    for name, url in zip(DATABASES, _addresses(stores), strict=True):
        echo(f"restoring {name}")
        dump = str(folder / f"{name}.dump")
        _client("pg_restore", url, "--no-owner", "--no-privileges", "--exit-on-error", dump)
    for name, target in _folders(settings).items():
        if (folder / name).is_dir():
            echo(f"copying {name}")
            _copy(folder / name, target)
    return backup


def _require_local(settings: Settings) -> None:
    if "://" in settings.data_root:
        raise ServiceError(
            f"tables are stored at {settings.data_root}: back them up with the versions of the object store; this "
            "command copies tables and bundles that are on this disk"
        )


def _folders(settings: Settings) -> dict[str, Path]:
    """Return the folders of a backup and where each belongs. Tables come first: their logs name files that exist."""
    return {
        "data": Path(settings.data_root),
        "bundles": settings.model_root,
        "reports": settings.home / "reports",
        "mlruns": settings.home / "mlruns",
    }


def _addresses(stores: Stores) -> tuple[str, str, str]:
    return stores.ledger_url, stores.dagster_url, stores.mlflow_url


def _client(program: str, url: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs; a password travels in the environment, where nobody else can read it."""
    parts = urlsplit(without_driver(url))
    user, at, host = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    address = parts._replace(netloc=f"{name}{at}{host}").geturl()
    done = subprocess.run(
        [str(data_folder.binaries() / program), f"--dbname={address}", *arguments],
        env={**os.environ, **({"PGPASSWORD": unquote(password)} if password else {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ServiceError(f"{program} of {parts.path.strip('/')} failed: {lines[0]}")


def _copy(source: Path, target: Path) -> None:
    """Copy a folder; logs of Delta tables before the files they name, so that none is missing in the copy."""

    def logs_first(entry: Path) -> tuple[bool, str]:
        return "_delta_log" not in entry.parts, str(entry)

    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.rglob("*"), key=logs_first):
        copy = target / file.relative_to(source)
        if file.is_dir():
            copy.mkdir(parents=True, exist_ok=True)
        elif file.is_file():
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copy2(file, copy)
            except FileNotFoundError:
                continue  # a temporary file of a run that went on: the ledger dumped before names none


def _hashed(folder: Path) -> Iterator[tuple[str, tuple[int, str]]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            with file.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            yield str(file.relative_to(folder)), (file.stat().st_size, digest)
