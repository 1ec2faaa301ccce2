"""The text encoding of a file nobody has described."""

from __future__ import annotations

from typing import Final

from mlops_assets.readings.formats.encoding import (
    BOMS,
    Content,
    first_misfit,
    guess_encoding,
    head,
)

WESTERN: Final = frozenset({"cp1250", "cp1252", "cp1254", "cp1257", "cp1258", "latin-1", "mac-iceland"})
"""Encodings that a guess cannot distinguish from a few accented letters; cp1252 is by far the most common."""


def guess_text_encoding(content: Content) -> str | None:
    """Guess the encoding of a text file.

    Args:
        content: The file or its bytes.

    Returns:
        Name of a codec; None where the reader detects it: UTF-8, or a byte order mark.
    """
    start = head(content)
    if any(start.startswith(mark) for mark, _ in BOMS):
        return None
    if first_misfit(content, "utf-8") is not None:
        guess = guess_encoding(start, "utf-8")
        western = guess is None or guess in WESTERN or guess.startswith("iso8859")
        return next(
            name for name in ("cp1252" if western else guess, guess, "latin-1") if _decodes(content, name)
        )
    if b"\0" in start[:1_000]:
        return "utf-16-le" if start[1:2] == b"\0" else "utf-16-be"
    return None


def _decodes(content: Content, encoding: str | None) -> bool:
    try:
        return first_misfit(content, encoding or "utf-8") is None
    except LookupError:
        return False
