"""What every sensor tick needs: the circumstances of a tick, and one turn per model that no other model can end."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from mlops_assets.artifacts import digest
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.platform import Platform, Run, code_commit
from mlops_assets.model_file import ModelSpec

T = TypeVar("T")
ModelTurn = Callable[[ModelSpec, Platform, Run], str | None]
"""What a sensor does for one model; returns a sentence when it did something."""


def sensor_run(progress: Callable[[str], None]) -> Run:
    """Return the lifecycle run of one sensor tick; its actor is `dagster`.

    Args:
        progress: Receives sentences.

    Returns:
        The run.
    """
    return Run(
        id=uuid4().hex,
        as_of=datetime.now(UTC),
        now=lambda: datetime.now(UTC),
        actor="dagster",
        code_commit=code_commit(Path(__file__).parent),
        progress=progress,
    )


def for_each_model(specs: Sequence[ModelSpec], platform: Platform, run: Run, turn: ModelTurn) -> list[str]:
    """Call a function for each model; an error of one model does not stop the others.

    An error that is not ours also sends an alert, once a day.

    Args:
        specs: All model files.
        platform: The open stores and settings.
        run: The run: id, actor, clock and progress callback.
        turn: Function of one model; returns a sentence, '' for nothing to report.

    Returns:
        The sentences of the models, an error as one.
    """
    sentences = []
    for spec in specs:
        sentence, problem = attempt(
            spec.name, partial(turn, spec, platform, run), platform=platform, run=run, spec=spec
        )
        sentences += [text for text in (sentence, problem) if text]
    return sentences


def attempt(
    what: str, act: Callable[[], T], *, platform: Platform, run: Run, spec: ModelSpec | None = None
) -> tuple[T | None, str | None]:
    """Call a function whose error must not stop what comes after it.

    An error that is not ours also sends an alert, once a day.

    Args:
        what: Name of the model or of the step, for the sentence.
        act: Function without arguments.
        platform: The open stores and settings.
        run: The run: id, actor, clock and progress callback.
        spec: Model file of the model that it is about; None for a step of the platform.

    Returns:
        The result, None after an error; and a sentence about the error, None without one.
    """
    try:
        return act(), None
    except MlopsError as error:
        return None, f"{what}: {error}"
    except BaseException as error:
        if not _is_failure(error):
            raise
        sentence = f"{what}: {type(error).__name__}: {error}"
        _report(platform, spec, sentence, run)
        return None, sentence


def _is_failure(error: BaseException) -> bool:
    """Return whether an error is a failure and no request to stop; a panic of polars is no Exception."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _report(platform: Platform, spec: ModelSpec | None, sentence: str, run: Run) -> None:
    name = spec.name if spec else ""
    key = f"sensor-{digest({'model': name, 'sentence': sentence})[:16]}-{run.now():%Y-%m-%d}"
    try:
        send_alert(
            platform, "sensor_failed", sentence, key=key, spec=spec, at=run.now(), progress=run.progress
        )
    except MlopsError as error:
        run.progress(f"the alert about {name or 'the platform'} could not be recorded: {error}")
