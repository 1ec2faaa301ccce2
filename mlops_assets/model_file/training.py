"""The `training:` section: the algorithms to fit, the search for their parameters, and the bounds on both.

What an algorithm's parameters may be is in `model_file.algorithms`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, JsonValue, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE, AlgorithmParameters, refusals
from mlops_assets.model_file.algorithms.python import EXAMPLE
from mlops_assets.model_file.section import Section, unfold
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.model_file.values import Duration, Share, Unit

TargetTransform = Literal["none", "log1p"]
EXAMPLE_SPACE: Final = {"lightgbm": {"learning_rate": {"low": 0.01, "high": 0.3, "log": True}}}


def _known_algorithm(name: str) -> str:
    if name not in ALGORITHM_CATALOGUE:
        raise ValueError(f"unknown algorithm {name!r}{did_you_mean(name, ALGORITHM_CATALOGUE)}")
    return name


def _refused(algorithm: str, problems: Mapping[str, str], values: Mapping[str, Any]) -> ValidationError:
    """Return an error whose locations are the parameters, so that each is reported with its own line."""
    return ValidationError.from_exception_data(
        algorithm,
        [
            InitErrorDetails(
                type=PydanticCustomError("value_error", "{error}", {"error": problem}),
                loc=(algorithm, parameter),
                input=values.get(parameter),
            )
            for parameter, problem in problems.items()
        ],
    )


def _with_null(parameters: type[AlgorithmParameters]) -> dict[str, Any]:
    """Return a schema of parameters that may be left out altogether, as in `- ridge:`."""
    schema = parameters.model_json_schema()
    for value in schema["properties"].values():
        value.pop("title")
        value.pop("default", None)
    return schema if schema.get("required") else {"anyOf": [schema, {"type": "null"}]}


class AlgorithmChoice(Section):
    """One algorithm with its parameters as the library names them."""

    name: Annotated[str, AfterValidator(_known_algorithm), Field(examples=["ridge"])]
    """Name of the algorithm, written as the key: `- ridge: {alpha: 1}`. docs/algorithms.md lists all."""
    params: dict[str, JsonValue] = Field({}, examples=[{"alpha": 1}])
    """Parameters of the algorithm, written below its name; missing ones use the library's defaults."""

    @model_validator(mode="before")
    @classmethod
    def _unfold(cls, value: Any) -> Any:
        folded = unfold(value, "name")
        # `python` has a parameter named 'params' itself: what was folded is never taken for unfolded
        whole = folded is value and isinstance(value, dict) and "params" in value
        if isinstance(folded, dict) and "name" in folded and not whole:
            return {"name": folded["name"], "params": {k: v for k, v in folded.items() if k != "name"}}
        return folded

    @model_validator(mode="after")
    def _known_params(self) -> AlgorithmChoice:
        if problems := refusals(self.name, self.params):
            raise _refused(self.name, problems, self.params)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the schema of what a file holds: a name, or a name with its parameters."""
        bodies = {name: _with_null(parameters) for name, parameters in ALGORITHM_CATALOGUE.items()}
        single = [
            {"type": "object", "properties": {name: body}, "required": [name], "additionalProperties": False}
            for name, body in bodies.items()
        ]
        return {"description": cls.__doc__, "anyOf": [{"enum": list(bodies)}, *single]}


class SearchedRange(Section):
    """Numbers between two bounds, both included; whole numbers when both bounds are."""

    low: Annotated[int | float, Unit("the parameter's"), Field(examples=[0.01])]
    """Smallest value to try."""
    high: Annotated[int | float, Unit("the parameter's"), Field(examples=[0.3])]
    """Largest value to try."""
    log: bool = False
    """Search orders of magnitude instead of sums."""

    @model_validator(mode="after")
    def _ordered(self) -> SearchedRange:
        if self.high <= self.low:
            raise ValueError(f"'high' ({self.high}) must be above 'low' ({self.low})")
        if self.log and self.low <= 0:
            raise ValueError(f"'low' ({self.low}) must be above 0 when 'log' is true")
        return self


class SearchedChoice(Section):
    """One of some values."""

    choices: Annotated[
        tuple[str | int | float | bool | None, ...], Field(min_length=1, examples=[["gbdt", "dart"]])
    ]
    """The values to try."""


def _required(algorithm: str) -> dict[str, str]:
    """Return what a space need not name, as `algorithms` sets it."""
    return {"estimator": EXAMPLE} if algorithm == "python" else {}


class SearchSpec(Section):
    """A search for better parameters, within the time limit of the training."""

    trials: Annotated[int, Field(ge=1, le=10_000), Unit("trials")] = 20
    """How many parameter sets are tried per algorithm, over all runs on the same data and model file."""
    time: Duration | None = Field(None, examples=["10m"])
    """How long the search may take in all; unset means until the time limit of the training."""
    spaces: Annotated[
        dict[str, dict[str, SearchedRange | SearchedChoice]], Field(min_length=1, examples=[EXAMPLE_SPACE])
    ]
    """Per algorithm, what is tried for its parameters; those that `algorithms` sets stay as they are."""

    @model_validator(mode="after")
    def _known_names(self) -> SearchSpec:
        for name, space in self.spaces.items():
            _known_algorithm(name)
            for parameter, values in space.items():
                tried = values.choices if isinstance(values, SearchedChoice) else (values.low, values.high)
                for value in tried:
                    if problem := refusals(name, {**_required(name), parameter: value}).get(parameter):
                        raise _refused(name, {parameter: problem}, {parameter: value})
        if "pickle" in self.spaces.get("python", {}):
            raise ValueError("python: 'pickle' is a permission to give or not, nothing to search for")
        return self


class TrainingSpec(Section):
    """The challengers to train, and the bounds on doing so."""

    algorithms: Annotated[tuple[AlgorithmChoice, ...], Field(min_length=1)]
    """All are trained on the same rows; the best on the validation part, by the primary metric, is the challenger."""
    search: SearchSpec | None = Field(None, examples=[{"trials": 20, "spaces": EXAMPLE_SPACE}])
    """A search for better parameters; unset means none."""
    target_transform: TargetTransform = "none"
    """`log1p` learns log(1 + target) and predicts in the target's own units, for numbers above -1 that span orders of
    magnitude. Errors then count relatively, and a squared error predicts about the median, not the mean."""
    interval: Annotated[Share, Field(gt=0.0, lt=1.0)] | None = 0.9
    """Every number comes with bounds between which the truth lies with this probability, whatever the algorithm,
    calibrated on the validation part (split conformal prediction); null for none. Classes have probabilities."""
    onnx: bool = False
    """The stored model comes with `model.onnx`, whose predictions are checked; a winning candidate that
    cannot be exported is refused. Its inputs are the columns of the bundle's signature, after the
    preparation (scaling, categories, gaps)."""
    refit: bool | None = None
    """The recipe is judged on the holdout, then fitted again on all rows, with the hyperparameters and rounds that were
    judged; production serves that fit. Unset means yes for splits by time: the judged fit lacks the newest rows."""
    refit_distance: Annotated[float, Field(gt=0), Unit("root mean square errors")] = 2.0
    """A refit is refused when its predictions of the holdout differ from the judged ones by more than this many times
    the judged fit's own error there (root mean square)."""
    time_limit: Duration = Field(default="30m", validate_default=True)
    """Longest time for all candidates together; one that is late is stopped and left out."""
    seed: Annotated[int, Field(ge=0, le=2**32 - 1), Unit("none")] = 42
    """Seed of every fit and of the search: the same data and seed give the same model."""

    @property
    def pickled(self) -> frozenset[str]:
        """Import paths of the estimators that may be stored as pickles, and read again."""
        allowed = (
            one for one in self.algorithms if one.name == "python" and one.params.get("pickle") is True
        )
        return frozenset(str(one.params.get("estimator")) for one in allowed)
