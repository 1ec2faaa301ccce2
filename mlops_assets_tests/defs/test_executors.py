"""One setting says how steps are carried out; a training in steps is the same asset, with a step per candidate."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets import stages
from mlops_assets.defs.executors import EXECUTORS, executor_named
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.errors import SpecError
from mlops_assets.model_file import load_model
from mlops_assets.settings import Settings

SPEC = load_model(Path(__file__).parents[2] / "models" / "pump_efficiency.yaml")
KEY = dg.AssetKey([SPEC.name, stages.TRAINED_MODEL])
NEEDS = {"celery": "dagster_celery", "kubernetes": "dagster_k8s"}


@pytest.mark.parametrize("name", EXECUTORS)
def test_every_executor_loads_with_the_steps_it_is_for(name: str) -> None:
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    definitions = build_definitions([SPEC], executor=name)
    job = definitions.resolve_job_def(SPEC.name)
    node = job.graph.node_named(f"{SPEC.name}__{stages.TRAINED_MODEL}")
    algorithms = [choice.name for choice in SPEC.training.algorithms]
    if name == "in_process":
        assert isinstance(node.definition, dg.OpDefinition)
    else:
        assert isinstance(node.definition, dg.GraphDefinition)
        assert {one.name for one in node.definition.nodes} == {"open", *algorithms, "choose"}


def test_the_asset_is_the_same_in_one_step_and_in_many() -> None:
    one, many = (
        build_definitions([SPEC], executor=name).resolve_asset_graph()
        for name in ("in_process", "multiprocess")
    )
    assert one.get_all_asset_keys() == many.get_all_asset_keys()
    assert one.asset_check_keys == many.asset_check_keys
    single, several = one.get(KEY), many.get(KEY)
    for message in (
        "code_version",
        "parent_keys",
        "child_keys",
        "group_name",
        "kinds",
        "owners",
        "description",
        "is_executable",
        "is_materializable",
    ):
        assert getattr(single, message) == getattr(several, message), message


def test_the_setting_is_read_and_a_wrong_one_is_told() -> None:
    assert Settings.from_environment({}).executor == "in_process"
    assert Settings.from_environment({"MLOPS_EXECUTOR": "celery"}).executor == "celery"
    with pytest.raises(SpecError, match=r"MLOPS_EXECUTOR: .*'multiproces'; did you mean 'multiprocess'"):
        executor_named("multiproces")
