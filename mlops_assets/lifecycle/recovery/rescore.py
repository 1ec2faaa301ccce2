"""The blast radius of a bad version: every prediction it made, and exactly those made again by the present champion.

Comes in: a model, an instant, and the version that was rolled back from. Goes out: `Rescored` and, in the ledger and in
a table `rescored`, one more row per prediction. The bad version's rows stay as they are: nothing is changed or removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import polars as pl

from mlops_assets import features, predictions, stages
from mlops_assets.artifacts import TableVersion, from_json
from mlops_assets.errors import DataError, LedgerError
from mlops_assets.lifecycle.model_loading import load_version, spec_of_bundle
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.model_file import ModelSpec

TABLE: Final = "rescored"
KEYS: Final = ("entity", "at")
ROW_KEYS: Final = (*KEYS, "occurrence")
"""What identifies a prediction of one version: two rows of one entity and instant are two."""
BEGINNING: Final = datetime(1, 1, 2, tzinfo=UTC)
END: Final = datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Rescored:
    """Predictions of `bad` since `since`: how many, how many `champion` predicted too, how many were new to the ledger.

    table holds them side by side: entity, at, predicted_at, value and label of both. out_of_reach: predictions whose
    readings are in no table version any more.
    """

    model: str
    bad: int
    champion: int
    since: datetime
    made: int
    again: int
    new_rows: int
    out_of_reach: int
    first: datetime | None
    last: datetime | None
    table: TableVersion | None


def rescore(
    platform: Platform, model: str, since: datetime, run: Run, version: int | None = None
) -> Rescored:
    """Score the rows again that a bad version predicted, with the present champion. A second call adds nothing.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        since: Only predictions made from this time on, with a zone.
        run: The run: id, actor, clock, `as_of` and progress callback.
        version: The bad version; None: the last that was rolled back from.

    Returns:
        Numbers of rows and the table that has both predictions next to each other.

    Raises:
        LedgerError: When there is no such version or no champion, or the bad version is the champion.
    """
    bad = version if version is not None else _left_behind(platform, model)
    champion = platform.ledger.champion(model)
    if champion is None:
        raise LedgerError(f"{model} has no champion that could predict again")
    if champion.version == bad:
        raise LedgerError(f"{model} version {bad} is the champion; roll back first, or name the bad version")
    platform.ledger.model_version(model, bad)
    made = platform.ledger.predictions(model, since=BEGINNING, until=END, version=bad)
    made = made.filter(pl.col("predicted_at") >= since)
    predictor, bundle = load_version(platform, model, champion.version)
    spec = spec_of_bundle(bundle)
    again = _again(spec, platform, predictor, champion.version, made, run)
    stored = platform.ledger.store_predictions(
        model, champion.version, again.select(*ROW_KEYS, "value", "label"), predicted_at=run.now()
    )
    table = _side_by_side(platform, model, made, again, run) if again.height else None
    return Rescored(
        model=model,
        bad=bad,
        champion=champion.version,
        since=since,
        made=made.height,
        again=again.height,
        new_rows=stored,
        out_of_reach=made.height - again.height,
        first=_instant(made["predicted_at"].min()),
        last=_instant(made["predicted_at"].max()),
        table=table,
    )


def _left_behind(platform: Platform, model: str) -> int:
    for entry in platform.ledger.history(model, None):
        if entry.action == "rolled_back" and entry.from_version is not None:
            return entry.from_version
    raise LedgerError(f"no version of {model} was ever rolled back from; name the bad one with --version")


def _again(
    spec: ModelSpec,
    platform: Platform,
    predictor: BundlePredictor,
    version: int,
    made: pl.DataFrame,
    run: Run,
) -> pl.DataFrame:
    """Return the champion's predictions for the keys in `made`.

    From the readings each batch was made from, else from others.
    """
    columns = {
        "entity": pl.String(),
        "at": pl.Datetime("us", "UTC"),
        "occurrence": pl.Int32(),
        "value": pl.Float64(),
        "label": pl.String(),
    }
    missing, parts = made.select(ROW_KEYS), [pl.DataFrame(schema=columns)]
    for table, at in _readings(spec, platform, made):
        if not missing.height:
            break
        rows = features.build(spec, platform.datasets.read(table))
        keyed = rows.select(**_keys(spec, rows.height, at)).with_row_index("row")
        keyed = keyed.with_columns(occurrence=pl.int_range(pl.len(), dtype=pl.Int32).over(KEYS))
        keyed = keyed.join(missing, on=ROW_KEYS, how="semi").sort("row")
        if not keyed.height:
            continue
        scored = predictions.score(spec, predictor, rows[keyed["row"]], version, run.now())
        rescored_rows = (
            scored.select("value", "label").with_columns(*(keyed[name] for name in ROW_KEYS)).select(*columns)
        )
        parts.append(rescored_rows)
        missing = missing.join(rescored_rows, on=ROW_KEYS, how="anti")
    return pl.concat(parts, how="vertical_relaxed")


def _keys(spec: ModelSpec, rows: int, at: datetime | None) -> dict[str, pl.Expr]:
    """Entity and at of feature rows, as `predictions.score` names them.

    `at` is when rows without a timestamp were predicted.
    """
    if spec.timestamp is None:
        entity = pl.col(spec.entity) if spec.entity else pl.int_range(rows)
        return {"entity": entity.cast(pl.String), "at": pl.repeat(at, rows, dtype=pl.Datetime("us", "UTC"))}
    ahead = spec.features.horizon
    instant = pl.col(spec.timestamp) + ahead if ahead else pl.col(spec.timestamp)
    return {
        "entity": pl.col(spec.entity).cast(pl.String)
        if spec.entity
        else pl.repeat("", rows, dtype=pl.String),
        "at": instant.cast(pl.Datetime("us", "UTC")),
    }


def _readings(
    spec: ModelSpec, platform: Platform, made: pl.DataFrame
) -> Iterator[tuple[TableVersion, datetime | None]]:
    """Yield validated tables to look in: those of the batches themselves, newest first, then every other version.

    Where the model has no timestamp a row is known by its number in its batch, so only that batch's table will do.
    """
    rescored: set[int] = set()
    built = platform.datasets.log(spec.name, stages.FEATURES)
    validated = platform.datasets.log(spec.name, stages.VALIDATED_DATA)
    for commit in platform.datasets.log(spec.name, stages.PREDICTIONS):
        batch = platform.datasets.read(commit.version)
        if not batch.join(made, on=KEYS, how="semi").height:
            continue
        body = platform.ledger.get_record(f"{spec.name}/{stages.FEATURES}", commit.by.run_id, exact=True)
        if body is not None:
            tables = from_json(FeaturesRecord, body).data
        else:  # predicted in a run of its own, from the features that were newest then
            features_then = next((one for one in built if one.by.at <= commit.by.at), commit)
            tables = tuple(one.version for one in validated if one.by.at <= features_then.by.at)[:1]
        for table in tables:
            if table.table == stages.VALIDATED_DATA:
                rescored.add(table.version)
                yield table, batch["at"][0]
    if spec.timestamp is not None:
        for commit in validated:
            if commit.version.version not in rescored:
                yield commit.version, None


def _side_by_side(
    platform: Platform, model: str, made: pl.DataFrame, again: pl.DataFrame, run: Run
) -> TableVersion:
    both = made.join(again, on=ROW_KEYS, how="inner", suffix="_again")
    return platform.datasets.write(
        model,
        TABLE,
        both,
        run.provenance,
        operation="rescore",
    )


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise DataError(f"{value!r} is no instant")
    return value
