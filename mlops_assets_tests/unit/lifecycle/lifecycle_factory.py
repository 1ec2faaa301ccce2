"""A small station, really lived: readings in a CSV file, real tables and bundles, a registry that only remembers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl

from mlops_assets import promotion, stages
from mlops_assets.artifacts import ChampionRef, Evidence, TrainedModel, to_json
from mlops_assets.datasets import Datasets
from mlops_assets.errors import ServiceError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.records import PromotionRecord
from mlops_assets.lifecycle.stages import data, predict, train
from mlops_assets.lifecycle.stages.promote import apply_decision
from mlops_assets.model_file import ModelSpec
from mlops_assets.registry import Registry
from mlops_assets.registry.restoring import StoredVersion
from mlops_assets.settings import Settings, Stores
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass
class FakeTracked:
    run_id: str = "mlflow-run"
    is_recorded: bool = True

    def describe(self, *_: object) -> None: ...
    def candidate(self, *_: object, **__: object) -> str:
        return "mlflow-candidate"

    def register(self, *_: object) -> str:
        return "1"


@dataclass
class FakeRegistry:
    """Remembers what it was told to mirror; `down` makes it answer like an MLflow that is not there."""

    mirrored: list[tuple[int | None, Mapping[int, bool]]] = field(default_factory=list)
    down: bool = False
    deleted: set[int] = field(default_factory=set)
    refusing: bool = False

    def restore(self, stored: StoredVersion) -> tuple[str, ...]:
        if self.refusing:
            raise ServiceError("MLflow could not store the bundle")
        if stored.version not in self.deleted:
            return ()
        self.deleted.remove(stored.version)
        return ("it was registered again",)

    @contextmanager
    def training(self, *_: object) -> Iterator[FakeTracked]:
        yield FakeTracked()

    def log_evaluation(self, *_: object) -> None: ...
    def mirror(self, model: str, champion_state: Any, versions: Any, approved: Mapping[int, bool]) -> int:
        if self.down:
            raise ServiceError("MLflow does not respond")
        self.mirrored.append(
            (champion_state.champion.version if champion_state.champion else None, dict(approved))
        )
        return 0


@dataclass
class Station:
    """A model's life in a folder, with a clock that the test moves."""

    spec: ModelSpec
    platform: Platform
    registry: FakeRegistry
    now: datetime = NOW
    sentences: list[str] = field(default_factory=list)
    runs: int = 0

    def run(self, actor: str = "ann") -> Run:
        """The circumstances of one more run, a second later."""
        self.runs += 1
        self.now += timedelta(seconds=1)
        return Run(
            id=f"run-{self.runs}",
            as_of=self.now,
            now=self.tick,
            actor=actor,
            code_commit="abc",
            progress=self.sentences.append,
        )

    def tick(self) -> datetime:
        """A clock that never says the same twice, like a real one."""
        self.now += timedelta(milliseconds=1)
        return self.now

    def with_gates(self, *gates: Any, **changes: Any) -> None:
        """The same model under other gates."""
        body = json.loads(self.spec.model_dump_json()) | {"gates": list(gates)} | changes
        self.spec = ModelSpec.model_validate_json(json.dumps(body))

    def with_limit(self, limit: float) -> ModelSpec:
        """The model file under another limit, not used yet."""
        kept = self.spec
        self.with_gates(GATES[0], {"metric_at_most": {"metric": "rmse", "limit": limit}})
        changed, self.spec = self.spec, kept
        return changed

    def train(self) -> TrainedModel:
        """One more challenger, really trained."""
        run = self.run("dagster")
        for stage in (data.read_readings, data.validate_readings, data.build_features):
            stage(self.spec, self.platform, run)
        made = train.train_model(self.spec, self.platform, run)
        assert made is not None
        return made

    def judge(
        self, trained: TrainedModel, *, rmse: float = 0.9, champion_rmse: float = 1.0, **changes: Any
    ) -> str:
        """Evidence about it, with numbers of the test's own; its hash."""
        champion_state = self.platform.ledger.champion_state(self.spec.name)
        current = champion_state.champion.version if champion_state.champion else None
        measured = evaluation_of(rmse, champion_rmse)
        if current is None:
            measured = replace(measured, champion=None, comparisons=())
        evidence = evidence_of(
            measured,
            self.spec,
            model=self.spec.name,
            version=trained.version,
            manifest_sha256=trained.manifest_sha256,
            champion=ChampionRef(current, champion_state.revision),
            data=trained.data,
            as_of=trained.as_of,
            split={"strategy": "temporal", "digest": trained.split_digest},
            **changes,
        )
        evidence = replace(evidence, gates=promotion.evaluate_gates(self.spec, evidence))
        return self.platform.ledger.record_evidence(
            self.spec.name, trained.version, to_json(evidence), self.run().now()
        )

    def challenge(self, **numbers: Any) -> tuple[int, str, PromotionRecord]:
        """Train, judge and settle one more challenger."""
        trained = self.train()
        evidence_hash = self.judge(trained, **numbers)
        return trained.version, evidence_hash, self.apply_decision(trained.version, evidence_hash)

    def apply_decision(self, version: int, evidence_hash: str) -> PromotionRecord:
        """Ask the one door to production."""
        return apply_decision(self.spec, self.platform, self.run("dagster"), version, evidence_hash)

    def predict(self) -> int:
        """The champion's batch of predictions; how many are new."""
        return predict.predict_batch(self.spec, self.platform, self.run("dagster")).new_rows

    def champion(self) -> int | None:
        """The version in production."""
        current_champion = self.platform.ledger.champion(self.spec.name)
        return current_champion.version if current_champion else None

    def history(self) -> list[tuple[str, int]]:
        """Decisions, oldest first."""
        entries = self.platform.ledger.history(self.spec.name, None)
        return [(entry.action, entry.version) for entry in reversed(entries)]

    def statuses(self) -> dict[int, str]:
        """Standing of every version."""
        return {one.version: one.status for one in self.platform.ledger.versions(self.spec.name)}

    def bundle(self, version: int) -> Path:
        """Folder of a version."""
        return Path(str(self.platform.ledger.model_version(self.spec.name, version).bundle_path))


GATES: tuple[Any, ...] = (
    {"beats_champion": {"metric": "rmse", "by": 0.02, "confidence": None}},
    {"metric_at_most": {"metric": "rmse", "limit": 5.0}},
)


def readings(rows: int = 240, seed: int = 3) -> pl.DataFrame:
    """Two pumps, a reading an hour, efficiency almost linear in flow."""
    rng = np.random.default_rng(seed)
    flow = rng.uniform(100, 300, rows)
    return pl.DataFrame(
        {
            "at": [NOW - timedelta(hours=rows // 2 - row // 2) for row in range(rows)],
            "pump_id": [f"p{row % 2}" for row in range(rows)],
            "flow": flow,
            "power": flow / 3 + rng.normal(size=rows),
            "y": 40 + flow / 10 + rng.normal(size=rows),
        }
    )


def begin(folder: Path, ledger: Ledger, gates: tuple[Any, ...] = GATES, **changes: Any) -> Station:
    """A life that has not begun: a model file, readings in a CSV file, empty stores."""
    readings().write_csv(folder / "readings.csv")
    body: dict[str, Any] = {
        "name": "station",
        "description": "Efficiency of two pumps",
        "owners": ["team:water", "bob@example.com"],
        "problem": "regression",
        "target": "y",
        "timestamp": "at",
        "entity": "pump_id",
        "source": {"kind": "file", "path": str(folder / "readings.csv")},
        "validation": {"min_rows": 100, "freshness": "365d"},
        "features": {"inputs": ["flow", "power"], "lags": {"columns": ["flow"], "steps": [1]}},
        "split": {"strategy": "temporal", "train": "60%", "validation": "20%", "test": "20%"},
        "training": {"algorithms": [{"linear": {}}, {"ridge": {}}]},
        "evaluation": {"primary": "rmse", "also": ["mae"]},
        "gates": list(gates),
    }
    models = folder / "models"
    models.mkdir(exist_ok=True)
    settings = Settings.from_environment({"MLOPS_HOME": str(folder / "home"), "MLOPS_MODELS": str(models)})
    registry = FakeRegistry()
    platform = Platform(
        settings,
        Stores("", "", "", ""),
        ledger,
        Datasets(str(folder / "data")),
        cast(Registry, registry),
    )
    return Station(ModelSpec.model_validate_json(json.dumps(body | changes)), platform, registry)


def evidence_in(station: Station, evidence_hash: str) -> Evidence:
    """The recorded evidence."""
    from mlops_assets.artifacts import from_json

    return from_json(Evidence, station.platform.ledger.evidence(evidence_hash).body)


__all__ = ["GATES", "NOW", "FakeRegistry", "Station", "begin", "evidence_in", "readings", "stages"]
