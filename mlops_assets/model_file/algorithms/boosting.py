"""Parameters of the boosting libraries."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from mlops_assets.model_file.algorithms.parameters import (
    TABULAR,
    AlgorithmParameters,
    Fraction,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Problem,
)

ROBUST: Final = ("squared", "absolute", "huber", "log_cosh")
CLASSES: Final = ("cross_entropy", "focal")


class BoostingParameters(AlgorithmParameters):
    """What all boosting libraries have."""

    problems: ClassVar[tuple[Problem, ...]] = TABULAR
    class_losses: ClassVar[tuple[str, ...]] = CLASSES
    onnx: ClassVar[bool] = True

    early_stopping_rounds: NonNegativeInt | None = None
    """Trees without a better validation loss after which no more are grown; 50 by default, 0 for never."""
    focus: NonNegative | None = None
    """The gamma of the focal loss: 0 is cross entropy, 2 the default."""
    learning_rate: Positive | None = None
    loss: str | None = None
    n_estimators: PositiveInt | None = None
    """Trees; 400 by default."""
    subsample: Fraction | None = None


class LightGbmParameters(BoostingParameters):
    """LightGBM."""

    name: ClassVar[str] = "lightgbm"
    modules: ClassVar[tuple[str, ...]] = ("lightgbm",)
    number_losses: ClassVar[tuple[str, ...]] = (*ROBUST, "quantile", "poisson")
    losses_without_onnx: ClassVar[tuple[str, ...]] = ("focal", "log_cosh")

    alpha: Positive | None = None
    """The quantile of the quantile loss; the median by default."""
    bagging_fraction: Fraction | None = None
    bagging_freq: NonNegativeInt | None = None
    boosting: Literal["gbdt", "rf", "dart"] | None = None
    cat_smooth: NonNegative | None = None
    colsample_bytree: Fraction | None = None
    extra_trees: bool | None = None
    feature_fraction: Fraction | None = None
    is_unbalance: bool | None = None
    lambda_l1: NonNegative | None = None
    lambda_l2: NonNegative | None = None
    linear_tree: bool | None = None
    max_bin: Annotated[int, Field(ge=2)] | None = None
    max_depth: Annotated[int, Field(ge=-1)] | None = None
    min_child_samples: NonNegativeInt | None = None
    min_child_weight: NonNegative | None = None
    min_data_in_leaf: NonNegativeInt | None = None
    min_split_gain: NonNegative | None = None
    num_leaves: Annotated[int, Field(ge=2, le=131_072)] | None = None
    path_smooth: NonNegative | None = None
    reg_alpha: NonNegative | None = None
    reg_lambda: NonNegative | None = None
    scale_pos_weight: Positive | None = None
    subsample_freq: NonNegativeInt | None = None


class XgBoostParameters(BoostingParameters):
    """XGBoost."""

    name: ClassVar[str] = "xgboost"
    modules: ClassVar[tuple[str, ...]] = ("xgboost",)
    extra: ClassVar[str | None] = "boosting"
    number_losses: ClassVar[tuple[str, ...]] = (*ROBUST, "quantile", "poisson")
    losses_without_onnx: ClassVar[tuple[str, ...]] = ("focal",)

    colsample_bylevel: Fraction | None = None
    colsample_bynode: Fraction | None = None
    colsample_bytree: Fraction | None = None
    eta: Positive | None = None
    gamma: NonNegative | None = None
    grow_policy: Literal["depthwise", "lossguide"] | None = None
    max_bin: Annotated[int, Field(ge=2)] | None = None
    max_delta_step: NonNegative | None = None
    max_depth: NonNegativeInt | None = None
    max_leaves: NonNegativeInt | None = None
    min_child_weight: NonNegative | None = None
    quantile_alpha: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The quantile of the quantile loss; the median by default."""
    reg_alpha: NonNegative | None = None
    reg_lambda: NonNegative | None = None
    scale_pos_weight: Positive | None = None


class CatBoostParameters(BoostingParameters):
    """CatBoost."""

    name: ClassVar[str] = "catboost"
    modules: ClassVar[tuple[str, ...]] = ("catboost",)
    extra: ClassVar[str | None] = "boosting"
    number_losses: ClassVar[tuple[str, ...]] = (*ROBUST, "poisson")
    losses_without_onnx: ClassVar[tuple[str, ...]] = ("poisson",)

    auto_class_weights: Literal["None", "Balanced", "SqrtBalanced"] | None = None
    bagging_temperature: NonNegative | None = None
    bootstrap_type: Literal["Bayesian", "Bernoulli", "MVS", "No"] | None = None
    border_count: Annotated[int, Field(ge=1, le=65_535)] | None = None
    depth: Annotated[int, Field(ge=1, le=16)] | None = None
    grow_policy: Literal["SymmetricTree", "Depthwise", "Lossguide"] | None = None
    l2_leaf_reg: NonNegative | None = None
    max_leaves: Annotated[int, Field(ge=2)] | None = None
    min_data_in_leaf: PositiveInt | None = None
    random_strength: NonNegative | None = None
    rsm: Fraction | None = None


BOOSTING_ALGORITHMS: Final = (
    LightGbmParameters,
    XgBoostParameters,
    CatBoostParameters,
)
