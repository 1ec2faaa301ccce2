"""Predictions that flip, as rows of text and as sentences, for reports and for the command that compares two versions.

Comes in: `Flips` records. Goes out: table cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mlops_assets.artifacts import Flips

FLIP_HEAD: Final = ("slice", "rows", "right to wrong", "wrong to right", "moved", "moved at most (95 %)")


def flip_rows(counts: Sequence[Flips]) -> list[tuple[str, ...]]:
    """Return the flips as table rows: all rows, then the slices with the largest share of right predictions lost.

    Args:
        counts: Flips of all rows and of slices.

    Returns:
        Cells of `FLIP_HEAD`.
    """
    slices = sorted(counts[1:], key=lambda one: -one.right_to_wrong / max(one.rows, 1))
    return [
        (
            f"{one.column} {one.value}".strip() or "all rows",
            f"{one.rows:,}",
            f"{one.right_to_wrong:,} ({one.right_to_wrong / max(one.rows, 1):.1%})",
            f"{one.wrong_to_right:,} ({one.wrong_to_right / max(one.rows, 1):.1%})",
            f"{one.moved:.3g}",
            f"{one.moved_most:.3g}",
        )
        for one in [*counts[:1], *slices]
    ]


def flip_note(counts: Sequence[Flips]) -> str:
    """Return one sentence that says what right and moved mean.

    Args:
        counts: Flips of all rows and of slices, not empty.

    Returns:
        The sentence.
    """
    if counts[0].tolerance is None:
        return "Right is the true class. Moved is the share of rows with another label; at most: of the probabilities."
    return (
        f"Right is an error of at most {counts[0].tolerance:.4g}, the champion's root mean square error. Moved is in "
        "standard deviations of the target."
    )
