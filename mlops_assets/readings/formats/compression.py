"""Files that come compressed: one file in a gzip stream, or alone in a zip archive."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from typing import Final

from mlops_assets.errors import SourceError
from mlops_assets.model_file.source_parameters import Limits
from mlops_assets.readings.formats.size import read_limited

ENDINGS: Final = (".gz", ".zip")


def is_packed(name: str) -> bool:
    """Return whether the name says that the file is compressed.

    Args:
        name: Name of the file.

    Returns:
        True for a known ending, such as `.gz`.
    """
    return name.lower().endswith(ENDINGS)


def unpacked(name: str, content: bytes, where: str, limits: Limits) -> tuple[str, bytes]:
    """Return the content of an archive, under the name that tells its format.

    Args:
        name: Name of the archive.
        content: Its bytes.
        where: The archive, for error messages.
        limits: Sizes from which it is refused.

    Returns:
        Name without the archive's ending, and content.

    Raises:
        SourceError: The archive is damaged, holds several files, or more than the limit.
    """
    if name.lower().endswith(".gz"):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
                return name[: -len(".gz")], read_limited(stream, limits, where)  # type: ignore[arg-type]
        except (OSError, EOFError, zlib.error):
            raise SourceError(
                f"{where} is not a whole gzip file; it was cut off, or is something else"
            ) from None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [one for one in archive.namelist() if not one.endswith("/") and "__MACOSX" not in one]
            if len(members) != 1:
                shown = ", ".join(members[:6]) or "nothing"
                raise SourceError(f"{where} holds {len(members)} files ({shown}); unpack the one you mean")
            with archive.open(members[0]) as member:
                return members[0], read_limited(member, limits, where)  # type: ignore[arg-type]
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{where} is not a whole zip archive without a password ({error})") from None
