"""What rooms hand to each other: frozen records, no behaviour beyond reading and writing themselves.

Records marked *stored* make the round trip through JSON (`to_json`, `from_json`): the ledger and the Dagster layer keep
them between steps and processes. Frames and matrices live for one step only. Logic belongs in the rooms.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import JsonValue, TypeAdapter

Part: TypeAlias = Literal["train", "validation", "test"]
Metrics: TypeAlias = dict[str, float]
Verdict: TypeAlias = Literal["pass", "fail", "not_enough_evidence", "not_applicable"]
Outcome: TypeAlias = Literal["promote", "keep", "refuse"]

PARTS: Final[tuple[Part, ...]] = ("train", "validation", "test")
R = TypeVar("R")


# --- data ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TableVersion:
    """Stored. One whole version of one Delta table; `content_hash` is equal exactly when the rows are."""

    model: str
    table: str
    version: int
    content_hash: str
    rows: int
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Repair:
    """Stored. A repair the model file declares, and how many cells or rows it touched."""

    name: str
    column: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Readings:
    """Rows as a source gave them after declared repairs; `source` describes it without secrets."""

    frame: pl.DataFrame
    repairs: tuple[Repair, ...]
    source: str
    watermark: datetime | None


@dataclass(frozen=True, slots=True)
class RuleResult:
    """Stored. The answer of one validation rule. `critical` rules stop the run, the others warn.

    observed and limit are the numbers compared (None where the rule has none or could not be measured: then
    `passed` is False). samples holds a few offending rows.
    """

    rule: str
    column: str | None
    passed: bool
    critical: bool
    observed: float | None
    limit: float | None
    failed_rows: int
    message: str
    samples: tuple[dict[str, JsonValue], ...] = ()


@dataclass(frozen=True, slots=True)
class Validation:
    """Rows that may be used, rows set aside (with a column `_reason`), and every rule's answer."""

    valid: pl.DataFrame
    quarantine: pl.DataFrame
    rules: tuple[RuleResult, ...]

    @property
    def passed(self) -> bool:
        """True when something was checked and no critical rule failed."""
        return bool(self.rules) and all(rule.passed or not rule.critical for rule in self.rules)


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """Stored. Distribution of one column: bin edges (numbers) or values (categories) with their shares.

    Numeric bins are open at both ends: shares has one entry more than edges. `missing` is the share of nulls.
    """

    kind: Literal["number", "category"]
    edges: tuple[float, ...]
    values: tuple[str, ...]
    shares: tuple[float, ...]
    missing: float
    mean: float | None
    std: float | None


@dataclass(frozen=True, slots=True)
class Profile:
    """Stored. The training data as drift is measured against it."""

    rows: int
    columns: dict[str, ColumnProfile]


@dataclass(frozen=True, slots=True)
class Split:
    """Rows of the three parts, and a digest that is equal exactly when the same rows fell into the same parts."""

    train: pl.DataFrame
    validation: pl.DataFrame
    test: pl.DataFrame
    strategy: str
    digest: str

    def part(self, name: Part) -> pl.DataFrame:
        """The rows of one part."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """What an estimator sees: float64 (rows, columns) with names in order."""

    names: tuple[str, ...]
    values: NDArray[np.float64]


# --- models -------------------------------------------------------------------------------------


class Predictor(Protocol):
    """A loaded model, from features to predictions, whatever algorithm is inside.

    predict gives shape (rows,): numbers for regression and forecasting, class labels for classification.
    probabilities gives (rows, classes) for classification, None otherwise.
    """

    @property
    def algorithm(self) -> str: ...
    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def feature_names(self) -> tuple[str, ...]: ...
    @property
    def estimator(self) -> Any: ...
    def matrix(self, features: pl.DataFrame) -> FeatureMatrix: ...
    def predict(self, features: pl.DataFrame) -> NDArray[Any]: ...
    def probabilities(self, features: pl.DataFrame) -> NDArray[np.float64] | None: ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """Stored. One algorithm's training: measured on train and validation, never on test."""

    algorithm: str
    params: dict[str, JsonValue]
    status: Literal["trained", "failed", "timed_out"]
    seconds: float
    metrics: dict[Part, Metrics]
    message: str = ""
    mlflow_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """Stored. The challenger: the best candidate, whole on disk, registered under a version of its own."""

    model: str
    version: int
    algorithm: str
    bundle: str
    manifest_sha256: str
    data: tuple[TableVersion, ...]
    rows: int
    split_digest: str
    seconds: float
    candidates: tuple[Candidate, ...]
    spec_digest: str
    code_commit: str
    seed: int
    as_of: datetime
    mlflow_run_id: str | None = None


# --- evaluation ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comparison:
    """Stored. Challenger against champion on the same rows, by a paired test.

    improvement is relative, above 0 when the challenger is better; low and high bound it at `confidence`.
    """

    metric: str
    part: Part
    challenger: float
    champion: float
    improvement: float
    low: float
    high: float
    confidence: float
    method: str
    rows: int
    rows_needed: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Stored. SHAP ranking: mean |value| per feature, largest first. An association inside the model, not causal."""

    method: str
    rows: int
    ranking: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Stored. Everything measured about a challenger, and its champion on the same rows."""

    challenger: dict[Part, Metrics]
    champion: dict[Part, Metrics] | None
    baseline: dict[Part, Metrics]
    comparisons: tuple[Comparison, ...]
    holdout_rows: int
    missing_predictions: int
    latency_ms: float | None
    size_bytes: int
    explanation: Explanation | None
    champion_explanation: Explanation | None = None
    slices: tuple[dict[str, JsonValue], ...] = ()
    fairness: tuple[dict[str, JsonValue], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateResult:
    """Stored. A gate's answer: the verdict, one sentence, and the numbers it rests on."""

    gate: str
    kind: str
    verdict: Verdict
    reason: str
    numbers: dict[str, JsonValue] = field(default_factory=dict)
    hard: bool = False
    """A failure means something is wrong (refuse), not merely that the challenger is no better (keep)."""


@dataclass(frozen=True, slots=True)
class ChampionRef:
    """Stored. Which champion a challenger was compared with; epoch 0 and no version when there was none."""

    version: int | None
    epoch: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Stored. All that a promotion decision rests on; its sha256 is what people approve and history cites."""

    model: str
    version: int
    algorithm: str
    spec_digest: str
    manifest_sha256: str
    data: tuple[TableVersion, ...]
    champion: ChampionRef
    split: dict[str, JsonValue]
    evaluation: Evaluation
    training_rows: int
    min_rows: int
    training_seconds: float
    time_limit_seconds: float
    critical_quality_failures: int
    gates: tuple[GateResult, ...]
    environment: dict[str, str]
    code_commit: str
    seed: int
    as_of: datetime
    importance_correlation: float | None = None
    leakage: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """Stored. What is to happen to a challenger, who or what said so, and why in one sentence."""

    outcome: Outcome
    reason: str
    by: str


# --- monitoring ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """Stored. Movement of one feature; psi is None when it could not be measured (never 'no drift')."""

    feature: str
    psi: float | None
    level: Literal["stable", "moderate", "significant", "unmeasurable"]
    statistics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Stored. All features of one window against the champion's training profile."""

    model: str
    version: int | None
    rows: int
    level: Literal["stable", "moderate", "significant", "unmeasurable", "no_champion"]
    mean_psi: float | None
    drifted_share: float | None
    features: tuple[FeatureDrift, ...]
    as_of: datetime


# --- JSON ---------------------------------------------------------------------------------------


_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}


def _adapter(record: type[Any]) -> TypeAdapter[Any]:
    if record not in _ADAPTERS:
        _ADAPTERS[record] = TypeAdapter(record)
    return _ADAPTERS[record]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def to_json(record: Any) -> dict[str, Any]:
    """A stored record as plain JSON values; NaN and infinities become the strings NaN, Infinity, -Infinity."""
    encoded: dict[str, Any] = _finite(_adapter(type(record)).dump_python(record, mode="json"))
    return encoded


def from_json(record: type[R], body: Mapping[str, Any]) -> R:
    """The record again. Raises pydantic's ValidationError when the body is not one."""
    decoded: R = _adapter(record).validate_json(json.dumps(dict(body)))
    return decoded


def digest(body: Mapping[str, Any]) -> str:
    """sha256 of the canonical JSON form: sorted keys, no spaces, UTF-8, no NaN."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
