"""`resources` of a model file reach every executor, and a model with long runs starves nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.test_utils import create_run_for_test
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from mlops_assets import stages
from mlops_assets.defs.automation import PREDICTIONS_JOB, job_of, request
from mlops_assets.defs.model_assets import model_assets
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.defs.placement import run_tags, step_tags
from mlops_assets.local.environment import CODE, DAGSTER_CONFIGURATION
from mlops_assets.model_file import ModelSpec, load_model
from mlops_assets_tests.redis_server import redis

SPEC = load_model(Path(CODE) / "models" / "pump_efficiency.yaml")
TWICE = 2
BIG, SMALL, TICK = 4 * 3600, 60, 2
"""Seconds of a big run, of a small one, and between two looks of Dagster's daemon at the queue."""


def with_resources(name: str = SPEC.name, **resources: Any) -> ModelSpec:
    body = json.loads(SPEC.model_dump_json()) | {"name": name, "resources": resources}
    return ModelSpec.model_validate_json(json.dumps(body))


def test_a_model_file_without_resources_has_no_tags() -> None:
    assert run_tags(SPEC) == step_tags(SPEC) == {}


def test_every_run_and_step_carries_what_its_executor_reads() -> None:
    spec = with_resources(queue="large", priority=8, cpu=1.5, memory="8Gi", gpu=1)
    reserved = {"cpu": "1.5", "memory": "8Gi", "nvidia.com/gpu": "1"}
    container = {
        "container_config": {
            "resources": {"requests": reserved, "limits": {"memory": "8Gi", "nvidia.com/gpu": "1"}}
        }
    }
    run = {"mlops/queue": "large", "dagster/priority": "3"}
    assert run_tags(spec) == run | {"dagster-k8s/config": json.dumps(container, sort_keys=True)}
    assert run_tags(spec).items() <= dict(request(spec, PREDICTIONS_JOB, "2026-01-01T00:00:00Z").tags).items()
    assert run_tags(spec).items() <= dict(job_of(spec).tags or {}).items()
    steps = {"dagster-celery/queue": "large", "dagster-celery/priority": "2"}
    for executor in ("in_process", "multiprocess"):
        job = build_definitions([spec], executor=executor).resolve_job_def(spec.name)
        nodes = [node for node in job.all_node_defs if node.node_type_str == "op"]
        assert len(nodes) > len(stages.STAGES)
        for node in nodes:
            assert steps.items() <= dict(node.tags).items(), node.name
            assert json.loads(node.tags["dagster-k8s/config"]) == container


def test_only_the_usual_priority_has_the_number_of_a_step_without_tags() -> None:
    tags = [step_tags(with_resources(priority=priority)) for priority in range(10)]
    numbers = [int(one.get("dagster-celery/priority", 5)) for one in tags]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers.count(5) == 1


class Queue:
    """Dagster's own queue over simulated hours: its daemon chooses, nothing is launched."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance, self.now = instance, 0
        self.daemon = QueuedRunCoordinatorDaemon(TICK)
        self.seconds: dict[str, int] = {}
        self.ends: dict[str, int] = {}
        self.waited: dict[str, int] = {}

    def add(self, tags: Mapping[str, str], seconds: int) -> str:
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("code"), "all"), "job")
        run = create_run_for_test(
            self.instance, status=dg.DagsterRunStatus.QUEUED, tags=dict(tags), remote_job_origin=origin
        )
        self.seconds[run.run_id] = seconds
        return str(run.run_id)

    def until(self, ids: list[str], limit: int) -> None:
        """Go from event to event until these runs have started."""
        while not set(ids) <= self.waited.keys() and self.now < limit:
            for run in self.daemon._get_runs_to_dequeue(
                self.instance, self.instance.get_concurrency_config(), fixed_iteration_time=self.now
            ):
                self.instance.handle_new_event(_event(run, dg.DagsterEventType.RUN_START))
                self.waited[run.run_id] = self.now
                self.ends[run.run_id] = self.now + self.seconds[run.run_id]
            self.now = max(self.now + TICK, min(self.ends.values(), default=limit))
            for id_ in [id_ for id_, end in self.ends.items() if end <= self.now]:
                del self.ends[id_]
                ended = self.instance.get_run_by_id(id_)
                assert ended is not None
                self.instance.handle_new_event(_event(ended, dg.DagsterEventType.RUN_SUCCESS))


def _event(run: dg.DagsterRun, kind: dg.DagsterEventType) -> dg.EventLogEntry:
    event = dg.DagsterEvent(kind.value, run.job_name)
    entry: Any = dg.EventLogEntry
    made: dg.EventLogEntry = entry(None, 10, "", run.run_id, 0.0, job_name=run.job_name, dagster_event=event)
    return made


@pytest.fixture
def queue() -> Iterator[Queue]:
    settings = yaml.safe_load(DAGSTER_CONFIGURATION.read_text())
    chosen = {name: settings[name] for name in ("run_coordinator", "concurrency")}
    with dg.instance_for_test(overrides=chosen) as instance:
        yield Queue(instance)


def test_a_noisy_neighbor_starves_no_small_model(queue: Queue, capsys: pytest.CaptureFixture[str]) -> None:
    """Three models ask for thirty runs of four hours, then twenty small models for a minute each."""
    big = [with_resources(f"big_{number}", queue="large") for number in range(3)]
    small = [with_resources(f"small_{number}") for number in range(20)]
    for spec in big * 10:
        queue.add({"mlops/model": spec.name, **run_tags(spec)}, BIG)
    ids = [queue.add({"mlops/model": spec.name, **run_tags(spec)}, SMALL) for spec in small]
    queue.until(ids, 100 * BIG)
    waits = [queue.waited[id_] for id_ in ids]
    assert max(waits) < TWICE * len(small) * SMALL
    assert list(queue.ends.values()) == [BIG], "one big run goes on meanwhile"


def test_the_higher_priority_comes_first(queue: Queue) -> None:
    first = [queue.add({"mlops/model": f"m{number}"}, SMALL) for number in range(4)]
    urgent = queue.add({"mlops/model": "urgent", **run_tags(with_resources(priority=9))}, SMALL)
    patient = queue.add({"mlops/model": "patient", **run_tags(with_resources(priority=1))}, SMALL)
    queue.until([*first, urgent, patient], 3600)
    assert queue.waited[urgent] == 0
    assert queue.waited[patient] == max(queue.waited.values())


@pytest.mark.integration
def test_redis_hands_out_the_higher_priority_first(tmp_path: Path) -> None:
    kombu = pytest.importorskip("kombu", reason="the extra 'celery' is not installed")
    with (
        redis(tmp_path) as address,
        kombu.Connection(address) as connection,
        connection.SimpleQueue("large") as steps,
    ):
        for priority in (1, 5, 9):
            tags = step_tags(with_resources(priority=priority))
            steps.put(priority, priority=int(tags.get("dagster-celery/priority", 5)))
        assert [steps.get(timeout=10).payload for _ in range(3)] == [9, 5, 1]


def test_a_wrong_amount_is_refused_with_its_form() -> None:
    with pytest.raises(ValueError, match="memory"):
        with_resources(memory="8 GB")
    assert model_assets(with_resources(memory="512Mi"), None)
