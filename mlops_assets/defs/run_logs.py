"""What the runs of one model reported: their stages' own messages, and why a step failed, from Dagster's event log."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import dagster as dg

from mlops_assets.defs.automation import model_of
from mlops_assets.defs.failures import sentences

DAGSTER_MESSAGES: Final = ("Skipping step ", "Dependencies for step ", "Starting a new mlflow run ")
"""Beginnings of what Dagster says about itself under the name of a step."""
NEWEST: Final = 500
"""Runs of all models among which those of one are looked for."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a run.

    Attributes:
        at: When it was written.
        level: Name of the logging level, such as `INFO`.
        stage: The step that wrote it.
        text: The message.
    """

    at: datetime
    level: str
    stage: str
    text: str


@dataclass(frozen=True, slots=True)
class RunLog:
    """One run and its messages.

    Attributes:
        run_id: Dagster's id.
        job: Name of the job.
        status: Dagster's status, such as `SUCCESS`.
        created: When the run was requested.
        messages: In the order of time; empty for a run that has not begun.
    """

    run_id: str
    job: str
    status: str
    created: datetime
    messages: tuple[Message, ...]


def run_logs(model: str, *, runs: int = 1, run_id: str | None = None) -> list[RunLog]:
    """Read the logs of a model's newest runs.

    Args:
        model: Name of the model.
        runs: How many runs.
        run_id: Only the run whose id begins with this.

    Returns:
        The runs, oldest first; empty when the model has none.
    """
    with dg.DagsterInstance.get() as instance:
        records = [
            record
            for record in instance.get_run_records(limit=NEWEST)
            if model_of(record.dagster_run) == model and record.dagster_run.run_id.startswith(run_id or "")
        ]
        return [_log_of(instance, record) for record in reversed(records[:runs])]


def _log_of(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunLog:
    run = record.dagster_run
    messages = sorted(_messages(instance, run), key=lambda message: message.at)
    return RunLog(run.run_id, run.job_name, run.status.value, record.create_timestamp, tuple(messages))


def _messages(instance: dg.DagsterInstance, run: dg.DagsterRun) -> Iterator[Message]:
    entries = list(instance.all_logs(run.run_id))
    for entry in entries:
        text = entry.user_message
        if not entry.is_dagster_event and entry.step_key and not text.startswith(DAGSTER_MESSAGES):
            yield Message(_instant(entry), logging.getLevelName(entry.level), entry.step_key, text)
    failures = sentences(entry.dagster_event for entry in entries if entry.dagster_event)
    for stage, sentence in failures:
        yield Message(_instant(entries[-1]), "ERROR", stage, sentence)


def _instant(entry: dg.EventLogEntry) -> datetime:
    return datetime.fromtimestamp(entry.timestamp, UTC)
