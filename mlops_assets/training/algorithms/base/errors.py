"""What a library raised or warned of, as the sentence a candidate carries."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Iterable
from pathlib import Path

from mlops_assets.errors import MlopsError

LONGEST = 2_000


def format_error(error: Exception) -> str:
    """Return an error as one sentence: our own errors unchanged, others with type, file and line.

    Args:
        error: An error that was raised.

    Returns:
        At most `LONGEST` characters.
    """
    if isinstance(error, MlopsError):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} (in {Path(last.filename).name}, line {last.lineno})"[:LONGEST]


def format_warnings(raised: Iterable[warnings.WarningMessage]) -> str:
    """Return warnings as one text, without repetition.

    Args:
        raised: Recorded warnings.

    Returns:
        At most `LONGEST` characters; '' for none.
    """
    return "; ".join(sorted({f"{one.category.__name__}: {one.message}" for one in raised}))[:LONGEST]
