"""One pass of healing: diagnose, verify what was done before, act within the limits, and call a person otherwise.

Comes in: the newest values, their history, the actions that the caller can carry out, and the record of earlier passes.
Goes out: one outcome per cause. Times are arguments; nothing is done in a dry run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal, Protocol

from mlops_assets.ledger.platform_history import HealingAction
from mlops_assets.operations.healing.causes import Cause, rank_causes
from mlops_assets.operations.healing.detectors import SCORE_LIMIT, forest_score, unusual_series
from mlops_assets.operations.healing.forecast import Forecast, forecasts
from mlops_assets.operations.healing.remedies import Action, remedy_for
from mlops_assets.operations.healing.snapshot import Series, Snapshot
from mlops_assets.operations.healing.symptoms import Symptom, leaks, symptoms

Step = Literal["done", "recommended", "limit", "failed", "no_remedy", "planned", "waiting"]
History = Mapping[Series, Sequence[tuple[datetime, float]]]
DAY: Final = timedelta(days=1)
SERIES_OF: Final = {
    "mlops_database_connections": "connections",
    "mlops_disk_free_bytes": "disk:{}",
    "mlops_memory_available_bytes": "memory",
    "mlops_cpu_load_ratio": "cpu",
    "mlops_service_memory_bytes": "service:{}",
    "mlops_runs": "queue",
}
"""Which component a series that is unusual is evidence for."""


class Log(Protocol):
    """The record of earlier passes: the ledger, or a fake."""

    def actions(self, since: datetime) -> Sequence[HealingAction]:
        """Return the actions since an instant, oldest first.

        Args:
            since: Start, with a zone.

        Returns:
            The actions.
        """
        ...

    def record_action(self, action: HealingAction) -> None:
        """Add an action.

        Args:
            action: What was done.
        """
        ...

    def record_verification(self, action: HealingAction, *, helped: bool, at: datetime) -> None:
        """Record whether an action helped.

        Args:
            action: A recorded action.
            helped: Whether the symptom was gone.
            at: Time of the verification, with a zone.
        """
        ...


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong and why. score: the isolation forest's, None without enough history."""

    at: datetime
    symptoms: tuple[Symptom, ...]
    causes: tuple[Cause, ...]
    forecasts: tuple[Forecast, ...]
    unusual: Mapping[Series, float]
    score: float | None

    @property
    def is_unusual(self) -> bool:
        """Whether the sample as a whole differs from the history."""
        return self.score is not None and self.score < SCORE_LIMIT


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one cause. escalate: a person has to act."""

    cause: Cause
    step: Step
    sentence: str
    escalate: bool


def diagnose(snapshot: Snapshot, history: History) -> Diagnosis:
    """Return what is wrong, its causes, and what will be wrong soon.

    Args:
        snapshot: The newest values.
        history: Samples of each series, oldest first, without the newest.

    Returns:
        The diagnosis.
    """
    wrong = (*symptoms(snapshot), *leaks(snapshot, history))
    comparable = {one: value for one, value in snapshot.values.items() if one.metric in SERIES_OF}
    unusual = unusual_series(history, snapshot.at, comparable)
    sentences = {
        SERIES_OF[series.metric].format(
            series.label
        ): f"{series.metric} is {score:+.0f} robust deviations from its usual"
        for series, score in unusual.items()
    }
    causes = rank_causes(wrong, onsets(wrong, snapshot, history), sentences)
    newest = {
        one: [*points, (snapshot.at, snapshot.values[one])]
        for one, points in history.items()
        if one in snapshot.values
    }
    score = forest_score({one: history[one] for one in comparable if one in history}, comparable)
    return Diagnosis(snapshot.at, wrong, causes, forecasts(newest), unusual, score)


def onsets(wrong: Sequence[Symptom], snapshot: Snapshot, history: History) -> dict[str, datetime]:
    """Return since when each symptom has been there without a gap, as far as the history reaches.

    Args:
        wrong: The symptoms of now.
        snapshot: The newest values.
        history: Samples of each series.

    Returns:
        The time of the first sample of the present stretch, by component.
    """
    by_time: dict[datetime, dict[Series, float]] = {}
    for series, points in history.items():
        for at, value in points:
            if snapshot.at - at <= DAY:
                by_time.setdefault(at, {})[series] = value
    since = dict.fromkeys((one.component for one in wrong), snapshot.at)
    going = set(since)
    for at in sorted(by_time, reverse=True):
        going &= {one.component for one in symptoms(Snapshot(at, by_time[at]))}
        since.update(dict.fromkeys(going, at))
    return since


def heal(
    diagnosis: Diagnosis,
    log: Log,
    actions: Mapping[Action, Callable[[str], str]],
    *,
    act: bool,
    dry_run: bool = False,
) -> tuple[Outcome, ...]:
    """Treat each cause with its remedy, at most as often as the table says.

    Args:
        diagnosis: What is wrong.
        log: The record of earlier passes.
        actions: What can be carried out here; each takes the component and returns what it did.
        act: Carry out remedies; otherwise only recommend them.
        dry_run: Change and record nothing.

    Returns:
        One outcome per cause, the likeliest first.
    """
    now = diagnosis.at
    earlier = log.actions(now - DAY)
    if not dry_run:
        _verify(diagnosis, log, earlier)
    outcomes = []
    for cause in diagnosis.causes:
        outcome = _treat(cause, earlier, actions, act=act, dry_run=dry_run, now=now)
        outcomes.append(outcome)
        if not dry_run and outcome.step in ("done", "failed"):
            remedy = remedy_for(cause.component)
            assert remedy is not None
            log.record_action(
                HealingAction(
                    now, cause.component, remedy.name, outcome.step, outcome.sentence, cause.reasons
                )
            )
    return tuple(outcomes)


def _verify(diagnosis: Diagnosis, log: Log, earlier: Sequence[HealingAction]) -> None:
    wrong = {one.component for one in diagnosis.symptoms}
    for action in earlier:
        remedy = remedy_for(action.component)
        if action.helped is None and remedy and diagnosis.at - action.at >= remedy.verify_after:
            log.record_verification(action, helped=action.component not in wrong, at=diagnosis.at)


def _treat(
    cause: Cause,
    earlier: Sequence[HealingAction],
    actions: Mapping[Action, Callable[[str], str]],
    *,
    act: bool,
    dry_run: bool,
    now: datetime,
) -> Outcome:
    remedy = remedy_for(cause.component)
    if remedy is None:
        return Outcome(cause, "no_remedy", "no remedy is known", escalate=True)
    carry_out = actions.get(remedy.action)
    if carry_out is None or not act:
        return Outcome(cause, "recommended", remedy.sentence, escalate=True)
    same = [one for one in earlier if one.component == cause.component]
    if same and now - same[-1].at < remedy.verify_after:
        return Outcome(
            cause, "waiting", f"{remedy.sentence}: done at {same[-1].at:%H:%M} UTC", escalate=False
        )
    if len(same) >= remedy.per_day:
        sentence = (
            f"{remedy.sentence} was done {len(same)} times in 24 hours and did not help: a person has to look"
        )
        return Outcome(cause, "limit", sentence, escalate=True)
    if dry_run:
        return Outcome(cause, "planned", remedy.sentence, escalate=False)
    try:
        return Outcome(cause, "done", carry_out(cause.component), escalate=False)
    except Exception as error:  # noqa: BLE001 - a remedy that fails is an outcome, and the other causes are still treated
        return Outcome(cause, "failed", f"{remedy.sentence} failed: {error}", escalate=True)
