"""Files that come compressed: one file in a gzip stream, or alone in a zip archive."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from typing import Final

from mlops_assets.errors import SourceError

ENDINGS: Final = (".gz", ".zip")


def is_packed(name: str) -> bool:
    """Whether the name says that the file is compressed."""
    return name.lower().endswith(ENDINGS)


def unpacked(name: str, content: bytes, where: str) -> tuple[str, bytes]:
    """What lies inside, under the name that tells its format. Raises SourceError for a damaged or ambiguous archive."""
    if name.lower().endswith(".gz"):
        try:
            return name[: -len(".gz")], gzip.decompress(content)
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
            return members[0], archive.read(members[0])
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{where} is not a whole zip archive without a password ({error})") from None
