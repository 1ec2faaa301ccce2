"""What every sensor tick needs: the circumstances of a tick, and one turn per model that no other model can end."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from mlops_assets.artifacts import digest
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.platform import Platform, Run, code_commit
from mlops_assets.model_file import ModelSpec

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
        try:
            sentence = turn(spec, platform, run)
        except MlopsError as error:
            sentence = f"{spec.name}: {error}"
        except BaseException as error:
            if not _is_failure(error):
                raise
            sentence = f"{spec.name}: {type(error).__name__}: {error}"
            _report(platform, spec, sentence, run)
        if sentence:
            sentences.append(sentence)
    return sentences


def _is_failure(error: BaseException) -> bool:
    """Return whether an error is a failure and no request to stop; a panic of polars is no Exception."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def _report(platform: Platform, spec: ModelSpec, sentence: str, run: Run) -> None:
    key = f"sensor-{digest({'model': spec.name, 'sentence': sentence})[:16]}-{run.now():%Y-%m-%d}"
    try:
        send_alert(
            platform, "sensor_failed", sentence, key=key, spec=spec, at=run.now(), progress=run.progress
        )
    except MlopsError as error:
        run.progress(f"the alert about {spec.name} could not be recorded: {error}")
