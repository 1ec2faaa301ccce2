"""A row keeps its part for ever: growth, order and duplicates move nothing, and a model's own rows are known again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets.artifacts import PARTS, Split
from mlops_assets.features import SeenRows, build, seen_rows, split
from mlops_assets.features.row_identity import draws, fingerprints
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.unit.features.feature_factory import model, readings, wine


def table(rows: int, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "y": rng.choice(["a", "b", "c"], rows),
            "a": rng.normal(size=rows),
            "site": rng.integers(0, 300, rows),
        }
    )


def parts_of(spec: ModelSpec, frame: pl.DataFrame) -> dict[str, str]:
    """Part of each row, by its content."""
    made = split(spec, build(spec, frame))
    return {
        json.dumps(row, default=str): name for name in PARTS for row in made.part(name).drop("y").to_dicts()
    }


SPLITS: list[dict[str, Any]] = [
    {"strategy": "random"},
    {"strategy": "stratified"},
    {"strategy": "group", "group": "site"},
    {"strategy": "random", "key": ["site"]},
]


@pytest.mark.parametrize("section", SPLITS)
def test_no_row_changes_its_part_when_rows_are_added_moved_or_doubled(section: dict[str, Any]) -> None:
    spec = wine(split=section)
    base = table(3_000)
    before = parts_of(spec, base)
    grown = pl.concat([table(300, seed=9), base.sample(fraction=1.0, shuffle=True, seed=3), base.head(50)])
    after = parts_of(spec, grown)
    assert {key: after[key] for key in before} == before


@pytest.mark.parametrize("section", SPLITS[:2])
def test_shares_hold_on_average_and_the_seed_draws_other_rows(section: dict[str, Any]) -> None:
    frame = table(4_000)
    made = split(wine(split=section), frame)
    assert [made.part(name).height / 4_000 for name in PARTS] == pytest.approx([0.7, 0.15, 0.15], abs=0.02)
    other = split(wine(split={**section, "seed": 7}), frame)
    assert made.test.join(other.test, on="a").height < 0.25 * made.test.height


def test_equal_rows_share_one_part() -> None:
    doubled = pl.concat([table(500), table(500)])
    made = split(wine(split={"strategy": "random"}), doubled)
    assert not made.train.join(made.test, on=["y", "a", "site"]).height


def test_fingerprints_are_the_same_on_every_machine_and_release() -> None:
    frame = pl.DataFrame({"a": [0.0, -0.0, 1.5, None], "b": ["x", "x", None, "z"], "c": [1, 1, 2, 3]})
    prints = fingerprints(frame, ["a", "b", "c"])
    assert prints[0] == prints[1]
    assert (
        prints.tolist()
        == fingerprints(frame.with_columns(pl.col("c").cast(pl.Float64)), ["a", "b", "c"]).tolist()
    )
    assert [int(one) for one in prints[[0, 2]]] == FIXED
    assert draws(prints, 42)[0] == pytest.approx(FIXED_DRAW, abs=1e-12)


FIXED = [3638869485876249026, 17156524805389031524]
FIXED_DRAW = 0.8837600990852789


def test_a_model_knows_its_own_rows_again() -> None:
    spec = wine(split={"strategy": "random"})
    made = split(spec, table(1_000))
    record = SeenRows.from_json(json.loads(json.dumps(seen_rows(spec, made).to_json())))
    assert _learned_shares(record, spec, made) == {"train": 1.0, "validation": 1.0, "test": 0.0}
    reseeded = split(wine(split={"strategy": "random", "seed": 7}), table(1_000))
    assert 0.7 < _learned_shares(record, spec, reseeded)["test"] < 1.0
    assert record.mask(spec, made.test.drop("a")) is None


def test_by_time_a_model_knows_all_up_to_its_last_row() -> None:
    spec = model()
    frame = build(spec, readings(100))
    made = split(spec, frame.filter(pl.col("at") < frame["at"].max()))
    record = SeenRows.from_json(seen_rows(spec, made).to_json())
    assert _learned_shares(record, spec, made) == {"train": 1.0, "validation": 1.0, "test": 0.0}
    moved = split(model(split={"train": "20%", "validation": "20%", "test": "60%"}), frame)
    assert 0.5 < _learned_shares(record, spec, moved)["test"] < 1.0
    assert record.mask(wine(), table(3)) is None


def _learned_shares(record: SeenRows, spec: ModelSpec, made: Split) -> dict[str, float]:
    masks = {name: record.mask(spec, made.part(name)) for name in PARTS}
    return {name: float(np.mean(mask)) for name, mask in masks.items() if mask is not None}
