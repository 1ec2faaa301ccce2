"""The simulated time of a backtest, and the history that it is replayed on.

Comes in: the model file and what the caller named. Goes out: a `History` and a `Span`, or one sentence that says why
there is none.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from mlops_assets import readings
from mlops_assets.backtest.records import BacktestError, Span
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.source import FileSource, JoinedSource, SimulatedSource, SqlSource
from mlops_assets.model_file.values import format_duration
from mlops_assets.settings import Settings

FEWEST_STEPS: Final = 2
SIMULATED_WEEKS: Final = 12
"""Simulators have no beginning: the default is to replay so many weeks."""


def fetch(
    spec: ModelSpec,
    settings: Settings,
    start: datetime | None,
    end: datetime,
    *,
    file: Path | None = None,
    arrival: str | None = None,
) -> readings.History:
    """Fetch the history once.

    Args:
        spec: The model file.
        settings: Addresses and secrets of its source.
        start: First decision; None for a default that depends on the source.
        end: End of the simulated time.
        file: Readings in place of the source.
        arrival: Column with the instant at which a row's label arrived.

    Returns:
        Rows before cleaning, from one window before `start`.

    Raises:
        BacktestError: The model file names no timestamp.
        SourceError: The source cannot be read.
    """
    if spec.timestamp is None:
        raise BacktestError(
            f"{spec.name}: without a timestamp there is no history to replay; name it in the model file"
        )
    window = _window(spec)
    if file is not None:
        source = FileSource(kind="file", path=str(file), window=window)
        spec = spec.model_copy(update={"source": source})
    simulated = isinstance(spec.source, SimulatedSource) or (
        isinstance(spec.source, SqlSource) and bool(spec.source.simulate) and settings.embedded
    )
    if simulated and start is None:
        start = end - timedelta(weeks=SIMULATED_WEEKS)
    first = start - window if start is not None and window is not None else None
    return readings.fetch_history(spec, start=first, until=end, settings=settings, arrival=arrival)


def span_of(
    spec: ModelSpec, history: readings.History, start: datetime | None, end: datetime | None, step: timedelta
) -> Span:
    """Return the simulated time, with defaults where the caller named none.

    Args:
        spec: The model file.
        history: The fetched rows.
        start: First decision; None: one window after the first row, or half of the time without a window.
        end: End; None: the last row.
        step: Time between decisions.

    Returns:
        The span.

    Raises:
        BacktestError: The history is too short, or the step shorter than the data's own.
    """
    known = history.instants.drop_nulls()
    if known.is_empty():
        raise BacktestError(f"{spec.name}: the history has no rows")
    first, last = _instant(known.min()), _instant(known.max())
    end = end or last
    window = _window(spec)
    start = start or (first + window if window is not None else first + (end - first) / 2)
    span = Span(start.astimezone(UTC), end.astimezone(UTC), step)
    require(spec, history, span)
    return span


def require(spec: ModelSpec, history: readings.History, span: Span) -> None:
    """Refuse a span that does not suit the history.

    Args:
        spec: The model file.
        history: The fetched rows.
        span: The simulated time.

    Raises:
        BacktestError: The history is too short, or the step shorter than the data's own.
    """
    instants = history.instants.drop_nulls().unique().sort()
    first, last = _instant(instants.min()), _instant(instants.max())
    if span.start >= span.end or len(span.instants) - 1 < FEWEST_STEPS or first >= span.start:
        raise BacktestError(
            f"{spec.name}: the history is too short: readings from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} "
            f"leave nothing to train on before {span.start:%Y-%m-%d %H:%M}, or fewer than {FEWEST_STEPS} steps after "
            "it; move --from, or make --step shorter"
        )
    gaps: Any = instants.diff().drop_nulls().dt.total_microseconds()
    usual = timedelta(microseconds=float(gaps.median() or 0))
    if span.step < usual:
        raise BacktestError(
            f"{spec.name}: readings come every {_rounded(usual)}, a step of {format_duration(span.step)} is shorter; "
            "make --step longer"
        )


def _window(spec: ModelSpec) -> timedelta | None:
    source = spec.source.first if isinstance(spec.source, JoinedSource) else spec.source
    window: timedelta | None = getattr(source, "window", None)
    return window


def _instant(value: object) -> datetime:
    assert isinstance(value, datetime)
    return value


def _rounded(value: timedelta) -> str:
    return format_duration(timedelta(seconds=max(1, round(value.total_seconds()))))
