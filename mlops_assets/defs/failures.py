"""How a stage's error becomes a step's failure: whether to try again, and the sentence people read."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import dagster as dg

from mlops_assets.errors import MlopsError, ServiceError


@contextmanager
def plain_failures() -> Iterator[None]:
    """Retry a service that did not respond; everything else would fail the same way and is not retried."""
    try:
        yield
    except (ServiceError, ConnectionError, TimeoutError) as error:
        raise dg.Failure(str(error)) from error
    except MlopsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except Exception as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error


REPORTED = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}


def failure_reasons(instance: dg.DagsterInstance, run: dg.DagsterRun) -> list[str]:
    """Return why a run failed, each reason after its stage; never empty, and never an exception.

    Events of a run that failed outside its steps have shapes that Dagster does not document; what cannot be
    read still gives a reason.

    Args:
        instance: Dagster's instance.
        run: The failed run.

    Returns:
        Sentences.
    """
    try:
        logs = instance.all_logs(run.run_id, of_type=REPORTED)
        return reasons(sentences(entry.dagster_event for entry in logs if entry.dagster_event))
    except Exception as error:  # noqa: BLE001 - whatever the shape of the events, the run has failed
        return [f"failed; its events could not be read ({type(error).__name__}: {error})"]


def sentences(events: Iterable[dg.DagsterEvent]) -> list[tuple[str, str]]:
    """Return (stage, sentence) of every step that failed by itself; else (run, sentence) of a run that failed outside.

    Steps that did not run because of another step are omitted. Where blocking checks stopped a step, the
    descriptions of these checks are the sentence. An event without the data that its type promises gives a
    shorter sentence.

    Args:
        events: Events of one run, oldest first.

    Returns:
        Pairs, in order of events.
    """
    steps: list[tuple[str, str]] = []
    run: list[tuple[str, str]] = []
    checks: dict[str, list[tuple[int, str]]] = {}
    for event in events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.event_specific_data
            if isinstance(check, dg.AssetCheckEvaluation) and not check.passed:
                # what stopped the step first, then what only warned, which often says why
                rank = 0 if check.severity == dg.AssetCheckSeverity.ERROR else 1
                checks.setdefault(str(event.step_key), []).append(
                    (rank, f"{check.check_name}: {_plain_reason(check)}")
                )
        elif event.is_step_failure:
            step = _step_failure(event, checks)
            if step is not None:
                steps.append(step)
        elif event.event_type_value == "PIPELINE_FAILURE":
            run.append(("run", _innermost(event) or event.message or "failed"))
    return steps or run


def reasons(failures: Sequence[tuple[str, str]]) -> list[str]:
    """Return the sentences, each after its stage, for an alert; never empty.

    Args:
        failures: Result of `sentences`.

    Returns:
        Sentences.
    """
    return [sentence if stage == "run" else f"{stage}: {sentence}" for stage, sentence in failures] or [
        "failed"
    ]


def _plain_reason(check: dg.AssetCheckEvaluation) -> str:
    """Return the sentence of a check; its description is the same sentence, escaped for Markdown."""
    reason = check.metadata.get("reason")
    return str(reason.value) if reason is not None else check.description or "failed"


def _step_failure(
    event: dg.DagsterEvent, checks: Mapping[str, Sequence[tuple[int, str]]]
) -> tuple[str, str] | None:
    error = getattr(event.event_specific_data, "error", None)
    failure = getattr(event.event_specific_data, "user_failure_data", None)
    if error is not None and error.cls_name == "DagsterDependencyError":
        return None
    sentence = failure.description if failure is not None else None
    if error is not None and error.cls_name == "DagsterAssetCheckFailedError":
        ranked = sorted(checks.get(str(event.step_key), ()), key=lambda one: one[0])
        sentence = "; ".join(text for _, text in ranked) or sentence
    message = (error.message or "").strip() if error is not None else ""
    stage = str(event.step_key or "unknown step").rpartition("__")[2]
    return stage, sentence or message or "failed"


def _innermost(event: dg.DagsterEvent) -> str | None:
    error = getattr(event.event_specific_data, "error", None)
    while error is not None and error.cause is not None:
        error = error.cause
    return (error.message or "").strip() if error is not None else None
