"""What a model file may say, Dagster accepts: one accepted file never takes the code location down for all models."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import dagster as dg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.model_file import ModelSpec, examine
from mlops_assets.model_file.document import parse
from mlops_assets.model_file.gates import check_names
from mlops_assets.model_file.values import Cron, Duration, Owner
from mlops_assets_tests.unit.model_file.test_loader import GOOD

CRON, OWNER, DURATION = TypeAdapter(Cron), TypeAdapter(Owner), TypeAdapter(Duration)
CRON_PARTS = st.sampled_from(
    [
        "*",
        "0",
        "7",
        "59",
        "60",
        "31",
        "1-5",
        "5-1",
        "*/5",
        "*/0",
        "1,2",
        "5L",
        "L",
        "5#2",
        "15W",
        "?",
        "MON",
        "jan",
        "@daily",
    ]
)
OWNER_TEXTS = st.one_of(
    st.text(string.ascii_letters + string.digits + ".@_-+%:|", max_size=20),
    st.from_regex(r"[a-z.]{1,5}@[a-z.]{1,5}\.[a-zA-Z|]{1,9}", fullmatch=True),
    st.text(max_size=8).map("team:{}".format),
)


def accepted(adapter: TypeAdapter[Any], value: str) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


@given(st.lists(CRON_PARTS, min_size=4, max_size=6).map(" ".join))
@example("0 0 * * 5L")
@example("0 0 31 2 *")
@example("0 2 * * 7")
@settings(max_examples=400, deadline=None)
def test_an_accepted_cron_line_makes_a_schedule(line: str) -> None:
    if accepted(CRON, line):
        dg.ScheduleDefinition(name="retrain", cron_schedule=line, target="*")


@given(OWNER_TEXTS)
@example("a@b.c")
@example("a@b.company-with-hyphen")
@settings(max_examples=400, deadline=None)
def test_an_accepted_owner_owns_an_asset(owner: str) -> None:
    if accepted(OWNER, owner):
        dg.AssetSpec("production_model", owners=[owner])


def test_useful_values_stay_accepted() -> None:
    assert all(accepted(CRON, line) for line in ("0 2 * * 0", "*/5 * * * *", "30 0 1,15 * 1-5", "0 2 * * 7"))
    assert all(
        accepted(OWNER, owner) for owner in ("ann.b+c@example.com", "team:data-science", "x_y@a-b.example")
    )
    assert accepted(DURATION, "520w")


@pytest.mark.parametrize("value", ["999999999w", "36526d"])
def test_a_duration_beyond_100_years_is_refused(tmp_path: Path, value: str) -> None:
    file = tmp_path / "sales.yaml"
    file.write_text(f"{GOOD}monitoring: {{stale_after: {value}}}\n", encoding="utf-8")
    _, [problem] = examine(file)
    assert problem.key == "monitoring.stale_after"
    assert "longer than 100 years" in problem.message


VALUES: dict[str, Callable[[st.DataObject], str]] = {
    "owners": lambda data: f"[{data.draw(OWNER_TEXTS)!r}]",
    "schedules": lambda data: (
        f"{{retrain: {data.draw(st.lists(CRON_PARTS, min_size=5, max_size=5).map(' '.join))!r}, "
        f"timezone: {data.draw(st.sampled_from(sorted(available_timezones())))}}}"
    ),
    "name": lambda data: repr(data.draw(st.from_regex(r"[a-z][a-z0-9_]{0,80}", fullmatch=True))),
}


@given(st.data(), st.sampled_from(sorted(VALUES)))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_definitions_of_an_accepted_file_load(tmp_path: Path, data: st.DataObject, key: str) -> None:
    lines = [line for line in GOOD.splitlines() if not line.startswith(f"{key}:")]
    file = tmp_path / "model.yaml"
    file.write_text("\n".join([*lines, f"{key}: {VALUES[key](data)}"]) + "\n", encoding="utf-8")
    spec, _ = examine(file)
    if spec is not None:
        dg.Definitions.validate_loadable(build_definitions([spec]))


def test_check_names_are_unique_whatever_the_gates() -> None:
    texts = ["a:b_4", "c:b", "d:b"]
    gates = "".join(f"  - python: {{function: 'x.{text}'}}\n" for text in texts)
    file_text = GOOD + gates.replace("x.", "x")
    spec = ModelSpec.model_validate_json(json.dumps(parse(file_text).value))
    names = check_names(spec.gates)
    assert len(set(names)) == len(names) == 5
