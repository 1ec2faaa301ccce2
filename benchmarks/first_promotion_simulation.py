"""How often a first champion is promoted that has learned nothing: tables of pure noise under the gates of a draft.

Five kinds of table, 200 of each: numbers, two classes, a rare class of 8 %, ten classes, and a panel whose entities
share a noise of the instant and have a level of their own. The inputs are noise too. A linear model is trained, which
stays near the baselines and so beats them by chance more often than one that overfits; `--boosting` adds LightGBM, and
the better of the two on the validation part is judged.

    python -m benchmarks.first_promotion_simulation [--tables 200] [--kind panel] [--boosting]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl

from mlops_assets import evaluation, features, promotion
from mlops_assets.artifacts import ChampionRef, Evidence
from mlops_assets.lifecycle.platform import Run
from mlops_assets.lifecycle.stages.candidates import best_of, fit_candidates
from mlops_assets.model_file import ModelSpec

ROWS: Final = 600
COLUMNS: Final = 5
ENTITIES: Final = 12
START: Final = datetime(2025, 1, 1, tzinfo=UTC)

LINEAR: Final = {"regression": "ridge", "classification": "logistic"}
BOOSTING: Final = {"name": "lightgbm", "num_leaves": 15, "learning_rate": 0.05, "n_estimators": 60}


def _noise(rng: np.random.Generator, target: Any) -> pl.DataFrame:
    return pl.DataFrame({"y": target, **{f"x{column}": rng.normal(size=ROWS) for column in range(COLUMNS)}})


def _classes(rng: np.random.Generator, shares: list[float]) -> pl.DataFrame:
    return _noise(rng, rng.choice([f"c{code}" for code in range(len(shares))], ROWS, p=shares))


def _panel(rng: np.random.Generator) -> pl.DataFrame:
    entity = np.tile(np.arange(ENTITIES), ROWS // ENTITIES)
    step = np.repeat(np.arange(ROWS // ENTITIES), ENTITIES)
    shared, level = rng.normal(size=step.max() + 1)[step], rng.normal(size=ENTITIES)[entity]
    return _noise(rng, shared + 0.5 * level + rng.normal(size=ROWS)).with_columns(
        at=pl.Series([START + timedelta(hours=int(hour)) for hour in step]),
        unit=pl.Series([f"u{one}" for one in entity]),
    )


KINDS: Final[dict[str, tuple[str, tuple[str, ...], Callable[[np.random.Generator], pl.DataFrame]]]] = {
    # kind: problem, metrics of `beats_baseline` as drafted, table
    "numbers": ("regression", ("rmse",), lambda rng: _noise(rng, rng.normal(size=ROWS))),
    "two classes": ("classification", ("roc_auc", "log_loss"), lambda rng: _classes(rng, [0.5, 0.5])),
    "rare class": ("classification", ("pr_auc", "log_loss"), lambda rng: _classes(rng, [0.92, 0.08])),
    "ten classes": ("classification", ("f1", "log_loss"), lambda rng: _classes(rng, [0.1] * 10)),
    "panel": ("regression", ("rmse",), _panel),
}


def spec_of(kind: str, boosting: bool) -> ModelSpec:
    """The model file of one kind of table."""
    problem, metrics, _ = KINDS[kind]
    keys = {"timestamp": "at", "entity": "unit"} if kind == "panel" else {}
    body: dict[str, Any] = {
        "name": "noise",
        "description": "noise",
        "owners": ["a@example.com"],
        "problem": problem,
        "target": "y",
        "source": {"kind": "simulated", "simulator": "pump_station"},
        "training": {"algorithms": [{"name": LINEAR[problem]}, *([BOOSTING] if boosting else [])]},
        "evaluation": {"primary": metrics[0], "also": list(metrics[1:])},
        "gates": [{"kind": "beats_baseline", "metric": metric} for metric in metrics],
    }
    return ModelSpec.model_validate(body | keys, strict=False)


def is_promoted(spec: ModelSpec, frame: pl.DataFrame) -> bool:
    """Train on one table, and ask the gates about a first champion."""
    run = Run("run", START, lambda: START, "bench", "benchmark", lambda _sentence: None)
    split = features.split(spec, features.build(spec, frame))
    preparation = features.fit_preparation(spec, split.train)
    predictor = best_of(spec, fit_candidates(spec, split, preparation, time.monotonic(), run)).predictor
    measured = evaluation.evaluate(spec, predictor, None, split, size_bytes=1)
    evidence = Evidence(
        spec.name, 1, predictor.algorithm, spec.digest(), "0", (), ChampionRef(None, 0), {}, measured, ROWS, 1, 1.0,
        60.0, 0, (), {}, "benchmark", 0, START,
    )  # fmt: skip
    gates = promotion.evaluate_gates(spec, evidence)
    return promotion.decide(spec, gates, evidence.champion).outcome == "promote"


def promoted(kind: str, tables: int, *, boosting: bool = False) -> int:
    """How many of many tables of noise of one kind give a first champion."""
    spec = spec_of(kind, boosting)
    rng = np.random.default_rng(list(KINDS).index(kind))
    return sum(is_promoted(spec, KINDS[kind][2](rng)) for _ in range(tables))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=200)
    parser.add_argument("--kind", choices=list(KINDS), action="append")
    parser.add_argument("--boosting", action="store_true")
    options = parser.parse_args()
    print(f"{'tables of noise':<16}{'promoted':>12}{'share':>8}")
    total = 0
    for kind in options.kind or KINDS:
        count = promoted(kind, options.tables, boosting=options.boosting)
        total += count
        print(f"{kind:<16}{f'{count} of {options.tables}':>12}{count / options.tables:>8.1%}", flush=True)
    print(f"{'all':<16}{total:>12}")


if __name__ == "__main__":
    main()
