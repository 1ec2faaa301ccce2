"""The rules that delay a retrain, in the order of evaluation.

Comes in: one signal, the other windows of its cause, the model's retrain history. Goes out: an `Objection`, or None. To
add a rule: one function and its line in `RULES`. A rule is skipped for the causes that are named next to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from mlops_assets.artifacts import Cause, Signal
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.values import format_duration
from mlops_assets.retraining.past import FROM_REPORTS, RetrainHistory

FIRST_WAIT: Final = timedelta(hours=1)
"""How long a failed retrain waits for its first repetition; each later one waits twice as long."""
LONGEST_WAIT: Final = timedelta(days=7)
MOST_TRIES: Final = 6
"""Failed tries with the same evidence; after that a person is needed."""
MOST_DOUBLINGS: Final = 3


@dataclass(frozen=True, slots=True)
class Objection:
    """Why a signal leads to no retrain: for good (`no`) or for now (`wait`, until an instant where it is known)."""

    verdict: Literal["wait", "no"]
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One signal and everything that is known around it.

    Attributes:
        signal: The active signal.
        windows: The newest windows of its cause, this one included, newest first.
        others: The newest signal of every cause.
        history: Earlier retrains.
        spec: The model file.
        now: The present instant.
    """

    signal: Signal
    windows: Sequence[Signal]
    others: Sequence[Signal]
    history: RetrainHistory
    spec: ModelSpec
    now: datetime


Rule = Callable[[Case], Objection | None]


def in_flight(case: Case) -> Objection | None:
    """One retrain at a time.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    request = case.history.in_flight
    if request is None:
        return None
    return Objection("wait", f"the retrain requested at {_minute(request.requested_at)} has not ended")


def immature(case: Case) -> Objection | None:
    """Hold back a performance whose labels are still arriving.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    if case.signal.mature:
        return None
    return Objection("wait", "the labels of the window are still arriving")


def tried(case: Case) -> Objection | None:
    """Hold back evidence that an earlier retrain has already used.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    failed = 0
    for request in case.history.requests:
        if not request.tried(case.signal):
            continue
        if request.state != "failed":
            became = (
                f"its challenger was {request.outcome}"
                if request.outcome
                else "it ended without a challenger"
            )
            return Objection(
                "no", f"this data was tried by the retrain of {_minute(request.requested_at)}: {became}"
            )
        failed += 1
    if failed >= MOST_TRIES:
        return Objection(
            "no",
            f"{failed} retrains with this data failed; after a fix: mlops retrain {case.spec.name} --reason '...'",
        )
    return None


def broken_data(case: Case) -> Objection | None:
    """Broken readings never train anything.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    quality = next((other for other in case.others if other.cause == "data_quality" and other.active), None)
    return None if quality is None else Objection("wait", f"the readings are broken: {quality.reason}")


def unconfirmed(case: Case) -> Objection | None:
    """Hysteresis: `confirm` of the last `out_of` windows must show the movement.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    wanted, limit = case.spec.retraining.confirm, case.spec.retraining.out_of
    windows = [window for window in case.windows if window.subject == case.signal.subject][:limit]
    active = sum(window.active and window.mature for window in windows)
    if active >= wanted:
        return None
    return Objection("wait", f"{active} of the last {len(windows)} windows show it, {wanted} are needed")


def deferred(case: Case) -> Objection | None:
    """Hold back what a person deferred.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    for other in case.others:
        if other.cause == "defer" and other.active and other.until is not None and case.now < other.until:
            return Objection("wait", f"deferred until {_minute(other.until)}: {other.reason}", other.until)
    return None


def failing(case: Case) -> Objection | None:
    """After failures in a row wait an hour, then twice as long each time.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    failures = case.history.failures
    if not failures or failures[0].finished_at is None:
        return None
    wait = min(FIRST_WAIT * 2 ** (len(failures) - 1), LONGEST_WAIT)
    until = failures[0].finished_at + wait
    if case.now >= until:
        return None
    times = "the last retrain" if len(failures) == 1 else f"the last {len(failures)} retrains"
    return Objection("wait", f"{times} failed; next try at {_minute(until)}", until)


def unsuccessful(case: Case) -> Objection | None:
    """After a challenger that a report requested did not win, wait `back_off`, doubled with each further one.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    requests = case.history.unsuccessful
    if not requests or _moved_anew(case):
        return None
    doublings = min(len(requests) - 1, MOST_DOUBLINGS)
    until = requests[0].requested_at + case.spec.retraining.back_off * 2**doublings
    if case.now >= until:
        return None
    count = "the last challenger" if len(requests) == 1 else f"the last {len(requests)} challengers"
    return Objection("wait", f"{count} did not win; next try at {_minute(until)}", until)


def cooling(case: Case) -> Objection | None:
    """Keep `monitoring.cooldown` between two requests; after a failure the back-off of failures counts instead.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    newest = next(iter(case.history.requests), None)
    if newest is None or newest.state == "failed":
        return None
    until = newest.requested_at + case.spec.monitoring.cooldown
    if case.now >= until:
        return None
    cooldown = format_duration(case.spec.monitoring.cooldown)
    return Objection("wait", f"the cooldown of {cooldown} ends at {_minute(until)}", until)


def too_many_runs(case: Case) -> Objection | None:
    """At most `runs_per_week` requests in any seven days.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    week, limit = list(case.history.last_week(case.now)), case.spec.retraining.runs_per_week
    if len(week) < limit:
        return None
    until = week[limit - 1].requested_at + timedelta(days=7)
    return Objection("wait", f"{len(week)} retrains in seven days, the budget is {limit}", until)


def too_many_hours(case: Case) -> Objection | None:
    """At most `hours_per_week` of retraining in any seven days.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    limit = case.spec.retraining.hours_per_week
    if limit is None:
        return None
    seconds = sum(
        ((request.finished_at or case.now) - request.requested_at).total_seconds()
        for request in case.history.last_week(case.now)
    )
    if seconds < limit * 3600:
        return None
    return Objection(
        "wait", f"{seconds / 3600:.1f} hours of retraining in seven days, the budget is {limit:g}"
    )


def quiet(case: Case) -> Objection | None:
    """No retrain in the quiet hours.

    Args:
        case: The signal with the model's situation.

    Returns:
        The objection, or None.
    """
    span = case.spec.retraining.quiet_span
    if span is None:
        return None
    start, end = span
    local = case.now.astimezone(ZoneInfo(case.spec.schedules.timezone))
    inside = start <= local.time() < end if start < end else local.time() >= start or local.time() < end
    if not inside:
        return None
    day = local.date() + timedelta(days=1 if local.time() >= end else 0)
    until = datetime.combine(day, end, local.tzinfo)
    return Objection("wait", f"quiet hours until {end:%H:%M}", until.astimezone(case.now.tzinfo))


EVERY: Final[frozenset[Cause]] = frozenset()
PERSON: Final[frozenset[Cause]] = frozenset({"manual"})
ASKED_FOR: Final[frozenset[Cause]] = frozenset({"manual", "schedule"})
INSTANTS: Final[frozenset[Cause]] = frozenset({"manual", "schedule", "staleness"})

RULES: Final[dict[str, tuple[Rule, frozenset[Cause]]]] = {
    "immature": (immature, EVERY),
    "in_flight": (in_flight, EVERY),
    "tried": (tried, EVERY),
    "broken_data": (broken_data, PERSON),
    "unconfirmed": (unconfirmed, INSTANTS),
    "deferred": (deferred, PERSON),
    "failing": (failing, PERSON),
    "unsuccessful": (unsuccessful, INSTANTS),
    "cooldown": (cooling, ASKED_FOR),
    "runs_per_week": (too_many_runs, PERSON),
    "hours_per_week": (too_many_hours, PERSON),
    "quiet_hours": (quiet, PERSON),
}
"""Name of a rule -> the rule, and the causes it does not hold back.

A person's wish waits only for a retrain under way."""


def _moved_anew(case: Case) -> bool:
    """Whether a feature moved that had not moved for any earlier unsuccessful retrain."""
    before = {
        feature
        for request in case.history.unsuccessful
        for signal in request.signals
        if signal.cause == case.signal.cause
        for feature in signal.features
    }
    return case.signal.cause in FROM_REPORTS and bool(set(case.signal.features) - before) and bool(before)


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"
