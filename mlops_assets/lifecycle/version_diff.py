"""Two versions of a model on the same rows: which predictions flip, and how far they move.

Comes in: two version numbers. Goes out: a `VersionDiff`. Nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mlops_assets import evaluation, features, reports, stages
from mlops_assets.artifacts import Flips
from mlops_assets.errors import DataError
from mlops_assets.lifecycle.champion_features import with_features_of
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform, Run, record_of
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.lifecycle.unseen_rows import FEWEST_ROWS, rows_after
from mlops_assets.model_file import ModelSpec

NEWEST: Final = 5_000
"""Rows that are compared at most."""


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """Two versions, as served, on the same rows.

    Attributes:
        older: The version that is replaced.
        newer: The version that replaces it.
        flips: All rows, then each slice of `evaluation.slices`.
        note: Which rows, in one sentence.
        picture: PNG.
    """

    older: int
    newer: int
    flips: tuple[Flips, ...]
    note: str
    picture: bytes


def version_diff(spec: ModelSpec, platform: Platform, run: Run, older: int, newer: int) -> VersionDiff:
    """Compare two versions of a model on the newest rows with a target.

    Rows that came after both were fitted are taken where there are at least 5, else the holdout of the model file.

    Args:
        spec: The model file in force.
        platform: The open stores and settings.
        run: The circumstances of the call.
        older: The version that is replaced.
        newer: The version that replaces it.

    Returns:
        Metrics of both versions, and the rows where they differ.

    Raises:
        DataError: If there are no rows with a target.
        EvidenceError: If the versions do not predict the same.
    """
    frame = platform.datasets.read(record_of(platform, spec, stages.FEATURES, None, FeaturesRecord).table)
    columns = frame.columns
    (before, before_bundle), (after, after_bundle) = (
        load_version(platform, spec.name, version) for version in (older, newer)
    )
    for predictor, bundle in ((before, before_bundle), (after, after_bundle)):
        frame = with_features_of(predictor, bundle, frame, spec=spec, platform=platform, run=run)
    rows = rows_after(spec, features.labeled(spec, frame, columns), (before_bundle, after_bundle))
    what = "rows with a target that came after both were fitted"
    if rows.height < FEWEST_ROWS:
        rows = features.split(spec, frame, columns=columns).test
        what = "holdout rows; a version that has learned from them is right more often than it will be on later rows"
    if rows.is_empty():
        raise DataError(f"{spec.name}: no row with a target to compare versions {older} and {newer} on")
    rows = rows.tail(NEWEST)
    theirs, ours = evaluation.scored_pair(spec, before, after, rows)
    counts = evaluation.flips(spec, evaluation.in_order(spec, rows), ours, theirs)
    picture = reports.draw_flips(ours, theirs, spec.target, older, newer)
    return VersionDiff(older, newer, counts, f"{rows.height:,} {what}", picture)
