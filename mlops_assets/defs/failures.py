"""How a stage's error becomes a step's failure: whether to try again, and the sentence people read."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from mlops_assets.errors import MlopsError, ServiceError


@contextmanager
def plain_failures() -> Iterator[None]:
    """A service that did not answer is tried again; everything else would fail the same way and is not."""
    try:
        yield
    except (ServiceError, ConnectionError, TimeoutError) as error:
        raise dg.Failure(str(error)) from error
    except MlopsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except Exception as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error


def sentences(events: Iterable[dg.DagsterEvent]) -> list[tuple[str, str]]:
    """(stage, sentence) of every step that failed by itself; else (run, sentence) when the run ended outside them.

    Steps that did not run because of another are left out. Where blocking checks stopped a step, their answers are the
    sentence.
    """
    steps: list[tuple[str, str]] = []
    run: list[tuple[str, str]] = []
    answers: dict[str, list[tuple[int, str]]] = {}
    for event in events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if not check.passed:  # what stopped the step first, then what only warned, which often says why
                place = 0 if check.severity == dg.AssetCheckSeverity.ERROR else 1
                said_by = f"{check.check_name}: {check.description}"
                answers.setdefault(str(event.step_key), []).append((place, said_by))
        elif event.is_step_failure:
            data = event.step_failure_data
            if data.error is not None and data.error.cls_name == "DagsterDependencyError":
                continue
            said = data.user_failure_data.description if data.user_failure_data else None
            if data.error is not None and data.error.cls_name == "DagsterAssetCheckFailedError":
                found = sorted(answers.get(str(event.step_key), ()), key=lambda answer: answer[0])
                said = "; ".join(sentence for _, sentence in found) or said
            error = data.error.message.strip() if data.error else "failed"
            steps.append((str(event.step_key).rpartition("__")[2], said or error))
        elif event.event_type_value == "PIPELINE_FAILURE":
            run.append(("run", _innermost(event) or event.message or "failed"))
    return steps or run


def reasons(found: Sequence[tuple[str, str]]) -> list[str]:
    """The sentences, each after its stage, for an alert."""
    return [sentence if stage == "run" else f"{stage}: {sentence}" for stage, sentence in found] or ["failed"]


def _innermost(event: dg.DagsterEvent) -> str | None:
    error = event.job_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else None
