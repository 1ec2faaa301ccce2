"""The holdout rows that a champion has not learned from: only they can compare it with a challenger.

Comes in: the challenger's split and the champion's bundle. Goes out: the split whose test part holds only rows that
neither model was fitted, tuned, stopped, encoded or calibrated on, with the count of rows left out. A challenger never
learns from its own test part; a champion may have, when the split or the windows moved since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl

from mlops_assets import features
from mlops_assets.artifacts import Split
from mlops_assets.model_file import ModelSpec
from mlops_assets.training import LoadedBundle

FEWEST_ROWS: Final = 5
"""With fewer rows left the whole holdout is measured, for the report only, and no comparison counts."""


@dataclass(frozen=True, slots=True)
class Comparable:
    """The split to measure on, how many test rows both models can be compared on, and one sentence about it."""

    split: Split
    rows: int
    note: str


def comparable_rows(spec: ModelSpec, split: Split, version: int, bundle: LoadedBundle) -> Comparable:
    """Return the split without the test rows that the champion has learned from.

    Args:
        spec: The model file in force.
        split: The challenger's.
        version: The champion's.
        bundle: The champion's.
    """
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
