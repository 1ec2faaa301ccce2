"""The `training:` section, and the catalogue of algorithm names a model file may use.

The classes behind the names live in `training.algorithms`; a test holds the two lists together. Parameters stand
here by name so that a mistyped one is found with its line, before any library is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, JsonValue, model_validator

from mlops_assets.model_file.section import Section, unfold
from mlops_assets.model_file.suggestion import did_you_mean, near_and_all
from mlops_assets.model_file.values import Duration, Share

Problem = Literal["regression", "classification", "forecasting"]
TargetTransform = Literal["none", "log1p"]


@dataclass(frozen=True, slots=True)
class AlgorithmInfo:
    """What the loader must know of an algorithm: the problems it solves, its parameters, and the extra it needs."""

    problems: tuple[Problem, ...]
    params: tuple[str, ...]
    """Names a model file may set."""
    extra: str | None = None
    needs_past: bool = False
    """Whether it forecasts from `features.history` alone, or by it."""
    many_series: bool = True
    """Whether it learns several entities together."""
    number_losses: tuple[str, ...] = ()
    """What `loss` may be when numbers are learnt, its default first."""
    class_losses: tuple[str, ...] = ()
    """The same for classes."""
    onnx: bool = False
    """Whether it can be written as an ONNX file."""
    losses_without_onnx: tuple[str, ...] = ()
    """Losses whose converters give up, or write a file that answers otherwise."""


_TABULAR: Final[tuple[Problem, ...]] = ("regression", "classification", "forecasting")
_NUMBERS: Final[tuple[Problem, ...]] = ("regression", "forecasting")


def _names(text: str) -> tuple[str, ...]:
    return tuple(sorted(text.split()))


_DEEP: Final = _names("batch dropout epochs focus layers learning_rate loss patience units validation window")
_ROBUST: Final = ("squared", "absolute", "huber", "log_cosh")
_CLASSES: Final = ("cross_entropy", "focal")


def _network(more: str = "") -> AlgorithmInfo:
    params = _names(f"{' '.join(_DEEP)} {more}")
    return AlgorithmInfo(_TABULAR, params, extra="deep", number_losses=_ROBUST, class_losses=_CLASSES)


ALGORITHM_CATALOGUE: Final[dict[str, AlgorithmInfo]] = {
    "linear": AlgorithmInfo(_NUMBERS, _names("fit_intercept positive"), onnx=True),
    "ridge": AlgorithmInfo(_NUMBERS, _names("alpha fit_intercept max_iter positive solver tol"), onnx=True),
    "logistic": AlgorithmInfo(
        ("classification",), _names("C class_weight fit_intercept l1_ratio max_iter solver tol"), onnx=True
    ),
    "random_forest": AlgorithmInfo(
        _TABULAR,
        _names(
            "bootstrap ccp_alpha class_weight criterion max_depth max_features max_leaf_nodes max_samples "
            "min_impurity_decrease min_samples_leaf min_samples_split n_estimators"
        ),
        onnx=True,
    ),
    "svm": AlgorithmInfo(
        _TABULAR,
        _names("C cache_size class_weight coef0 degree epsilon gamma kernel max_iter shrinking tol"),
        onnx=True,
    ),
    "hist_gradient_boosting": AlgorithmInfo(
        _TABULAR,
        _names(
            "class_weight early_stopping l2_regularization learning_rate loss max_bins max_depth max_features max_iter "
            "max_leaf_nodes min_samples_leaf n_iter_no_change quantile tol validation_fraction"
        ),
        number_losses=("squared", "absolute", "quantile", "poisson", "gamma"),
        class_losses=("cross_entropy",),
        onnx=True,
        losses_without_onnx=("gamma", "poisson"),
    ),
    "lightgbm": AlgorithmInfo(
        _TABULAR,
        _names(
            "alpha bagging_fraction bagging_freq boosting cat_smooth colsample_bytree early_stopping_rounds "
            "extra_trees feature_fraction focus is_unbalance lambda_l1 lambda_l2 learning_rate linear_tree loss "
            "max_bin max_depth min_child_samples min_child_weight min_data_in_leaf min_split_gain n_estimators "
            "num_leaves path_smooth reg_alpha reg_lambda scale_pos_weight subsample subsample_freq"
        ),
        number_losses=(*_ROBUST, "quantile", "poisson"),
        class_losses=_CLASSES,
        onnx=True,
        losses_without_onnx=("focal", "log_cosh"),
    ),
    "xgboost": AlgorithmInfo(
        _TABULAR,
        _names(
            "colsample_bylevel colsample_bynode colsample_bytree early_stopping_rounds eta focus gamma grow_policy "
            "learning_rate loss max_bin max_delta_step max_depth max_leaves min_child_weight n_estimators "
            "quantile_alpha reg_alpha reg_lambda scale_pos_weight subsample"
        ),
        extra="boosting",
        number_losses=(*_ROBUST, "quantile", "poisson"),
        class_losses=_CLASSES,
        onnx=True,
        losses_without_onnx=("focal",),
    ),
    "catboost": AlgorithmInfo(
        _TABULAR,
        _names(
            "auto_class_weights bagging_temperature bootstrap_type border_count depth early_stopping_rounds "
            "focus grow_policy l2_leaf_reg learning_rate loss max_leaves min_data_in_leaf n_estimators "
            "random_strength rsm subsample"
        ),
        extra="boosting",
        number_losses=(*_ROBUST, "poisson"),
        class_losses=_CLASSES,
        onnx=True,
        losses_without_onnx=("poisson",),
    ),
    "python": AlgorithmInfo(_TABULAR, _names("estimator params pickle trusted")),
    "seasonal_naive": AlgorithmInfo(("forecasting",), _names("ahead season"), needs_past=True),
    "recursive": AlgorithmInfo(
        ("forecasting",), _names("ahead algorithm every exogenous lags params"), needs_past=True
    ),
    "exponential_smoothing": AlgorithmInfo(
        ("forecasting",),
        _names("ahead damped every max_iter season trend"),
        extra="forecast",
        needs_past=True,
        many_series=False,
    ),
    "arima": AlgorithmInfo(
        ("forecasting",),
        _names("ahead every max_iter order"),
        extra="forecast",
        needs_past=True,
        many_series=False,
    ),
    "sarimax": AlgorithmInfo(
        ("forecasting",),
        _names("ahead every exogenous max_iter order seasonal_order"),
        extra="forecast",
        needs_past=True,
        many_series=False,
    ),
    "prophet": AlgorithmInfo(
        ("forecasting",),
        _names(
            "ahead changepoint_prior_scale changepoint_range every growth n_changepoints regressors "
            "seasonality_mode seasonality_prior_scale"
        ),
        extra="prophet",
        needs_past=True,
        many_series=False,
    ),
    "lstm": _network(),
    "gru": _network(),
    "cnn": _network("kernel"),
    "transformer": _network("heads"),
    "embedding": AlgorithmInfo(
        ("classification",),
        _names(f"dimensions margin {' '.join(name for name in _DEEP if name not in ('focus', 'loss'))}"),
        extra="deep",
    ),
}

INNERMOST: Final = "ridge"
"""What `recursive` wraps where nothing is said."""
WRAPPED: Final = tuple(
    name
    for name, info in ALGORITHM_CATALOGUE.items()
    if "forecasting" in info.problems and not info.needs_past and name != "python"
)
"""What `recursive` can wrap: not `python`, whose estimator may be stored in ways that are asked about by name."""


def _known_algorithm(name: str) -> str:
    if name not in ALGORITHM_CATALOGUE:
        raise ValueError(f"unknown algorithm {name!r}{did_you_mean(name, ALGORITHM_CATALOGUE)}")
    return name


class AlgorithmChoice(Section):
    """One algorithm with its parameters as the library names them."""

    name: Annotated[str, AfterValidator(_known_algorithm)]
    params: dict[str, JsonValue] = {}

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
        if problems := unknown_params(self.name, self.params):
            raise ValueError("; ".join(problems))
        if self.name == "python" and not isinstance(self.params.get("pickle", False), bool):
            raise ValueError(f"'pickle' must be true or false, not {self.params['pickle']!r}")
        return self


class SearchedRange(Section):
    """Numbers between two bounds, both included; whole numbers when both bounds are."""

    low: int | float
    high: int | float
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

    choices: Annotated[tuple[str | int | float | bool | None, ...], Field(min_length=1)]


class SearchSpec(Section):
    """A search for better parameters, within the time limit of the training."""

    trials: Annotated[int, Field(ge=1, le=10_000)] = 20
    """How many parameter sets are tried per algorithm, over all runs on the same data and model file."""
    time: Duration | None = None
    """How long the search may take in all; unset means until the time limit of the training."""
    spaces: Annotated[dict[str, dict[str, SearchedRange | SearchedChoice]], Field(min_length=1)]
    """Per algorithm, what is tried for its parameters; those that `algorithms` sets stay as they are."""

    @model_validator(mode="after")
    def _known_names(self) -> SearchSpec:
        for name, space in self.spaces.items():
            _known_algorithm(name)
            if problems := unknown_params(name, space):
                raise ValueError("; ".join(problems))
        if "pickle" in self.spaces.get("python", {}):
            raise ValueError("python: 'pickle' is a permission to give or not, nothing to search for")
        return self


class TrainingSpec(Section):
    """The challengers to train, and the bounds on doing so."""

    algorithms: Annotated[tuple[AlgorithmChoice, ...], Field(min_length=1)]
    """All are trained on the same rows; the best on the validation part, by the primary metric, is the challenger."""
    search: SearchSpec | None = None
    target_transform: TargetTransform = "none"
    """`log1p` learns log(1 + target) and answers in the target's units again, for numbers above -1 that span orders of
    magnitude. Errors then count as shares, and with a squared error the answer is about the median, not the mean."""
    interval: Annotated[Share, Field(gt=0.0, lt=1.0)] | None = 0.9
    """Every number comes with bounds between which the truth lies with this probability, whatever the algorithm, learnt
    from the validation part (split conformal prediction); null for none. Classes have probabilities instead."""
    onnx: bool = False
    """The stored model comes with `model.onnx`, which answers alike; a candidate that wins and cannot be written so is
    refused. Its inputs are the columns of the bundle's signature, after the preparation (scaling, categories, gaps)."""
    time_limit: Duration = Field(default="30m", validate_default=True)
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 42

    @property
    def pickled(self) -> frozenset[str]:
        """Import paths of the estimators that may be stored as pickles, and read again."""
        allowed = (
            one for one in self.algorithms if one.name == "python" and one.params.get("pickle") is True
        )
        return frozenset(str(one.params.get("estimator")) for one in allowed)


def unknown_params(algorithm: str, params: Mapping[str, Any]) -> list[str]:
    """One sentence for every parameter the algorithm does not have."""
    known = ALGORITHM_CATALOGUE[algorithm].params
    found = [
        f"{algorithm} has no parameter {name!r}{did_you_mean(name, known)}"
        for name in params
        if name not in known
    ]
    return found or (_inside(params) if algorithm == "recursive" else [])


def _inside(params: Mapping[str, Any]) -> list[str]:
    """What is wrong with the algorithm that `recursive` wraps."""
    name, own = params.get("algorithm", INNERMOST), params.get("params") or {}
    if name not in WRAPPED:
        return [f"recursive: no algorithm {name!r} to wrap{near_and_all(str(name), WRAPPED)}"]
    if not isinstance(own, Mapping):
        return [f"recursive: 'params' must be a mapping of parameters of {name}"]
    found = unknown_params(name, own)
    lost = unknown_loss(name, "forecasting", own.get("loss"))
    return [f"recursive: {problem}" for problem in (*found, *([lost] if lost else []))]


def unknown_loss(algorithm: str, problem: Problem, loss: object) -> str | None:
    """A sentence when the algorithm has no such loss for the problem; an algorithm without losses has no parameter."""
    info = ALGORITHM_CATALOGUE[algorithm]
    known = info.class_losses if problem == "classification" else info.number_losses
    if not known or loss is None or loss in known:
        return None
    return f"{algorithm} has no loss {loss!r} for {problem}{near_and_all(str(loss), known)}"
