"""The text of a file as a stream: which encoding it is in, whether all of it is, and the same text in UTF-8.

A file may be too large to keep in memory twice, so it is read in chunks; UTF-8 that needs no repair is never loaded at
all: the reader gets the file itself.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from mlops_assets.artifacts import Repair
from mlops_assets.errors import SourceError

BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CHUNK_BYTES: Final = 4_000_000
"""Bytes read at a time."""
_SNIFFED_BYTES: Final = 1_000_000
_UTF_8: Final = frozenset({"utf-8", "utf-8-sig", "ascii"})

Content = bytes | Path
"""What a file holds, or the local file itself."""


@dataclass(frozen=True, slots=True)
class Text:
    """UTF-8 text from the byte `start` on, with line feeds at the line ends."""

    content: Content
    start: int = 0

    def open_stream(self, start: int = 0) -> BinaryIO:
        """Return the bytes of the text as a stream, without the first `start` of them.

        Args:
            start: Number of bytes to skip.

        Returns:
            An open stream; the caller closes it.
        """
        stream = open_stream(self.content)
        stream.seek(self.start + start)
        return stream

    def ends_with_line_end(self) -> bool:
        """Return whether the last line is complete; an empty text is."""
        with open_stream(self.content) as stream:
            size = stream.seek(0, io.SEEK_END)
            if size <= self.start:
                return True
            stream.seek(size - 1)
            return stream.read(1) in b"\r\n"

    def lines(self, start: int = 0) -> io.TextIOWrapper:
        """Return the text line by line, with line ends unchanged.

        Args:
            start: Bytes to skip.

        Returns:
            A text stream; the caller closes it.
        """
        return io.TextIOWrapper(self.open_stream(start), encoding="utf-8", newline="")


def open_stream(content: Content) -> BinaryIO:
    """Return the bytes as a stream.

    Args:
        content: The file or its bytes.

    Returns:
        An open stream; the caller closes it.
    """
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of a stream chunk by chunk, then close it.

    Args:
        stream: An open stream.

    Yields:
        Bytes, at most `CHUNK_BYTES`.
    """
    with stream:
        while chunk := stream.read(CHUNK_BYTES):
            yield chunk


def head(content: Content, size: int = _SNIFFED_BYTES) -> bytes:
    """Return the first bytes of a file.

    Args:
        content: The file, or its bytes.
        size: How many.

    Returns:
        At most `size` bytes.
    """
    with open_stream(content) as stream:
        return stream.read(size)


def decode(content: bytes, encoding: str | None, where: str) -> tuple[str, list[Repair]]:
    """Return the text of the bytes, as `transcode` reads it, with line ends unchanged.

    Args:
        content: The bytes.
        encoding: The declared encoding, None where there is none.
        where: The file, for error messages.

    Returns:
        The text and the counts.

    Raises:
        SourceError: As `transcode`.
    """
    text, repairs = transcode(content, encoding, where, fix_line_ends=False)
    with text.open_stream() as stream:
        return stream.read().decode(), repairs


def transcode(
    content: Content, encoding: str | None, where: str, *, fix_line_ends: bool = True
) -> tuple[Text, list[Repair]]:
    """Return the text of a file in UTF-8.

    Without a declared encoding it is UTF-8, or what a byte order mark says (counted).

    Args:
        content: The file, or its bytes.
        encoding: The declared encoding, None where there is none.
        where: The file, for error messages.
        fix_line_ends: Whether the line ends of old Macs become line feeds (counted).

    Returns:
        The text and the counts.

    Raises:
        SourceError: The encoding is unknown, bytes are not in it, or the text holds NUL characters.
    """
    start = head(content, 4)
    bom_encoding = next((name for bom, name in BOMS if start.startswith(bom)), None)
    chosen = bom_encoding or "utf-8" if encoding is None else encoding
    try:
        " ".encode(chosen)
    except LookupError:
        raise SourceError(
            f"{where}: unknown source.encoding {encoding!r}; write one such as latin-1, cp1252, big5 or utf-16"
        ) from None
    counts = Counts()
    misfit_byte = first_misfit(content, chosen, counts)
    if misfit_byte is not None:
        guess = guess_encoding(head(content), chosen)
        hint = f"; it may be {guess}: declare source.encoding" if guess else "; declare source.encoding"
        offset, byte = misfit_byte
        raise SourceError(f"{where} is not {chosen} text: byte {offset} is 0x{byte:02x}{hint}")
    if counts.nul:
        raise SourceError(
            f"{where} holds NUL characters: it is no text, or UTF-16 without a byte order mark; "
            "for the latter declare source.encoding: utf-16-le"
        )
    repairs = (
        [Repair(f"byte_order_mark_{'utf_8' if bom_encoding == 'utf-8-sig' else 'utf_16'}", None, 1)]
        if bom_encoding and encoding is None
        else []
    )
    has_mac_line_ends = fix_line_ends and counts.carriage_returns > 0 and not counts.line_feeds
    if has_mac_line_ends:
        repairs.append(Repair("mac_line_end", None, counts.carriage_returns))
    if codecs.lookup(chosen).name in _UTF_8 and not has_mac_line_ends:
        return Text(content, len(codecs.BOM_UTF8) if bom_encoding == "utf-8-sig" else 0), repairs
    copy = io.BytesIO()
    decoder = codecs.getincrementaldecoder(_without_bom(chosen))()
    for chunk in chunks(open_stream(content)):
        text = decoder.decode(chunk)
        copy.write((text.replace("\r", "\n") if has_mac_line_ends else text).encode())
    transcoded = copy.getvalue()
    return Text(transcoded, len(codecs.BOM_UTF8) if transcoded.startswith(codecs.BOM_UTF8) else 0), repairs


@dataclass(slots=True)
class Counts:
    """Counts of a text on the way: line feeds, carriage returns, and whether there was a NUL."""

    line_feeds: int = 0
    carriage_returns: int = 0
    nul: bool = False


def first_misfit(content: Content, encoding: str, counts: Counts | None = None) -> tuple[int, int] | None:
    """Return offset and value of the first byte that is not in the encoding, None where all are.

    Args:
        content: The file, or its bytes.
        encoding: Name of the encoding.
        counts: Where line ends and NUL characters are counted on the way.

    Returns:
        Offset and byte, or None.
    """
    counts = counts or Counts()
    decoder = codecs.getincrementaldecoder(_without_bom(encoding))()
    offset = 0
    for chunk in _with_end(chunks(open_stream(content))):
        waiting = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            return offset - waiting + error.start, error.object[error.start]
        offset += len(chunk)
        counts.line_feeds += text.count("\n")
        counts.carriage_returns += text.count("\r")
        counts.nul = counts.nul or "\0" in text
    return None


def _without_bom(encoding: str) -> str:
    """UTF-8 for UTF-8 with a mark, whose decoder counts bytes from behind it."""
    return "utf-8" if codecs.lookup(encoding).name == "utf-8-sig" else encoding


def _with_end(parts: Iterator[bytes]) -> Iterator[bytes]:
    yield from parts
    yield b""


def guess_encoding(content: bytes, refused: str) -> str | None:
    """Return a likely encoding of the bytes, None where nothing is likely.

    Args:
        content: Bytes from the start of the file.
        refused: An encoding that it is not.

    Returns:
        Name of a codec, or None.
    """
    try:
        from charset_normalizer import from_bytes  # comes with requests; only for a hint in a message
    except ImportError:
        return None
    best = from_bytes(content[: content.find(b"\n", 100_000) + 1 or 100_000]).best()
    return best.encoding.replace("_", "-") if best and best.encoding.replace("_", "-") != refused else None
