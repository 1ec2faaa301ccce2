"""Records of evaluation: comparisons, explanations, gate results, the evidence a decision rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from pydantic import AliasChoices, Field, JsonValue

from mlops_assets.artifacts.data import TableVersion
from mlops_assets.artifacts.models import RefitCheck
from mlops_assets.artifacts.terms import Metrics, Outcome, Part, Verdict


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
class MetricInterval:
    """Stored. One metric of the challenger on one part, with the interval that other rows would have put it in."""

    metric: str
    part: Part
    value: float
    low: float
    high: float
    confidence: float
    method: str
    rows: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Stored. SHAP ranking: mean |value| per feature, largest first. An association inside the model, not causal."""

    method: str
    rows: int
    ranking: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Stored. One class on the holdout: how many rows it has, and each model's precision, recall and F1."""

    label: str
    support: int
    challenger: Metrics
    champion: Metrics | None


@dataclass(frozen=True, slots=True)
class Rival:
    """Stored. A naive baseline on the same rows: paired comparisons of the challenger, and of the champion, with it.

    In these comparisons the field `champion` holds the value of the naive baseline.
    """

    name: str
    comparisons: tuple[Comparison, ...]
    champion_comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class SequentialTest:
    """Stored. The state of the test that accumulates over looks, for one champion and one recipe.

    squares and blocks: of the block differences so far, which scale the next one. until: rows before it are used.
    challenger_loss and champion_loss: sums over blocks of the mean losses; 0 in records of earlier releases.
    """

    metric: str
    recipe: str
    until: datetime
    block_seconds: float
    squares: float
    blocks: int
    log_wealth: tuple[float, ...]
    looks: int
    challenger_loss: float = 0.0
    champion_loss: float = 0.0

    @property
    def improvement(self) -> float | None:
        """Return the challengers' relative improvement over all blocks; None where it was not accumulated."""
        if not (self.champion_loss > 0.0 and math.isfinite(self.challenger_loss)):
            return None
        ratio = self.challenger_loss / self.champion_loss
        return 1.0 - (math.sqrt(ratio) if self.metric == "rmse" else ratio)

    @property
    def e_value(self) -> float:
        """How many times a gambler against 'no better' has multiplied the stake; 40 has probability 2.5 % by chance."""
        return sum(math.exp(min(one, 700.0)) for one in self.log_wealth) / len(self.log_wealth)


@dataclass(frozen=True, slots=True)
class Flips:
    """Stored. What changes for the same inputs when the challenger replaces the champion, on all rows or on one slice.

    A class is right when it is the true one; a number is right when its error is at most `tolerance`, the champion's
    root mean square error on all rows.

    Attributes:
        column: Column of the slice; empty for all rows.
        value: Its value; empty for all rows.
        rows: How many rows.
        right_to_wrong: Rows that only the champion predicts right.
        wrong_to_right: Rows that only the challenger predicts right.
        moved: Mean distance between both predictions, by the standard deviation of the target; for classes the share
            of rows with another label.
        moved_most: The distance that 95 % of the rows do not exceed; for classes the total variation of probabilities.
        tolerance: Largest error of a number that is right; None for classes.
    """

    column: str
    value: str
    rows: int
    right_to_wrong: int
    wrong_to_right: int
    moved: float
    moved_most: float
    tolerance: float | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """Stored. What the promotion of a champion promised, and what it delivered on rows that came after both models.

    Attributes:
        former: The champion before.
        version: The champion that was promoted.
        promised: The comparison in the evidence of the promotion.
        delivered: The same comparison on later rows, both models as served.
        since: The first of these rows.
        until: The last of them.
        at: When it was measured.
    """

    former: int
    version: int
    promised: Comparison
    delivered: Comparison
    since: datetime
    until: datetime
    at: datetime

    @property
    def within(self) -> bool:
        """Return whether the promised interval contains the delivered gain, or lies below it."""
        return self.promised.low <= self.delivered.improvement

    @property
    def sentence(self) -> str:
        """One sentence: 'v7 promised 5 to 10 % better than v6, delivered 3.1 % on 41,000 rows'."""
        low, high = 100 * self.promised.low, 100 * self.promised.high
        known = math.isfinite(low) and math.isfinite(high)
        promise = f"{low:.3g} to {high:.3g} %" if known else f"{100 * self.promised.improvement:.3g} %"
        return (
            f"v{self.version} promised {promise} better {self.promised.metric} than v{self.former}, delivered "
            f"{100 * self.delivered.improvement:.3g} % on {self.delivered.rows:,} rows"
        )


@dataclass(frozen=True, slots=True)
class LaterRows:
    """Stored. The previous challenger and the champion, both as served, on rows that came after both were fitted.

    Attributes:
        version: The previous challenger of the same model file.
        rows: How many rows.
        since: The first of them.
        until: The last of them.
        challenger: The previous challenger's metrics.
        champion: The champion's.
        comparisons: Both, by the metric of each `beats_champion` gate; empty in records of earlier releases.
    """

    version: int
    rows: int
    since: datetime
    until: datetime
    challenger: Metrics
    champion: Metrics
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True)
class SensorFailure:
    """Stored. The newest holdout rows predicted while one input fails, by the primary metric.

    Attributes:
        input: Column of the readings.
        condition: missing, frozen, shifted or late.
        rows: How many rows.
        metric: The primary metric.
        healthy: Its value without the failure.
        failing: Its value on the rows that have a prediction under the failure.
        naive: Its value for the naive baseline.
        noticed: Rows in which the checks of `serving.when` notice the failure.
        refused: Rows without a prediction.
        fallback: First rung of `serving.fallback`; empty where the model file declares none.
        reason: Why no row could be predicted; empty otherwise.
    """

    input: str
    condition: str
    rows: int
    metric: str
    healthy: float
    failing: float
    naive: float
    noticed: int
    refused: int
    fallback: str = ""
    reason: str = ""


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
    comparable_rows: int | None = None
    """Test rows that neither model has learned from; None without a champion, or in records of earlier releases."""
    champion_fit: str = ""
    """Which fit of the champion was compared: served, or judged where the served one has learned from the holdout."""
    freshness: LaterRows | None = None
    """At the look after a promotion: the champion (as `challenger`) and its predecessor of the same model file."""
    same_recipe: bool = False
    """Whether the champion was trained with the same model file, so that only its rows are older."""
    classes: tuple[ClassRow, ...] = ()
    """Classification only."""
    rivals: tuple[Rival, ...] = ()
    """Every naive baseline, compared on the metrics of `beats_baseline` gates and on the primary metric."""
    sequential: tuple[SequentialTest, ...] = ()
    """One per metric of a `beats_champion` gate on the test part; only for splits by time."""
    flips: tuple[Flips, ...] = ()
    """First all rows of the holdout, then each slice of `evaluation.slices`; empty without a champion."""
    sensor_failures: tuple[SensorFailure, ...] = ()
    """What becomes of the predictions while one input fails; empty in records of earlier releases."""
    later: LaterRows | None = None
    """What the newest rows say of the previous challenger, for models that are fitted again on all rows."""
    baseline_name: str = ""
    """Where the naive forecasts come from, in words."""
    warnings: tuple[str, ...] = ()
    """What makes the numbers look better than they will be; no gate, but the report says it first."""
    machine_load: float | None = None
    """How busy the machine was while latency was measured: wall time by processor time of a fixed loop, 1 if quiet."""
    intervals: tuple[MetricInterval, ...] | None = None
    """Metrics of `metric_at_most` and `metric_at_least` gates; None in records of earlier releases."""
    primary: str = ""
    """The model file's primary metric; empty in records of earlier releases."""


@dataclass(frozen=True, slots=True)
class GateResult:
    """Stored. The result of a gate: the verdict, one sentence, and the numbers it rests on."""

    gate: str
    kind: str
    verdict: Verdict
    reason: str
    numbers: dict[str, JsonValue] = field(default_factory=dict)
    hard: bool = False
    """A failure means something is wrong (refuse), not merely that the challenger is no better (keep)."""


@dataclass(frozen=True, slots=True)
class ChampionRef:
    """Stored. Which champion a challenger was compared with; revision 0 and no version when there was none."""

    version: int | None
    revision: Annotated[int, Field(validation_alias=AliasChoices("revision", "epoch"))]
    """Evidence recorded by earlier releases says `epoch`."""


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
    """Proofs that the target leaks into the features."""
    suspicions: tuple[str, ...] = ()
    """What only a person can tell from a leak."""
    suspected: tuple[str, ...] = ()
    """Columns of both, which the report draws against the target."""
    refit: RefitCheck | None = None
    """The fit that production serves, where it is not the judged one."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Stored. What happens to a challenger, who or what decided it, and why in one sentence."""

    outcome: Outcome
    reason: str
    by: str
