"""The path for a few rows: whatever is sent, its predictions or its refusal are those of the general path."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets import features
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle.predictor import BundlePredictor, calibrated
from mlops_assets.model_file import ModelSpec
from mlops_assets.serving import direct, payload
from mlops_assets.serving.direct import DirectPath
from mlops_assets.serving.history import History
from mlops_assets.serving.served import Served
from mlops_assets.training import ALGORITHMS

RNG = np.random.default_rng(0)
ROWS = 400
TABLE = pl.DataFrame(
    {
        "a": RNG.normal(size=ROWS),
        "b": [None if row % 9 == 0 else float(row % 13) for row in range(ROWS)],
        "same": [1.0] * ROWS,
        "kind": RNG.choice(["x", "y", "z"], ROWS),
    }
)
NUMBER = TABLE["a"] * 3 + TABLE["b"].fill_null(0) + (TABLE["kind"] == "x").cast(pl.Float64)


@cache
def served(algorithm: str, problem: str = "regression", **sections: str) -> Served:
    """A champion over four columns, as `champions.load` builds it; sections are JSON."""
    target = NUMBER if problem == "regression" else (NUMBER > 0).replace_strict({True: "high", False: "low"})
    body = {
        "name": "direct",
        "description": "A number from three columns",
        "owners": ["team:a"],
        "problem": problem,
        "target": "y",
        "source": {"kind": "file", "path": "/nowhere.csv"},
        "split": {"strategy": "random", "train": "60%", "validation": "20%", "test": "20%"},
        "training": {"algorithms": [{algorithm: {}}]},
        "evaluation": {"primary": "rmse" if problem == "regression" else "accuracy"},
        **{name: json.loads(section) for name, section in sections.items()},
    }
    spec = ModelSpec.model_validate_json(json.dumps(body))
    table = features.build(spec, TABLE.with_columns(y=target))
    preparation = features.fit_preparation(spec, table)
    matrix = preparation.apply(table)
    estimator = ALGORITHMS[algorithm](spec.problem, {}).fit(matrix, table["y"].to_numpy())
    predictor = calibrated(spec, BundlePredictor(preparation, estimator), table[:200])
    general = Served(spec, 1, 1, predictor, History(), frozenset({"same"}))
    sample = FeatureMatrix(matrix.names, matrix.values[:20])
    return replace(general, direct=DirectPath.of(spec, general.columns, predictor, sample))


CHAMPIONS = [
    {"algorithm": "lightgbm"},
    {"algorithm": "lightgbm", "features": '{"inputs": ["a", "b"]}'},
    {"algorithm": "random_forest", "features": '{"inputs": ["a", "b"]}'},
    {"algorithm": "lightgbm", "problem": "classification"},
    {"algorithm": "random_forest", "features": '{"precision": "float32", "scaling": "standard"}'},
    {"algorithm": "random_forest", "problem": "classification", "features": '{"categories": "ordinal"}'},
    {"algorithm": "ridge", "features": '{"categories": "target", "missing": "mean"}'},
]
VALUES: st.SearchStrategy[Any] = st.one_of(
    st.floats(),
    st.integers(),
    st.none(),
    st.booleans(),
    st.sampled_from(["x", "y", "1", "\ud800", ""]),
    st.just(10**400),
)


def response(champion: Served, rows: list[dict[str, Any]]) -> dict[str, Any] | str:
    try:
        return champion.respond(rows)
    except (MlopsError, pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        return str(error)


@pytest.mark.parametrize("champion", CHAMPIONS, ids=lambda champion: "-".join(champion.values()))
@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from([*TABLE.columns, "other"]), VALUES)
        | st.fixed_dictionaries(
            {
                "a": st.floats(-5, 5) | VALUES,
                "b": st.floats(-5, 5) | st.none(),
                "same": st.just(1.0) | st.none(),
                "kind": st.sampled_from(["x", "y", "other"]) | st.none(),
            }
        ),
        min_size=1,
        max_size=4,
    )
)
def test_both_paths_return_and_refuse_the_same(champion: dict[str, str], rows: list[dict[str, Any]]) -> None:
    quick = served(**champion)
    assert quick.direct is not None
    expected, actual = response(replace(quick, direct=None), rows), response(quick, rows)
    if isinstance(expected, str):
        assert actual == expected
        return
    assert isinstance(actual, dict)
    assert actual.keys() == expected.keys()
    for key, value in expected.items():
        if key in ("predictions", "low", "high", "probabilities") and not isinstance(value[0], str):
            assert np.array(actual[key], dtype=float) == pytest.approx(
                np.array(value, dtype=float), rel=1e-9, abs=1e-9, nan_ok=True
            )
        else:
            assert actual[key] == value


@pytest.mark.parametrize("champion", CHAMPIONS, ids=lambda champion: "-".join(champion.values()))
def test_usual_rows_take_the_direct_path(champion: dict[str, str]) -> None:
    quick = served(**champion)
    assert quick.direct is not None
    assert quick.direct.runtime == "fast"
    rows = TABLE.select({"a", "same", *quick.columns.needed}).head(20).to_dicts()
    assert quick.direct.predict(rows) is not None
    assert quick.direct.predict([{**rows[0], "a": math.nan}]) is None


@pytest.mark.parametrize("algorithm", ["lightgbm", "random_forest"])
def test_one_row_of_numbers_needs_no_array_for_the_same_response(algorithm: str) -> None:
    quick = served(algorithm, features='{"inputs": ["a", "b"]}')
    assert quick.direct is not None
    rows: list[payload.Row] = [
        {"a": a, "b": b} for a in (-1.5, 0, 0.1, True, 3e38, -3e38) for b in (0.25, 7, 2**60)
    ]
    for row in rows:
        assert quick.direct.predict_one(row) is not None
        assert quick.respond([row]) == replace(quick, direct=replace(quick.direct, one=None)).respond([row])
    for value in (None, "1", math.nan, math.inf, 1e39, 10**400):
        assert quick.direct.predict_one({"a": 1.0, "b": value}) is None
    assert quick.direct.predict_one({"a": 1.0}) is None


def test_a_fast_predictor_that_differs_is_not_used() -> None:
    quick = served("lightgbm")
    assert quick.direct is not None
    estimator = quick.predictor.estimator
    sample = FeatureMatrix(estimator.feature_names, np.zeros((3, len(estimator.feature_names))))

    class Wrong:
        feature_names, raw = estimator.feature_names, staticmethod(estimator.raw)

        def few_rows(self) -> Any:
            return lambda values: estimator.raw(FeatureMatrix(estimator.feature_names, values)) + 1e-6

    wrong: Any = Wrong()
    run, runtime = direct._runtime(wrong, sample)
    assert runtime == "native: the fast predictor differs on the sample"
    assert run(sample.values) == pytest.approx(estimator.raw(sample))


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(document=DOCUMENTS, compact=st.booleans(), ascii_only=st.booleans())
def test_the_fast_parser_reads_what_the_strict_one_reads(
    document: Any, compact: bool, ascii_only: bool
) -> None:
    text = json.dumps(document, separators=(",", ":") if compact else None, ensure_ascii=ascii_only)
    body = text.encode("utf-8", errors="surrogatepass")
    fast = payload._parse_unambiguous(body)
    if fast is not None:
        assert json.dumps(fast) == json.dumps(json.loads(body))


@pytest.mark.parametrize(
    "body", ['{"a":1,"a":2}', '{"a" :1,"b":{"c":1,"c":2}}', '[{"a":1,"\\u0061":2}]', '{":":1,"a":2,"a":3}']
)
def test_the_fast_parser_leaves_doubled_keys_to_the_strict_one(body: str) -> None:
    assert payload._parse_unambiguous(body.encode()) is None
