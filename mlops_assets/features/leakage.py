"""Leakage of a split: rows and groups in two parts, training on the future, and columns that know the target.

Comes in: the model file and a split. Goes out: findings; a proof refuses a challenger, anything else needs a person.
Columns and near duplicates are the task of the package `leakage`, which `mlops new` calls too.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.artifacts import PARTS, Part, Split
from mlops_assets.features.columns import computed_names, feature_names
from mlops_assets.features.kinds import FEATURE_KINDS
from mlops_assets.features.splitting import purge, strategy
from mlops_assets.features.tolerance import usual_step_of
from mlops_assets.leakage import Finding, LeakageTable, findings
from mlops_assets.matching import MICROSECOND
from mlops_assets.model_file import ModelSpec

MANY_SHARED: Final = 0.01
"""Share of the rows of a part that equal rows of another, from which they are too many."""
BEYOND_CHANCE: Final = 10.0
"""How many times more rows must be shared than chance explains."""


def leakage_findings(spec: ModelSpec, split: Split) -> tuple[Finding, ...]:
    """Check a split for target leakage: shared rows and groups, future rows, and columns that know the target.

    Args:
        spec: The model file.
        split: The split to check.

    Returns:
        Proofs and suspicions; empty for none.
    """
    return (
        *_shared_rows(spec, split),
        *_shared_groups(spec, split),
        *_future(spec, split),
        *findings(_table(spec, split)),
    )


def leakage(spec: ModelSpec, split: Split) -> tuple[str, ...]:
    """Return the proofs of target leakage.

    Args:
        spec: The model file.
        split: The split to check.

    Returns:
        One sentence for each proof.
    """
    return tuple(one.sentence for one in leakage_findings(spec, split) if one.strength == "proof")


def _table(spec: ModelSpec, split: Split) -> LeakageTable:
    """Rows of all parts. Computed columns are no inputs: that the last value explains the next one is no leak."""
    frame = pl.concat([split.part(part) for part in PARTS], how="vertical_relaxed")
    computed = {*computed_names(spec), *computed_names(spec, "grid")}
    of_others = tuple(
        feature.name
        for kind in FEATURE_KINDS.values()
        if kind.role == "feature" and not kind.from_clock
        for feature in kind.describe(spec)
        if set(feature.sources) - {spec.target, spec.timestamp, spec.entity}
    )
    return LeakageTable(
        frame=frame,
        inputs=tuple(name for name in feature_names(spec, frame.columns) if name not in computed),
        target=spec.target,
        is_classification=spec.problem == "classification",
        timestamp=spec.timestamp,
        entity=spec.entity,
        horizon_steps=_horizon_steps(spec, frame),
        parts=np.repeat(np.arange(len(PARTS), dtype=np.int8), [split.part(part).height for part in PARTS]),
        exchangeable=strategy(spec) in ("random", "stratified"),
        computed=of_others,
        lagged=tuple(name for name in FEATURE_KINDS["lags"].names(spec) if name in of_others),
    )


def _horizon_steps(spec: ModelSpec, frame: pl.DataFrame) -> int:
    """Rows of one entity between a row and the reading that is its target; 0 where the target is its own reading."""
    if spec.problem != "forecasting" or spec.features.horizon is None or spec.timestamp is None:
        return 0
    step = usual_step_of(spec, frame)
    return round(spec.features.horizon / MICROSECOND / step) if step else 0


def _shared_rows(spec: ModelSpec, split: Split) -> Iterator[Finding]:
    """Rows with the same keys in two parts; without keys, rows that are equal in every column, beyond chance."""
    keys = [name for name in (spec.timestamp, spec.entity) if name is not None] if spec.timestamp else []
    names = keys or sorted(split.train.columns)
    for index, one in enumerate(PARTS):
        for other in PARTS[index + 1 :]:
            here, there = split.part(one), split.part(other)
            shared = here.select(names).join(
                there.select(names).unique(), on=names, how="semi", nulls_equal=True
            )
            if not shared.height:
                continue
            rows = f"{shared.height:,} rows of {one} are in {other} too"
            if keys:
                yield Finding((), f"{rows} (same {' and '.join(keys)})", "proof")
            elif shared.height >= max(MANY_SHARED, BEYOND_CHANCE * _by_chance(here, there)) * here.height:
                yield Finding((), f"{rows}, equal in every column", "suspicion")


def _by_chance(here: pl.DataFrame, there: pl.DataFrame) -> float:
    """Share of rows that equal one of the others when columns are independent of each other."""
    logarithm = np.zeros(here.height)
    for name in here.columns:
        counts = there[name].value_counts(name="_rows")
        rows = here.select(name).join(counts, on=name, how="left", nulls_equal=True)["_rows"].fill_null(0)
        with np.errstate(divide="ignore"):
            logarithm += np.log(rows.to_numpy() / there.height)
    return float(np.mean(-np.expm1(there.height * np.log1p(-np.minimum(np.exp(logarithm), 1 - 1e-12)))))


def _shared_groups(spec: ModelSpec, split: Split) -> Iterator[Finding]:
    group = spec.split.group
    if group is None or group not in split.train.columns:
        return
    known: dict[object, str] = {}
    shared = {
        value
        for part in PARTS
        for value in split.part(part)[group].unique().to_list()
        if known.setdefault(value, part) != part
    }
    if shared:
        yield Finding((), f"{len(shared):,} values of {group!r} are in more than one part", "proof")


def _future(spec: ModelSpec, split: Split) -> Iterator[Finding]:
    if spec.timestamp is None or strategy(spec) != "temporal":
        return
    at = spec.timestamp
    neighbors: tuple[tuple[Part, Part], ...] = (("train", "validation"), ("validation", "test"))
    for one, other in neighbors:
        reach, begin = split.part(one)[at].max(), split.part(other)[at].min()
        if not isinstance(reach, datetime) or not isinstance(begin, datetime):
            continue
        if reach >= begin or reach + purge(spec) > begin:
            what = f"{one} reaches to {reach}, which is not before {other} begins ({begin}) by the gap"
            yield Finding((), what, "proof")
