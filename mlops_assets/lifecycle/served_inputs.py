"""What callers of the API sent, and what the model predicted, as columns that drift is measured on.

Comes in: the prediction log and the champion's profile. Goes out: frames with the columns of the profile. How far they
moved is measured in `monitoring`.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, Final

import polars as pl

from mlops_assets.artifacts import ColumnProfile, Profile
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import now_column
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.readings.cleaning.steps import apply_steps

MOST_ROWS: Final = 50_000
"""Rows of a window that are measured, the newest."""
PREDICTION: Final = "prediction"


def served_inputs(
    spec: ModelSpec, platform: Platform, profile: Profile, since: datetime, until: datetime
) -> pl.DataFrame:
    """Return the readings that callers sent for predictions within a window.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        profile: The champion's training data.
        since: First time of prediction.
        until: End, exclusive.

    Returns:
        The columns of the profile that any caller sent, cleaned as the API does; numbers as floats, and null where a
        caller sent something else. Computed features are absent.
    """
    rows = platform.ledger.served_inputs(spec.name, since=since, until=until, limit=MOST_ROWS)
    sent: list[dict[str, Any]] = [json.loads(row) for row in rows["readings"]]
    names = {now_column(spec.target) if name == spec.target else name: name for row in sent for name in row}
    return pl.DataFrame(
        [
            _cleaned(spec, source, [row.get(source) for row in sent], profile.columns[name]).alias(name)
            for name, source in names.items()
            if name in profile.columns
        ]
    )


def predicted_values(
    spec: ModelSpec, platform: Platform, version: int, since: datetime, until: datetime
) -> pl.DataFrame:
    """Return what a version predicted within a window, by batches and the API.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        version: The version.
        since: Start of the window.
        until: Its end.

    Returns:
        The column `prediction`: numbers, or the names of classes.
    """
    ahead = spec.features.horizon or timedelta(0)
    name = "label" if spec.problem == "classification" else "value"
    batch = platform.ledger.predictions(spec.name, since=since + ahead, until=until + ahead, version=version)
    served = platform.ledger.served_inputs(spec.name, since=since, until=until, limit=MOST_ROWS).filter(
        pl.col("version") == version, pl.col("rung").is_null() | (pl.col("rung") == "champion")
    )
    return pl.concat([one.select(pl.col(name).alias(PREDICTION)) for one in (batch, served)])


def _cleaned(spec: ModelSpec, name: str, values: list[Any], profile: ColumnProfile) -> pl.Series:
    """Return sent values after the cleaning steps for single values, as the profile has them: text or floats."""
    rules = spec.repairs
    steps = RepairsSpec(
        missing_text=rules.missing_text,
        sentinels={name: rules.sentinels[name]} if name in rules.sentinels else {},
        decimal_comma=(name,) if name in rules.decimal_comma else (),
        thousands=(name,) if name in rules.thousands else (),
        uncastable="missing",
    )
    is_text = [isinstance(value, str) or profile.kind == "category" for value in values]
    texts = [
        str(value) if text and value is not None else None
        for value, text in zip(values, is_text, strict=True)
    ]
    numbers = [
        None if text or value is None else float(value) for value, text in zip(values, is_text, strict=True)
    ]
    cleaned = [
        apply_steps(pl.DataFrame(pl.Series(name, part, dtype=dtype)), steps, "the API")[0][name]
        for part, dtype in ((texts, pl.String), (numbers, pl.Float64))
    ]
    if profile.kind == "category":
        return cleaned[0].cast(pl.String)
    return cleaned[1].zip_with(cleaned[1].is_not_null(), cleaned[0].cast(pl.Float64, strict=False))
