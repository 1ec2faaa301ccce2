"""Great Expectations and the polars pass answer alike, and the pages can be read without a network."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlops_assets.artifacts import ColumnProfile, Profile
from mlops_assets.validation import expectations, rules, validate
from mlops_assets_tests.unit.validation.test_batch import END, at, model, readings

AS_OF = END + timedelta(hours=1)
EXAMPLES = int(os.environ.get("MLOPS_TEST_EXAMPLES", "12"))


def _now_and_then(usual: st.SearchStrategy[Any], *odd: Any) -> st.SearchStrategy[Any]:
    """Mostly good values: a batch where everything is broken compares nothing."""
    return st.integers(0, 15).flatmap(lambda n: st.sampled_from(odd) if n == 0 else usual)


ROW = st.fixed_dictionaries(
    {
        "at": _now_and_then(
            st.integers(0, 90).map(lambda h: END - timedelta(hours=h)), None, AS_OF + timedelta(days=1)
        ),
        "unit": _now_and_then(st.sampled_from(["a", "b"]), None),
        "y": _now_and_then(st.integers(0, 5).map(float), None, float("nan"), float("inf")),
        "flow": _now_and_then(st.sampled_from([0.0, 50.0, 100.0]), None, -0.001, 100.001, float("-inf")),
        "code": _now_and_then(st.sampled_from(["AB1", "XY9"]), None, "ab1", "AB1\n", "", "AB11"),
        "state": _now_and_then(st.sampled_from(["on", "off"]), None, "ON", "on "),
        "serial no": _now_and_then(st.integers(0, 10_000), None, 1),
    }
)
SCHEMA = readings().schema


def _compare(frame: pl.DataFrame, folder: Path, reference: Profile | None = None) -> None:
    spec = model(validation={"completeness": None, "min_rows": 5, "max_missing": "10%"})
    ours = validate(spec, frame, as_of=AS_OF, reference=reference).rules
    theirs = expectations.run(spec, frame, folder / "docs", as_of=AS_OF, reference=reference)
    assert [(rule.rule, rule.passed) for rule in theirs] == [(rule.rule, rule.passed) for rule in ours]


@settings(max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(ROW, min_size=1, max_size=40))
def test_both_answer_alike_whatever_the_rows(
    rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    _compare(pl.DataFrame(rows, schema=SCHEMA), tmp_path_factory.mktemp("gx"))


@pytest.mark.parametrize(
    "frame",
    [
        readings(),
        readings().clear(),
        readings().drop("flow"),
        readings(flow=pl.col("flow").cast(pl.String)),
        readings(flow=pl.lit(None, dtype=pl.Float64)),
        readings(y=pl.lit(3.0)),
        readings(y=pl.when(pl.col("i") < 20).then(None).otherwise("y")).head(200),
        readings().reverse(),
    ],
    ids=["good", "empty", "absent", "text", "all missing", "constant target", "at the limit", "backward"],
)
def test_both_answer_alike_on_known_defects(frame: pl.DataFrame, tmp_path: Path) -> None:
    profile = ColumnProfile("number", (10.0, 20.0), (), (0.1, 0.1, 0.8), 0.0, None, None)
    _compare(frame, tmp_path, Profile(100, {"flow": profile}))


def test_the_pages_tell_what_failed_and_fetch_nothing(tmp_path: Path) -> None:
    frame = readings(flow=pl.when(at(7)).then(100.5).otherwise("flow"))
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "yesterday.html").touch()
    responses = expectations.run(model(), frame, tmp_path / "docs", as_of=AS_OF)
    assert [rule.rule for rule in responses] == [rule.name for rule in rules(model())]
    assert [rule.rule for rule in responses if not rule.passed] == ["range_flow"]
    pages = {page.name: page.read_text() for page in (tmp_path / "docs").iterdir()}
    assert set(pages) == {"index.html", "readings.html", "measurements.html"}
    assert "range_flow" in pages["index.html"]
    for page in pages.values():
        assert "http://" not in page
        assert "https://" not in page
        assert "<script" not in page


def test_a_sample_says_that_it_is_one(tmp_path: Path) -> None:
    responses = expectations.run(model(), readings(), tmp_path / "docs", as_of=AS_OF, max_rows=150)
    assert "on a sample of 150 of 196 rows" in {rule.rule: rule.message for rule in responses}["finite"]
    assert {rule.rule: rule.observed for rule in responses}["min_rows"] == 196
