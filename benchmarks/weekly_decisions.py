"""Eight looks at each of six public streams: what the product serves, compared with simpler policies.

At every look the recipe is trained, judged and fitted again as the lifecycle does it, in memory, with light algorithms.
Then each policy is measured on the rows until the next look:

- product: what the gates decided;
- promote always: the newest judged fit, as before `training.refit`;
- refit always: the newest fit on all rows, whatever the gates say;
- never retrain: the first served fit for ever;
- best of both: at each look the better of champion and challenger, by the future that nobody knew.

    python -m benchmarks.weekly_decisions [--streams elec2_nsw ...] [--looks 8] [--no-refresh] [--data DIR]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import polars as pl

from mlops_assets import evaluation, features, promotion
from mlops_assets.artifacts import ChampionRef, RefitCheck, SequentialTest, Split, TrainedModel
from mlops_assets.lifecycle.platform import Run
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.lifecycle.stages.candidates import best_of, fit_candidates
from mlops_assets.lifecycle.stages.evidence import Contest, Later, build_evidence
from mlops_assets.lifecycle.stages.refit import refit
from mlops_assets.lifecycle.unseen_rows import FEWEST_LATER_ROWS, comparable_rows, rows_after
from mlops_assets.metrics import METRICS
from mlops_assets.model_file import ModelSpec
from mlops_assets.training import LoadedBundle

FIRST = 0.5
"""Share of the stream that the first look sees; the others divide the rest."""
MOST_ROWS = 16_000


@dataclass(frozen=True)
class Stream:
    """A file, how its rows become readings, and what differs in the model file."""

    file: str
    read: Callable[[pl.DataFrame], pl.DataFrame]
    body: dict[str, Any]


def _elec(stored: pl.DataFrame) -> pl.DataFrame:
    at = datetime(1996, 5, 7, tzinfo=UTC) + pl.duration(minutes=30 * pl.int_range(pl.len()))
    return stored.select(pl.lit(at).alias("at") if not isinstance(at, pl.Expr) else at.alias("at"), pl.all())


def _times(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").alias("at")


def _flights(stored: pl.DataFrame) -> pl.DataFrame:
    by_hour = (
        stored.with_columns(at=pl.col("time_hour").str.to_datetime(time_zone="UTC", time_unit="us"))
        .drop_nulls("arr_delay")
        .group_by("at")
        .agg(pl.col("arr_delay").mean(), pl.col("distance").mean(), flights=pl.len())
    )
    return by_hour.with_columns(
        pl.col("at").dt.hour().alias("hour"), pl.col("at").dt.weekday().alias("weekday")
    )


LAGS = [1, 2, 3, 6]
POLICIES = ("product", "promote always", "refit always", "never retrain", "best of both")
HEAD = ("stream", "looks", *POLICIES)
STREAMS = {
    "elec2_nsw": Stream(
        "elec2_nsw",
        _elec,
        {
            "problem": "classification",
            "target": "class",
            "features": {"exclude": ["row"]},
            "evaluation": {"primary": "log_loss", "also": ["accuracy"]},
        },
    ),
    "vic_elec_halfhour": Stream(
        "vic_elec_halfhour",
        lambda stored: stored.select(
            pl.col("Time").cast(pl.Datetime("us", "UTC")).alias("at"),
            "Demand",
            "Temperature",
            pl.col("Holiday").cast(pl.Int8),
        ),
        {
            "target": "Demand",
            "features": {
                "inputs": ["Temperature", "Holiday"],
                "lags": {"columns": ["Demand"], "steps": [48, 96, 336]},
                "cyclical": ["hour", "day_of_week"],
            },
        },
    ),
    "nycflights13_jan_jun": Stream(
        "nycflights13_jan_jun",
        _flights,
        {
            "target": "arr_delay",
            "features": {
                "inputs": ["hour", "weekday", "flights", "distance"],
                "lags": {"columns": ["arr_delay"], "steps": LAGS},
            },
            "evaluation": {"primary": "mae"},
        },
    ),
    "skab_pump_valve1": Stream(
        "skab_pump_valve1",
        lambda stored: stored.rename({"Volume Flow RateRMS": "flow"}).select(
            _times("datetime"),
            "flow",
            "Accelerometer1RMS",
            "Accelerometer2RMS",
            "Current",
            "Pressure",
            "Temperature",
            "Voltage",
        ),
        {
            "target": "flow",
            "features": {
                "inputs": [
                    "Accelerometer1RMS",
                    "Accelerometer2RMS",
                    "Current",
                    "Pressure",
                    "Temperature",
                    "Voltage",
                ]
            },
        },
    ),
    "nab_machine_temperature": Stream(
        "nab_machine_temperature",
        lambda stored: stored.select(_times("timestamp"), "value"),
        {"target": "value", "features": {"lags": {"columns": ["value"], "steps": [*LAGS, 12, 288]}}},
    ),
    "azure_vm_noise_long_eastus": Stream(
        "azure_vm_noise_long_eastus",
        lambda stored: (
            stored.select(_times("starttime"), "value", "unit", "runtime", pl.col("vm_sku").alias("sku"))
            .filter(pl.col("unit") == stored["unit"].mode().sort()[0])
            .drop("unit")
        ),
        {
            "target": "value",
            "features": {"inputs": ["runtime", "sku"], "lags": {"columns": ["value"], "steps": LAGS}},
        },
    ),
}


def spec_of(name: str, stream: Stream, refresh: bool) -> ModelSpec:
    """Return the model file of a stream."""
    body: dict[str, Any] = {
        "name": name,
        "description": "A public stream",
        "owners": ["people@example.com"],
        "problem": "regression",
        "timestamp": "at",
        "source": {"kind": "file", "path": "stream.parquet"},
        "evaluation": {"primary": "rmse"},
        **stream.body,
    }
    metric = body["evaluation"]["primary"]
    light = {"lightgbm": {"n_estimators": 150, "num_leaves": 15}}
    linear = {"logistic": {}} if body["problem"] == "classification" else {"ridge": {}}
    body["training"] = {"algorithms": [linear, light], "time_limit": "5m", "interval": None}
    body["gates"] = [
        {"beats_champion": {"metric": metric, "refresh": refresh}},
        {"metric_at_most": {"metric": metric, "limit": 1e9}},
        "no_missing_predictions",
    ]
    return ModelSpec.model_validate_json(json.dumps(body))


@dataclass
class Version:
    """One look's challenger, both fits."""

    number: int
    judged: BundlePredictor
    served: BundlePredictor
    judged_rows: features.SeenRows
    served_rows: features.SeenRows
    check: RefitCheck
    split: Split
    seconds: float

    def bundle(self, fit: str) -> LoadedBundle:
        """Return what later comparisons read of a stored bundle: which rows shaped the fit."""
        rows = self.served_rows if fit == "served" else self.judged_rows
        return cast(LoadedBundle, SimpleNamespace(seen_rows=rows.to_json()))


@dataclass
class Outcome:
    """Errors of every policy after each look, and what was promoted."""

    errors: dict[str, list[float]] = field(default_factory=dict)
    promoted: list[tuple[int, float]] = field(default_factory=list)
    """Look, and the relative gain over the former champion on all rows that followed."""
    better: int = 0
    """Looks at which the challenger's future error was at least 2 % lower."""
    caught: int = 0


def train(spec: ModelSpec, frame: pl.DataFrame, number: int, run: Run) -> Version:
    """Train, choose and fit again, as `train_model` does."""
    began = time.monotonic()
    split = features.split(spec, frame)
    preparation = features.fit_preparation(spec, split.train)
    judged = best_of(spec, fit_candidates(spec, split, preparation, began, run)).predictor
    again = refit(spec, frame, split, judged, run.progress, 300.0)
    return Version(
        number,
        judged,
        again.served,
        features.seen_rows(spec, split),
        features.rows_seen(spec, again.rows),
        again.check,
        split,
        time.monotonic() - began,
    )


def error(spec: ModelSpec, predictor: BundlePredictor, rows: pl.DataFrame) -> float:
    """Return the primary metric as an error."""
    value = evaluation.measure(spec, predictor, rows)[spec.evaluation.primary]
    return value if METRICS[spec.evaluation.primary].direction == "lower" else 1.0 - value


def contest_of(  # noqa: PLR0913
    spec: ModelSpec,
    frame: pl.DataFrame,
    challenger: Version,
    champion: Version | None,
    previous: Version | None,
    *,
    former: Version | None,
    analysis: int,
    accumulated: tuple[SequentialTest, ...],
    now: datetime,
) -> Contest:
    """Return what `evaluate_model` reads of both."""
    comparable = later = freshness = None
    measured = champion.served if champion else None
    if champion is not None:
        comparable = comparable_rows(
            spec, challenger.split, champion.number, champion.bundle("served"), champion.bundle("judged")
        )
        measured = champion.judged if comparable.fit == "judged" else champion.served
        if previous is not None:
            bundles = previous.bundle("served"), champion.bundle("served")
            rows = rows_after(spec, features.labeled(spec, frame), bundles)
            if rows.height >= FEWEST_LATER_ROWS:
                later = Later(previous.number, previous.served, champion.served, rows)
        elif former is not None:
            bundles = champion.bundle("served"), former.bundle("served")
            rows = rows_after(spec, features.labeled(spec, frame), bundles)
            if rows.height >= FEWEST_LATER_ROWS:
                freshness = Later(champion.number, champion.served, former.served, rows)
    trained = TrainedModel(
        spec.name, challenger.number, challenger.judged.algorithm, "", "0", (), frame.height, challenger.split.digest,
        0.5, (), spec.digest(), "benchmark", 42, now, None, challenger.check,
    )  # fmt: skip
    return Contest(
        trained=trained,
        challenger=challenger.judged,
        champion=measured,
        served=challenger.served,
        serving_champion=champion.served if champion else None,
        reference=ChampionRef(champion.number if champion else None, champion.number if champion else 0),
        split=comparable.split if comparable else challenger.split,
        full_split=challenger.split,
        size_bytes=1,
        analysis=analysis,
        accumulated=accumulated,
        later=later,
        freshness=freshness,
        comparable=comparable,
        same_recipe=champion is not None,
        warnings=(),
        critical_quality_failures=0,
        environment={},
        code_commit="benchmark",
    )


def play(name: str, data: Path, looks: int, refresh: bool, say: Callable[[str], None]) -> Outcome:
    """Run all policies over one stream."""
    stream = STREAMS[name]
    spec = spec_of(name, stream, refresh)
    readings = stream.read(pl.read_parquet(data / f"{stream.file}.parquet")).sort("at", maintain_order=True)
    readings = readings.unique("at", keep="first", maintain_order=True).tail(MOST_ROWS)
    table = features.labeled(spec, features.build(spec, readings))
    edges = [int(table.height * (FIRST + (1 - FIRST) * look / looks)) for look in range(looks + 1)]
    run = Run(
        "run", datetime.now(UTC), lambda: datetime.now(UTC), "bench", "benchmark", lambda _sentence: None
    )
    outcome = Outcome(
        {
            policy: []
            for policy in ("product", "promote always", "refit always", "never retrain", "best of both")
        }
    )
    champion: Version | None = None
    first: Version | None = None
    previous: Version | None = None
    former: Version | None = None
    analysis, accumulated = 1, cast(tuple[SequentialTest, ...], ())
    for look in range(looks):
        frame, future = table.head(edges[look]), table[edges[look] : edges[look + 1]]
        rest = table[edges[look] :]
        challenger = train(spec, frame, look + 1, run)
        now = cast(datetime, frame["at"].max()) + timedelta(seconds=1)
        contest = contest_of(
            spec,
            frame,
            challenger,
            champion,
            previous,
            former=former,
            analysis=analysis,
            accumulated=accumulated,
            now=now,
        )
        evidence, _ = build_evidence(spec, contest)
        decision = promotion.decide(spec, evidence.gates, contest.reference)
        errors = {
            "challenger": error(spec, challenger.served, future),
            "champion": error(spec, champion.served, future) if champion else float("inf"),
        }
        gain = 1 - errors["challenger"] / errors["champion"] if champion else float("nan")
        if champion and gain >= 0.02:
            outcome.better += 1
            outcome.caught += decision.outcome == "promote"
        say(
            f"{name} look {look + 1}: {frame.height} rows, {challenger.judged.algorithm}, {decision.outcome}"
            f" (fit {evidence.evaluation.champion_fit or '-'}), future gain {gain:+.1%}: {decision.reason[:160]}"
        )
        if decision.outcome == "promote":
            if champion is not None:
                after = 1 - error(spec, challenger.served, rest) / error(spec, champion.served, rest)
                outcome.promoted.append((look + 1, after))
            champion, previous, former, analysis, accumulated = challenger, None, champion, 1, ()
        else:
            previous, analysis, accumulated = challenger, analysis + 1, evidence.evaluation.sequential
        first = first or champion
        if champion is None or first is None:
            continue
        measured = {
            "product": error(spec, champion.served, future),
            "promote always": error(spec, challenger.judged, future),
            "refit always": errors["challenger"],
            "never retrain": error(spec, first.served, future),
            "best of both": min(errors["challenger"], errors["champion"]),
        }
        for policy, value in measured.items():
            outcome.errors[policy].append(value)
    return outcome


def main() -> None:
    """Print one table row per stream."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", nargs="*", default=list(STREAMS), choices=list(STREAMS))
    parser.add_argument("--looks", type=int, default=8)
    parser.add_argument(
        "--no-refresh",
        dest="refresh",
        action="store_false",
        help="beats_champion with 'refresh: false'",
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("MLOPS_PUBLIC_DATA", "data")))
    options = parser.parse_args()
    if not options.data.is_dir():
        print(
            f"skipped: {options.data} is not there; set MLOPS_PUBLIC_DATA to a folder with the public streams"
        )
        return
    rows = []
    for name in options.streams:
        outcome = play(
            name, options.data, options.looks, options.refresh, lambda line: print(line, flush=True)
        )
        means = {policy: float(np.mean(values)) for policy, values in outcome.errors.items() if values}
        if not means:
            rows.append(f"| {name} | no champion | | | | | | | |")
            continue
        best = min(means[policy] for policy in means if policy not in ("product", "best of both"))
        worse = sum(gain < 0 for _, gain in outcome.promoted)
        rows.append(
            f"| {name} | {len(outcome.errors['product'])} | "
            + " | ".join(f"{means[policy]:.5g}" for policy in outcome.errors)
            + f" | {means['product'] / best - 1:+.2%} | {len(outcome.promoted)} ({worse} worse) | "
            f"{outcome.caught} of {outcome.better} |"
        )
    head = (*HEAD, "product against the best", "promotions", "better ones promoted")
    print(f"| {' | '.join(head)} |")
    print("|" + "---|" * len(head))
    print("\n".join(rows))


if __name__ == "__main__":
    main()
