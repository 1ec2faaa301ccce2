"""Parameters of the algorithms that scikit-learn fits."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from mlops_assets.model_file.algorithms.parameters import (
    NUMBERS,
    TABULAR,
    AlgorithmParameters,
    Fraction,
    NonNegative,
    NonNegativeInt,
    Positive,
    PositiveInt,
    Problem,
)

SCIKIT_LEARN: Final = ("sklearn", "skops.io", "threadpoolctl")
BelowOne = Annotated[float, Field(gt=0, lt=1)]


class LinearParameters(AlgorithmParameters):
    """Least squares."""

    name: ClassVar[str] = "linear"
    modules: ClassVar[tuple[str, ...]] = SCIKIT_LEARN
    problems: ClassVar[tuple[Problem, ...]] = NUMBERS
    onnx: ClassVar[bool] = True

    fit_intercept: bool | None = None
    positive: bool | None = None


class RidgeParameters(AlgorithmParameters):
    """Least squares with shrunken weights."""

    name: ClassVar[str] = "ridge"
    modules: ClassVar[tuple[str, ...]] = SCIKIT_LEARN
    problems: ClassVar[tuple[Problem, ...]] = NUMBERS
    onnx: ClassVar[bool] = True

    alpha: NonNegative | None = None
    """How strongly weights are shrunk; 1 by default."""
    fit_intercept: bool | None = None
    max_iter: PositiveInt | None = None
    positive: bool | None = None
    solver: Literal["auto", "svd", "cholesky", "lsqr", "sparse_cg", "sag", "saga", "lbfgs"] | None = None
    tol: NonNegative | None = None


class LogisticParameters(AlgorithmParameters):
    """Logistic regression."""

    name: ClassVar[str] = "logistic"
    modules: ClassVar[tuple[str, ...]] = SCIKIT_LEARN
    problems: ClassVar[tuple[Problem, ...]] = ("classification",)
    onnx: ClassVar[bool] = True

    C: Positive | None = None
    """Inverse strength of the shrinking; 1 by default."""
    class_weight: Literal["balanced"] | None = None
    fit_intercept: bool | None = None
    l1_ratio: Annotated[float, Field(ge=0, le=1)] | None = None
    max_iter: PositiveInt | None = None
    """1000 by default."""
    solver: Literal["lbfgs", "liblinear", "newton-cg", "newton-cholesky", "sag", "saga"] | None = None
    tol: NonNegative | None = None


class RandomForestParameters(AlgorithmParameters):
    """A forest of independent trees."""

    name: ClassVar[str] = "random_forest"
    modules: ClassVar[tuple[str, ...]] = SCIKIT_LEARN
    problems: ClassVar[tuple[Problem, ...]] = TABULAR
    onnx: ClassVar[bool] = True

    bootstrap: bool | None = None
    ccp_alpha: NonNegative | None = None
    class_weight: Literal["balanced", "balanced_subsample"] | None = None
    criterion: (
        Literal["squared_error", "absolute_error", "friedman_mse", "poisson", "gini", "entropy", "log_loss"]
        | None
    ) = None
    max_depth: PositiveInt | None = None
    max_features: PositiveInt | Fraction | Literal["sqrt", "log2"] | None = None
    max_leaf_nodes: Annotated[int, Field(ge=2)] | None = None
    max_samples: PositiveInt | Fraction | None = None
    min_impurity_decrease: NonNegative | None = None
    min_samples_leaf: PositiveInt | BelowOne | None = None
    min_samples_split: Annotated[int, Field(ge=2)] | Fraction | None = None
    n_estimators: PositiveInt | None = None
    """Trees; 100 by default."""


class SvmParameters(AlgorithmParameters):
    """Support vectors."""

    name: ClassVar[str] = "svm"
    modules: ClassVar[tuple[str, ...]] = SCIKIT_LEARN
    problems: ClassVar[tuple[Problem, ...]] = TABULAR
    onnx: ClassVar[bool] = True

    C: Positive | None = None
    cache_size: Positive | None = None
    """Megabytes."""
    class_weight: Literal["balanced"] | None = None
    coef0: float | None = None
    degree: NonNegativeInt | None = None
    epsilon: NonNegative | None = None
    gamma: Literal["scale", "auto"] | NonNegative | None = None
    kernel: Literal["linear", "poly", "rbf", "sigmoid"] | None = None
    max_iter: Annotated[int, Field(ge=-1)] | None = None
    shrinking: bool | None = None
    tol: Positive | None = None


class HistGradientBoostingParameters(AlgorithmParameters):
    """scikit-learn's boosting over histograms."""

    name: ClassVar[str] = "hist_gradient_boosting"
    modules: ClassVar[tuple[str, ...]] = SCIKIT_LEARN
    problems: ClassVar[tuple[Problem, ...]] = TABULAR
    number_losses: ClassVar[tuple[str, ...]] = ("squared", "absolute", "quantile", "poisson", "gamma")
    class_losses: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    onnx: ClassVar[bool] = True
    losses_without_onnx: ClassVar[tuple[str, ...]] = ("gamma", "poisson")

    class_weight: Literal["balanced"] | None = None
    early_stopping: bool | Literal["auto"] | None = None
    l2_regularization: NonNegative | None = None
    learning_rate: Positive | None = None
    loss: str | None = None
    max_bins: Annotated[int, Field(ge=2, le=255)] | None = None
    max_depth: PositiveInt | None = None
    max_features: Fraction | None = None
    max_iter: PositiveInt | None = None
    """Trees; 100 by default."""
    max_leaf_nodes: Annotated[int, Field(ge=2)] | None = None
    min_samples_leaf: PositiveInt | None = None
    n_iter_no_change: PositiveInt | None = None
    quantile: Annotated[float, Field(ge=0, le=1)] | None = None
    tol: NonNegative | None = None
    validation_fraction: PositiveInt | BelowOne | None = None


SCIKIT_LEARN_ALGORITHMS: Final = (
    LinearParameters,
    RidgeParameters,
    LogisticParameters,
    RandomForestParameters,
    SvmParameters,
    HistGradientBoostingParameters,
)
