"""Records of performance in production: predictions compared with the labels that have arrived."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AliasChoices, Field

from mlops_assets.artifacts.data import TableVersion
from mlops_assets.artifacts.terms import Metrics

Maturity: TypeAlias = Literal["provisional", "mature", "restated"]
PerformanceLevel: TypeAlias = Literal["as_trained", "worse", "unmeasurable", "no_champion"]


@dataclass(frozen=True, slots=True)
class RecordedValue:
    """Stored. The primary metric of a window as a report measured it.

    Attributes:
        at: Instant of the report.
        value: The metric.
        labelled: Predictions whose label had arrived.
        state: State of the window in that report.
    """

    at: datetime
    value: float
    labelled: int
    state: Maturity


@dataclass(frozen=True, slots=True)
class WindowPerformance:
    """Stored. One window of predictions of one version.

    Attributes:
        start: First instant.
        end: End, exclusive.
        predictions: Predictions about instants of the window.
        labelled: Those whose label has arrived.
        state: provisional while labels are arriving; mature; restated when a label that came later changed the primary
            metric of a mature window.
        metrics: Metrics of the rows with a label; metrics that these rows cannot measure are absent.
        naive: The same metrics of the naive forecast, the value known when the prediction was made; empty where there
            is none.
        coverage: Share of labels inside the prediction interval; None without intervals.
        restated_from: The last recorded mature value of the primary metric that differs from the present one.
        estimated: The primary metric as estimated from labels of earlier windows alone; None where it cannot be.
        kpis: Business figures of the model file over the rows with a label.
        recorded: What earlier reports measured, oldest first; only values for a window of this length.
    """

    start: datetime
    end: datetime
    predictions: int
    labelled: int
    state: Maturity
    metrics: Metrics
    naive: Metrics
    coverage: float | None = None
    restated_from: float | None = None
    estimated: float | None = None
    kpis: dict[str, float] = field(default_factory=dict)
    recorded: tuple[RecordedValue, ...] = ()

    @property
    def maturity(self) -> float:
        """Share of predictions whose label has arrived."""
        return self.labelled / self.predictions if self.predictions else 0.0

    @property
    def is_mature(self) -> bool:
        """Whether the metrics may lead to anything."""
        return self.state != "provisional"


@dataclass(frozen=True, slots=True)
class SlicePerformance:
    """Stored. The primary metric of one slice of the newest mature window.

    Attributes:
        name: The value that its rows share: an entity, or a value of a column in `evaluation.slices`.
        rows: Rows with a label.
        value: The metric.
        column: The column; '' in records of earlier releases, whose slices were entities.
    """

    name: Annotated[str, Field(validation_alias=AliasChoices("name", "entity"))]
    rows: int
    value: float
    column: str = ""


@dataclass(frozen=True, slots=True)
class Bias:
    """Stored. Mean of prediction minus label in the newest mature window, tested over blocks of time.

    p is the probability of such a mean by chance; blocks are as independent as rows are not. significant: p is below
    0.001 and the mean is above a tenth of the residuals' standard deviation.
    """

    mean: float
    p: float
    blocks: int
    significant: bool


@dataclass(frozen=True, slots=True)
class PerformanceReport:
    """Stored. Performance of the champion in production.

    Attributes:
        model: The model.
        version: The champion's version; None without a champion.
        as_of: Instant of the report.
        level: as_trained, worse, unmeasurable (never read as good) or no_champion.
        sentence: What the report says, for people.
        primary: The metric that decides.
        baseline: That metric on the holdout the champion was promoted on.
        rise: Relative rise of the error above the baseline in the newest mature window; below 0 when it is better.
        week_over_week: Relative rise above the mature window before.
        bias: None for classes and without a mature window.
        windows: Newest first.
        slices: By entity and by the columns in `evaluation.slices`, worst first.
        labels: The table version that the labels were read from.
    """

    model: str
    version: int | None
    as_of: datetime
    level: PerformanceLevel
    sentence: str
    primary: str
    baseline: float | None = None
    rise: float | None = None
    week_over_week: float | None = None
    bias: Bias | None = None
    windows: tuple[WindowPerformance, ...] = ()
    slices: tuple[SlicePerformance, ...] = ()
    labels: TableVersion | None = None

    @property
    def newest_mature(self) -> WindowPerformance | None:
        """The newest window whose labels have arrived."""
        return next((window for window in self.windows if window.is_mature), None)

    @property
    def estimate_error(self) -> float | None:
        """Mean relative error of the estimates of windows whose labels have arrived; None without one."""
        errors = [
            abs(window.estimated - window.metrics[self.primary]) / abs(window.metrics[self.primary])
            for window in self.windows
            if window.is_mature and window.estimated is not None and window.metrics.get(self.primary)
        ]
        return sum(errors) / len(errors) if errors else None
