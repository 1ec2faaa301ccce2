"""How a stage's error becomes a step's failure: whether to try again, and the sentence people read."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from mlops_assets.errors import MlopsError, ServiceError


@contextmanager
def plain_failures() -> Iterator[None]:
    """Retry a service that did not answer; everything else would fail the same way and is not retried."""
    try:
        yield
    except (ServiceError, ConnectionError, TimeoutError) as error:
        raise dg.Failure(str(error)) from error
    except MlopsError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    except Exception as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error


def sentences(events: Iterable[dg.DagsterEvent]) -> list[tuple[str, str]]:
    """Return (stage, sentence) of every step that failed by itself; else (run, sentence) of the run's end.

    Steps that did not run because of another are left out. Where blocking checks stopped a step, their results are the
    sentence.
    """
    steps: list[tuple[str, str]] = []
    run: list[tuple[str, str]] = []
    failed_checks: dict[str, list[tuple[int, str]]] = {}
    for event in events:
        if event.event_type_value == "ASSET_CHECK_EVALUATION":
            check = event.asset_check_evaluation_data
            if not check.passed:  # what stopped the step first, then what only warned, which often says why
                rank = 0 if check.severity == dg.AssetCheckSeverity.ERROR else 1
                sentence = f"{check.check_name}: {check.description}"
                failed_checks.setdefault(str(event.step_key), []).append((rank, sentence))
        elif event.is_step_failure:
            data = event.step_failure_data
            if data.error is not None and data.error.cls_name == "DagsterDependencyError":
                continue
            description = data.user_failure_data.description if data.user_failure_data else None
            if data.error is not None and data.error.cls_name == "DagsterAssetCheckFailedError":
                by_severity = sorted(failed_checks.get(str(event.step_key), ()), key=lambda check: check[0])
                description = "; ".join(sentence for _, sentence in by_severity) or description
            error = data.error.message.strip() if data.error else "failed"
            steps.append((str(event.step_key).rpartition("__")[2], description or error))
        elif event.event_type_value == "PIPELINE_FAILURE":
            run.append(("run", _innermost(event) or event.message or "failed"))
    return steps or run


def reasons(failures: Sequence[tuple[str, str]]) -> list[str]:
    """Return the sentences, each after its stage, for an alert."""
    return [sentence if stage == "run" else f"{stage}: {sentence}" for stage, sentence in failures] or [
        "failed"
    ]


def _innermost(event: dg.DagsterEvent) -> str | None:
    error = event.job_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return error.message.strip() if error else None
