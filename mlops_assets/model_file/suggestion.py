"""'Did you mean': the known name nearest to a mistyped one, as the end of a sentence."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'?` for the nearest known name, else the known names if they are few, else nothing.

    Args:
        name: The unknown name.
        known: Names that exist.

    Returns:
        Text that continues a sentence; '' for none.
    """
    names = sorted(set(known))
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 24 else ""


def near_and_all(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean 'x'? It has x, y, z`: for short lists, where another name may be the right one.

    Args:
        name: The unknown name.
        known: Names that exist.

    Returns:
        Text that continues a sentence.
    """
    names = sorted(set(known))
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    return (
        f"; did you mean {near[0]!r}? It has {', '.join(names)}" if near else f"; it has {', '.join(names)}"
    )
