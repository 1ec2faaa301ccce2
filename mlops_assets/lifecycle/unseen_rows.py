"""The holdout rows that a champion has not learned from: only they can compare it with a challenger.

Comes in: the challenger's split and the champion's bundle. Goes out: the split whose test part holds only rows that
neither model was fitted, tuned, stopped, encoded or calibrated on, with the count of rows left out. A challenger never
learns from its own test part; a champion may have, when the split or the windows moved since.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from mlops_assets import features
from mlops_assets.artifacts import Split
from mlops_assets.model_file import ModelSpec
from mlops_assets.training import Fit, LoadedBundle

FEWEST_ROWS: Final = 5
"""With fewer rows left the whole holdout is measured, for the report only, and no comparison counts."""


FEWEST_LATER_ROWS: Final = 20
"""With fewer rows after two fits their comparison says nothing."""
SERVED_SHARE: Final = 0.9
"""With a smaller share of the holdout left, the served champion's judged fit stands for its recipe. On a part of the
holdout the champion, fitted again until then, would meet a judged challenger whose rows end before the holdout."""


@dataclass(frozen=True, slots=True)
class Comparable:
    """The rows on which challenger and champion can be compared.

    Attributes:
        split: The split to measure on.
        rows: Test rows that both can be compared on.
        note: One sentence about it.
        fit: Which fit of the champion is compared.
    """

    split: Split
    rows: int
    note: str
    fit: Fit = "served"


def comparable_rows(
    spec: ModelSpec,
    split: Split,
    version: int,
    served: LoadedBundle,
    judged: LoadedBundle | None = None,
) -> Comparable:
    """Return the split without the test rows that the champion has learned from, and the fit to compare.

    The served fit decides where most of the holdout came after its rows, and where the challenger's judged fit has
    learned from rows at least as new: as in production, where the challenger will have the newer rows. Else the judged
    fit, stored next to it, represents its recipe on the rows that it has not learned from.

    Args:
        spec: The model file in force.
        split: The challenger's.
        version: The champion's.
        served: The champion's bundle with the fit in production.
        judged: The same with the fit that its holdout judged, where that is another one.

    Returns:
        The split, the number of comparable rows, and a note.
    """
    total = split.test.height
    own = _unseen(spec, split, version, served)
    few = own.rows < SERVED_SHARE * total
    if judged is None or not (few or _is_fresher(spec, split, served)):
        return own
    stand_in = _unseen(spec, split, version, judged)
    if stand_in.rows < own.rows or (few and stand_in.rows == own.rows):
        return own
    why = (
        f"was fitted again on {total - own.rows:,} of the {total:,} test rows"
        if few
        else "was fitted again on newer rows than the fit of the challenger that is judged"
    )
    note = (
        f"champion v{version} {why}: its judged fit, which has not learned from {stand_in.rows:,} of the {total:,} "
        "test rows, represents its recipe in the comparison"
    )
    return replace(stand_in, note=note, fit="judged")


def _is_fresher(spec: ModelSpec, split: Split, served: LoadedBundle) -> bool:
    """Return whether the champion in production has learned from newer rows than the judged challenger."""
    if spec.timestamp is None or served.seen_rows is None:
        return False
    until, last = features.SeenRows.from_json(served.seen_rows).until, split.train[spec.timestamp].max()
    return until is not None and isinstance(last, datetime) and until > last


def _unseen(spec: ModelSpec, split: Split, version: int, bundle: LoadedBundle) -> Comparable:
    """Return the comparison with one fit of the champion."""
    total = split.test.height
    known = features.SeenRows.from_json(bundle.seen_rows).mask(spec, split.test) if bundle.seen_rows else None
    if known is None:
        note = (
            f"champion v{version} does not record which rows it has learned from: no comparison with it counts; "
            f"'mlops retire {spec.name}' lets the absolute gates decide"
        )
        return Comparable(split, 0, note)
    count = int(np.count_nonzero(known))
    if not count:
        return Comparable(
            split, total, f"champion v{version} has learned from none of the {total:,} test rows"
        )
    note = f"champion v{version} has learned from {count:,} of the {total:,} test rows: compared on the other rows only"
    rows = total - count
    if rows < FEWEST_ROWS:
        return Comparable(split, rows, note)
    return Comparable(replace(split, test=split.test.filter(pl.Series(~known))), rows, note)


def rows_after(spec: ModelSpec, rows: pl.DataFrame, bundles: Sequence[LoadedBundle]) -> pl.DataFrame:
    """Return the rows that came after all of these fits; none where one does not record until when it has learned.

    Args:
        spec: The model file in force.
        rows: Rows with targets.
        bundles: The fits.

    Returns:
        The subset of rows.
    """
    ends = [features.SeenRows.from_json(one.seen_rows).until if one.seen_rows else None for one in bundles]
    known = [end for end in ends if end is not None]
    if spec.timestamp is None or len(known) < len(bundles):
        return rows.clear()
    return rows.filter(pl.col(spec.timestamp) > max(known))
