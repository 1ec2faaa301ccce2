"""The `training:` section, and the catalogue of algorithm names a model file may use.

The classes behind the names live in `training.algorithms`; a test holds the two lists together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from mlops_assets.spec.section import Section, unfold
from mlops_assets.spec.suggestion import did_you_mean
from mlops_assets.spec.values import Duration

Problem = Literal["regression", "classification", "forecasting"]


@dataclass(frozen=True, slots=True)
class AlgorithmInfo:
    """What the loader must know of an algorithm: the problems it solves and the extra it needs, if any."""

    problems: tuple[Problem, ...]
    extra: str | None = None


_TABULAR: Final[tuple[Problem, ...]] = ("regression", "classification", "forecasting")
_NUMBERS: Final[tuple[Problem, ...]] = ("regression", "forecasting")

ALGORITHM_CATALOGUE: Final[dict[str, AlgorithmInfo]] = {
    "linear": AlgorithmInfo(_NUMBERS),
    "ridge": AlgorithmInfo(_NUMBERS),
    "logistic": AlgorithmInfo(("classification",)),
    "random_forest": AlgorithmInfo(_TABULAR),
    "svm": AlgorithmInfo(("regression", "classification")),
    "hist_gradient_boosting": AlgorithmInfo(_TABULAR),
    "lightgbm": AlgorithmInfo(_TABULAR),
}


def _known_algorithm(name: str) -> str:
    if name not in ALGORITHM_CATALOGUE:
        raise ValueError(f"unknown algorithm {name!r}{did_you_mean(name, ALGORITHM_CATALOGUE)}")
    return name


class AlgorithmChoice(Section):
    """One algorithm with its parameters as the library names them, or `kind: python` with an import path."""

    name: Annotated[str, AfterValidator(_known_algorithm)]
    params: dict[str, JsonValue] = {}

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, value: Any) -> Any:
        folded = unfold(value, "name")
        if isinstance(folded, dict) and "name" in folded and "params" not in folded:
            return {"name": folded["name"], "params": {k: v for k, v in folded.items() if k != "name"}}
        return folded


class TrainingSpec(Section):
    """The challengers to train, and the bounds on doing so."""

    algorithms: Annotated[tuple[AlgorithmChoice, ...], Field(min_length=1)]
    """Each is trained on the same rows; the best by the primary metric on the validation part becomes the challenger."""
    time_limit: Duration = Field(default="30m", validate_default=True)
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42
