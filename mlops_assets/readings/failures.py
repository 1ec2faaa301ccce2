"""Any failure of a reader as one sentence that names what was read.

Libraries that parse files raise whatever their authors thought of: KeyError, RecursionError, UnicodeEncodeError, and
polars a PanicException, which is a BaseException. None of them helps the person whose file is damaged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import polars as pl

from mlops_assets.errors import MlopsError, SourceError


@contextmanager
def reported_as_source_error(where: str) -> Iterator[None]:
    """Turn every failure inside into a SourceError; our own errors, interrupts and exits pass.

    Args:
        where: What is being read, such as `model 'm': file a.csv`: the start of the message.

    Yields:
        Nothing.

    Raises:
        SourceError: In place of any other error, which stays as its cause.
    """
    try:
        yield
    except MlopsError:
        raise
    except (Exception, pl.exceptions.PanicException) as error:  # whatever a damaged file provokes
        raise SourceError(f"{where} cannot be read: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "its values are nested too deeply"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is; read less with source.window, or bring a smaller file"
    if isinstance(error, UnicodeEncodeError):
        return "it holds half of a surrogate pair, which is no character"
    lines = str(error).strip().splitlines()
    text = lines[0][:200] if lines else ""
    return f"{text} ({type(error).__name__})" if text else f"it is damaged ({type(error).__name__})"
