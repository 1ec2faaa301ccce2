"""Parameters of algorithms are checked by name, type, bounds and choices, before any library is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from mlops_assets.model_file import schema_text
from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE, refusals
from mlops_assets.model_file.algorithms.parameters import describe
from mlops_assets.model_file.training import AlgorithmChoice, SearchSpec


@pytest.mark.parametrize(
    "algorithm, params, sentence",
    [
        ("ridge", {"alpha": "abc"}, "ridge: 'alpha' must be a number of 0 or above, not \"abc\""),
        ("ridge", {"alpha": -1}, "ridge: 'alpha' must be a number of 0 or above, not -1"),
        ("ridge", {"alhpa": 1}, "ridge has no parameter 'alhpa'; did you mean 'alpha'?"),
        ("ridge", {"positive": 1}, "ridge: 'positive' must be true or false, not 1"),
        ("svm", {"kernel": "bogus"}, "'linear', 'poly', 'rbf', 'sigmoid', not \"bogus\""),
        ("svm", {"kernel": "linaer"}, "did you mean 'linear'?"),
        ("svm", {"C": 0}, "svm: 'C' must be a number above 0, not 0"),
        ("random_forest", {"n_estimators": 0}, "a whole number of 1 or above, not 0"),
        ("random_forest", {"n_estimators": 10.5}, "a whole number of 1 or above, not 10.5"),
        ("lightgbm", {"feature_fraction": 1.5}, "a number above 0 up to 1, not 1.5"),
        ("lightgbm", {"learning_rate": True}, "lightgbm: 'learning_rate' must be a number above 0"),
        ("xgboost", {"quantile_alpha": 1.0}, "a number above 0 below 1"),
        ("catboost", {"depth": 17}, "a whole number from 1 up to 16"),
        ("arima", {"order": [1, 1]}, "arima: 'order' must be a list of 3, each a whole number of 0 or above"),
        ("sarimax", {"seasonal_order": [0, 1, 1, 8760]}, "sarimax: 'seasonal_order' must be a list of 4"),
        ("exponential_smoothing", {"season": 365}, "a whole number from 0 up to 200"),
        ("python", {"estimator": "builtins:eval"}, "'builtins' is part of Python and has no estimators"),
        ("python", {"estimator": "os.path:join"}, "'os.path' is part of Python and has no estimators"),
        ("python", {"estimator": "shop.models"}, "must say where the class is, as 'package.module:Class'"),
        ("python", {"estimator": "a;b:C"}, "must say where the class is"),
        ("python", {}, "python: 'estimator' is required"),
        ("lstm", {"dropout": 1.0}, "lstm: 'dropout' must be a number from 0 below 1"),
        ("recursive", {"params": {"alpha": "abc"}}, "recursive: ridge: 'alpha' must be a number"),
    ],
)
def test_a_refused_parameter_is_named_with_what_is_allowed(
    algorithm: str, params: dict[str, Any], sentence: str
) -> None:
    [problem] = refusals(algorithm, params).values()
    assert sentence in problem
    with pytest.raises(ValidationError):
        AlgorithmChoice(name=algorithm, params=params)


@pytest.mark.parametrize(
    "algorithm, params",
    [
        ("ridge", {"alpha": 0, "solver": "auto", "max_iter": None}),
        ("svm", {"gamma": 0.1, "kernel": "poly"}),
        ("random_forest", {"max_features": "sqrt", "max_depth": None, "max_samples": 0.5}),
        ("lightgbm", {"max_depth": -1, "n_estimators": 10}),
        ("sarimax", {"exogenous": {"price": "price_planned"}, "seasonal_order": [0, 1, 1, 7]}),
        ("recursive", {"exogenous": ["price"], "algorithm": "lightgbm", "params": {"num_leaves": 7}}),
        ("python", {"estimator": "shop.models:Outer.Inner", "pickle": True, "params": {"depth": 3}}),
    ],
)
def test_what_a_library_takes_is_accepted(algorithm: str, params: dict[str, Any]) -> None:
    assert refusals(algorithm, params) == {}


def test_each_refusal_stands_at_its_parameter() -> None:
    with pytest.raises(ValidationError) as caught:
        AlgorithmChoice(name="svm", params={"kernel": "bogus", "C": -1})
    assert {detail["loc"] for detail in caught.value.errors()} == {("svm", "kernel"), ("svm", "C")}


@pytest.mark.parametrize(
    "space, location",
    [
        ({"ridge": {"alpha": {"low": -1.0, "high": 1.0}}}, ("spaces", "ridge", "alpha")),
        ({"svm": {"kernel": {"choices": ["rbf", "bogus"]}}}, ("spaces", "svm", "kernel")),
        ({"lightgbm": {"num_leaves": {"low": 7.5, "high": 31.5}}}, ("spaces", "lightgbm", "num_leaves")),
    ],
)
def test_a_search_stays_within_the_bounds_of_a_parameter(
    space: dict[str, Any], location: tuple[str, ...]
) -> None:
    with pytest.raises(ValidationError) as caught:
        SearchSpec.model_validate_json(json.dumps({"spaces": space}))
    assert caught.value.errors()[0]["loc"][-2:] == location[-2:]


def test_every_parameter_is_in_the_schema_for_editors() -> None:
    choices = json.loads(schema_text())["$defs"]["AlgorithmChoice"]["anyOf"]
    assert choices[0]["enum"] == list(ALGORITHM_CATALOGUE)
    schemas = {name: body for choice in choices[1:] for name, body in choice["properties"].items()}
    for name, parameters in ALGORITHM_CATALOGUE.items():
        schema = schemas[name]
        properties = next(
            part["properties"] for part in schema.get("anyOf", [schema]) if "properties" in part
        )
        assert set(properties) == set(parameters.names())
        assert all(describe(property_) != "something else" for property_ in properties.values()), name


def test_checking_parameters_imports_no_library() -> None:
    code = (
        "import sys\nfrom mlops_assets.model_file.training import AlgorithmChoice\n"
        "AlgorithmChoice(name='svm', params={'C': 1.0})\n"
        "print(sorted({'polars', 'pandas', 'sklearn', 'lightgbm', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
