"""Each diagnosis provoked once in real runs, to be looked at: four of error and importance, broken data, five signals.

    MLOPS_HOME=/tmp/diagnoses MLOPS_MODELS=/tmp/diagnoses/models python -m benchmarks.diagnoses [CASE ...]

Writes one model file and one table of readings per case, trains and promotes each model, lets its world change, and
runs predictions and reports as the schedules do. Prints diagnosis and active signals, and exits with 1 where one is
not the expected one. Afterwards `mlops up` on the same home shows them in Dagster and on the review page, `mlops week`
the weekly report. Two minutes of processor time.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from mlops_assets.cli.context import open_platform, prepare_stores, settings
from mlops_assets.model_file import load_model

STEP = timedelta(minutes=5)
TRAINED, LATER = 864, 1_152
"""Readings at the promotion, and at the reports: three days and another one."""
NAMES = ("flow", "speed", "load", "heat")
EFFECTS = np.array([4.0, 2.0, 1.0, 0.5])


@dataclass(frozen=True)
class Case:
    """What changes after the promotion.

    Attributes:
        meaning: What happens to the machine.
        diagnosis: What the platform should say.
        signals: Signals that should be active, among others.
        effects: How the inputs move the target afterwards.
        scales: Standard deviations of the inputs afterwards.
        error: Standard deviation of the target around what the inputs say.
        offset: Added to the target.
        dead: An input without values.
    """

    meaning: str
    diagnosis: str
    signals: frozenset[str] = frozenset()
    effects: tuple[float, ...] = tuple(EFFECTS)
    scales: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    error: float = 0.5
    offset: float = 0.0
    dead: str = ""


CASES = {
    "pump_as_before": Case("nothing changes", "healthy"),
    "pump_other_regime": Case(
        "the first two inputs hardly vary any more, the others do",
        "early_warning",
        frozenset({"drift", "importance"}),
        scales=(0.1, 0.2, 3.0, 9.0),
    ),
    "pump_worn": Case(
        "wear makes the target lower and noisier",
        "ageing",
        frozenset({"error", "bias"}),
        error=1.5,
        offset=-2.0,
    ),
    "pump_rebuilt": Case(
        "other inputs vary, and they move the target in another direction",
        "concept_drift",
        frozenset({"drift", "error", "importance"}),
        effects=(4.0, 2.0, -2.0, -1.0),
        scales=(0.1, 0.2, 3.0, 9.0),
    ),
    "pump_dead_sensor": Case("the flow meter sends nothing", "broken_data", dead="flow"),
}


def readings(case: Case, start: datetime) -> pl.DataFrame:
    """Return the readings of one case: as trained first, then changed.

    Args:
        case: The case.
        start: Instant of the first reading.

    Returns:
        One row every five minutes, LATER in all.
    """
    random = np.random.default_rng(11)
    after = np.arange(LATER) >= TRAINED
    values = random.standard_normal((LATER, len(NAMES))) * np.where(after[:, None], case.scales, 1.0)
    noise = random.standard_normal(LATER) * np.where(after, case.error, 0.5)
    target = (
        (values * np.where(after[:, None], case.effects, EFFECTS)).sum(axis=1) + noise + case.offset * after
    )
    frame = pl.DataFrame(
        {
            "at": pl.Series([start + STEP * index for index in range(LATER)], dtype=pl.Datetime("us", "UTC")),
            **{name: values[:, index] for index, name in enumerate(NAMES)},
            "efficiency": target,
        }
    )
    if case.dead:
        empty = pl.when(pl.int_range(pl.len()) < TRAINED).then(case.dead)
        frame = frame.with_columns(empty.alias(case.dead))
    return frame


def model_file(name: str, case: Case, data: str) -> str:
    """Return a model file, as JSON, which is YAML too.

    Args:
        name: Name of the model.
        case: The case.
        data: Path of its readings.

    Returns:
        The text.
    """
    return json.dumps(
        {
            "name": name,
            "description": f"Efficiency of a pump: {case.meaning}.",
            "owners": ["operator@example.com"],
            "problem": "regression",
            "target": "efficiency",
            "timestamp": "at",
            "source": {"kind": "file", "path": data},
            "validation": {"max_missing": 0.5},
            "training": {"algorithms": [{"ridge": {}}], "time_limit": "5m"},
            "evaluation": {"primary": "rmse", "also": ["mae"]},
            "gates": [{"metric_at_most": {"metric": "rmse", "limit": 2.0}}, "no_missing_predictions"],
            "monitoring": {"window": "12h", "kpis": {"lost_kwh": "SUM(ABS(prediction - label)) * 0.12"}},
            "retraining": {"reactions": {"drift": "alert", "importance": "alert"}},
        },
        indent=1,
    )


def main() -> None:
    """Run all cases; exit with 1 when one is not diagnosed as expected."""
    from mlops_assets.artifacts import HealthReport, from_json

    prepare_stores()
    from mlops_assets.defs.execution import materialize

    chosen = settings()
    data = chosen.home / "data"
    data.mkdir(parents=True, exist_ok=True)
    chosen.models.mkdir(parents=True, exist_ok=True)
    end = datetime.now(UTC).replace(hour=datetime.now(UTC).hour // 12 * 12, minute=0, second=0, microsecond=0)
    start = end - LATER * STEP
    wrong = 0
    for name in sys.argv[1:] or CASES:
        case = CASES[name]
        readings(case, start).write_parquet(data / f"{name}.parquet")
        path = chosen.models / f"{name}.yaml"
        path.write_text(model_file(name, case, str(data / f"{name}.parquet")), encoding="utf-8")
        spec = load_model(path)
        failures: list[str] = []
        for job, rows in (("lifecycle", TRAINED), ("predictions", LATER), ("drift", LATER)):
            done = materialize(
                spec,
                as_of=start + STEP * rows,
                actor="benchmark",
                progress=lambda _: None,
                reuse=True,
                job=job,
            )
            failures += [f"{stage}: {sentence}" for stage, sentence in done.failures]
        with open_platform() as platform:
            body = platform.ledger.newest_records(f"{name}/model_health", 1)
            signals = {one.cause for one in platform.ledger.newest_signals([name], 1)[name] if one.active}
        health = from_json(HealthReport, body[0]) if body else None
        diagnosis = health.diagnosis if health else "none"
        good = diagnosis == case.diagnosis and case.signals <= signals
        wrong += not good
        print(f"{'ok ' if good else 'NOT'} {name}: {diagnosis}, signals {sorted(signals)}; {failures}")
        print(f"    {health.sentence if health else ''}", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
