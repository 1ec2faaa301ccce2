"""Whatever shape the events of a failed run have, there is a reason to send."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any, cast

import dagster as dg
import pytest
from dagster._core.events import JobFailureData, RunFailureReason
from dagster_shared.error import SerializableErrorInfo

from mlops_assets.defs.failures import failure_reasons, reasons, sentences


def error(message: str | None, name: str | None = "ValueError", cause: Any = None) -> SerializableErrorInfo:
    return SerializableErrorInfo(cast(str, message), [], name, cause)


ERRORS = (
    None,
    error("boom"),
    error(""),
    error(None),
    error("outer", cause=error("inner")),
    error("x", "DagsterDependencyError"),
    error("x", "DagsterAssetCheckFailedError"),
    error("x", None),
)
SHAPES = (
    lambda failure: None,
    lambda failure: SimpleNamespace(error=failure, failure_reason=RunFailureReason.RUN_EXCEPTION),
    lambda failure: SimpleNamespace(error=failure),
    lambda failure: SimpleNamespace(error=failure, user_failure_data=None),
    lambda failure: SimpleNamespace(error=failure, user_failure_data=SimpleNamespace(description=None)),
    lambda failure: SimpleNamespace(error=failure, user_failure_data=SimpleNamespace(description="said")),
)
TYPES = ("STEP_FAILURE", "PIPELINE_FAILURE", "ASSET_CHECK_EVALUATION", "STEP_START")
STEPS = (None, "pump__features", "odd")
MESSAGES = (None, "", "told by Dagster")


def event(kind: str, data: Any, step: str | None, message: str | None) -> dg.DagsterEvent:
    return cast(
        dg.DagsterEvent,
        SimpleNamespace(
            event_type_value=kind,
            is_step_failure=kind == "STEP_FAILURE",
            event_specific_data=data,
            step_key=step,
            message=message,
        ),
    )


@pytest.mark.parametrize("kind", TYPES)
def test_every_shape_of_an_event_gives_a_sentence(kind: str) -> None:
    for failure, shape, step, message in product(ERRORS, SHAPES, STEPS, MESSAGES):
        result = reasons(sentences([event(kind, shape(failure), step, message)]))
        assert result
        assert all(one.strip() for one in result), (failure, step, message)


def test_a_run_that_never_started_a_step_names_the_innermost_error() -> None:
    launch = event(
        "PIPELINE_FAILURE", JobFailureData(error=error("outer", cause=error("no worker"))), None, "m"
    )
    assert reasons(sentences([launch])) == ["no worker"]


def test_a_worker_that_is_gone_has_no_failure_data_at_all() -> None:
    assert reasons(sentences([event("PIPELINE_FAILURE", None, None, "the worker is gone")])) == [
        "the worker is gone"
    ]
    assert reasons(sentences([event("PIPELINE_FAILURE", None, None, None)])) == ["failed"]
    assert reasons([]) == ["failed"]


def test_events_that_cannot_be_read_are_a_reason_too() -> None:
    class Broken:
        def all_logs(self, *_: Any, **__: Any) -> Any:
            raise AttributeError("no such thing")

    run = cast(dg.DagsterRun, SimpleNamespace(run_id="r1"))
    [sentence] = failure_reasons(cast(dg.DagsterInstance, Broken()), run)
    assert "AttributeError: no such thing" in sentence
