"""What a person sets in Dagster's launchpad reaches the run, and the tags of schedules come first."""

from typing import Any

import dagster as dg
import pytest

from mlops_assets.defs.resources import AS_OF_TAG, REUSE_TAG, PlatformResource, run_of


@dg.op(required_resource_keys={"platform"})
def circumstances(context: dg.OpExecutionContext) -> tuple[str, bool]:
    """The instant of the run, and whether an unchanged model is left as it is."""
    run = run_of(context, None)
    return run.as_of.isoformat(), run.reuse


@dg.job(executor_def=dg.in_process_executor)
def probe() -> None:
    circumstances()


def launched(config: dict[str, Any], tags: dict[str, str]) -> tuple[str, bool]:
    definitions = dg.Definitions(jobs=[probe], resources={"platform": PlatformResource()})
    result = definitions.resolve_job_def("probe").execute_in_process(
        run_config={"resources": {"platform": {"config": config}}}, tags=tags
    )
    value: tuple[str, bool] = result.output_for_node("circumstances")
    return value


def test_the_launchpad_sets_instant_and_force() -> None:
    instant = "2026-01-31T02:00:00+00:00"
    assert launched({"as_of": instant, "force": False}, {}) == (instant, True)
    assert launched({"as_of": instant}, {}) == (instant, False)


def test_tags_of_a_schedule_come_first() -> None:
    tags = {AS_OF_TAG: "2026-02-01T00:00:00+01:00", REUSE_TAG: "true"}
    assert launched({"as_of": "2026-01-31T02:00:00+00:00"}, tags) == (tags[AS_OF_TAG], True)


@pytest.mark.parametrize("text", ["yesterday", "2026-01-31 02:00", ""])
def test_a_launchpad_instant_without_its_offset_is_refused(text: str) -> None:
    with pytest.raises(dg.Failure, match="must be an instant with its offset, such as 2026"):
        launched({"as_of": text}, {})
