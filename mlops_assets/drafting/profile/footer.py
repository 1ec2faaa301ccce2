"""Rows below the data: totals and notes, which a model must not learn from.

Comes in: the last rows of a file as text. Goes out: how many of them are no data. A total that is learned spoils the
baseline and the model alike, so that neither looks wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median
from typing import Final

MOST_ROWS: Final = 20
"""Rows at the end that may be a footer."""
LEAST_ROWS: Final = 8
"""Rows that a table needs before its last ones are compared with them."""
_TOTAL: Final = re.compile(
    r"(?i)^\W*(grand[ _]?total|sub[ _-]?totals?|totals?|sums?|summe[n]?|gesamt(summe)?|insgesamt|zusammen|averages?|"
    r"mean|mittelwert|durchschnitt|totale|totaal|somme|suma|all|∑|Σ)\b\W*$"
)
_LETTER: Final = re.compile(r"[^\W\d_]")


def footer_rows(rows: Sequence[Sequence[str]]) -> int:
    """Return how many of the last rows are totals or notes; blank rows do not count.

    Args:
        rows: The last rows of a table, top to bottom, cells as text.

    Returns:
        Number of rows.
    """
    filled = [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)]
    count = 0
    while count < MOST_ROWS and len(filled) - count > LEAST_ROWS:
        last = len(filled) - 1 - count
        if not _is_footer(filled[last], filled[max(0, last - 200) : last]):
            break
        count += 1
    return count


def _is_footer(row: list[str], above: list[list[str]]) -> bool:
    """Whether a row names a total as no row above it does, or is one text where the rows above hold no text."""
    usual = median(sum(map(bool, one)) for one in above)
    used = [index for index, cell in enumerate(row) if cell]
    first = used[0]
    column = [one[first] for one in above if len(one) > first and one[first]]
    if _TOTAL.match(row[first]):
        return not any(_TOTAL.match(cell) for cell in column[: -MOST_ROWS or None])
    is_text = bool(_LETTER.search(row[first])) and not any(_LETTER.search(cell) for cell in column)
    return len(used) == 1 and usual >= 3 and is_text
