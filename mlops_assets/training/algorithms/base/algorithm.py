"""`Algorithm`: the contract that every way of learning fulfils, and the checks they all share.

Comes in: a matrix with named columns and a target. Goes out: predictions, or the model as named files of bytes. A
subclass holds only what is particular to its library; names, labels, missing values and the scale that a target is
learned on are settled here.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, Literal, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import BundleError, MissingExtraError, TrainingError
from mlops_assets.model_file.algorithms import AlgorithmParameters, Problem, refusals
from mlops_assets.model_file.training import TargetTransform
from mlops_assets.training.algorithms.base.labels import as_labels, as_numbers, class_codes, in_natural_order
from mlops_assets.training.algorithms.base.target_transform import TRANSFORMS, invert_target, transform_target
from mlops_assets.training.algorithms.base.tree_rows import RowFunction
from mlops_assets.training.algorithms.base.windows import layout

Floats = NDArray[np.float64]
Target = NDArray[Any] | pl.Series
DESCRIPTION = "algorithm.json"


@dataclass(frozen=True, slots=True)
class Progress:
    """One step of an iterative fit (a tree, an epoch) and what was measured at it, such as train_loss."""

    step: int
    values: dict[str, float]


OnProgress = Callable[[Progress], None]


def ignore_progress(_progress: Progress) -> None:
    """Ignore progress: the callback where nobody listens.

    Args:
        _progress: Step and losses; not used.
    """


@dataclass(frozen=True, slots=True)
class FitData:
    """What a subclass fits on: checked values, and targets as they are learned (classes as their positions)."""

    train: Floats
    target: Floats
    validation: Floats | None
    validation_target: Floats | None
    names: tuple[str, ...]
    seed: int
    threads: int
    on_progress: OnProgress


class Algorithm(ABC):
    """One learning algorithm: `ALGORITHMS[name](problem, params).fit(...)`, or `load(files)` of what `dump` returned.

    Attributes:
        explain: Which SHAP method fits: `tree` (give `native` to a tree explainer), `linear` (closed form from
            `coefficients`), `other` (any function from matrix to numbers).
        packages: Distributions whose version a stored model depends on.
        handles_missing: Whether it accepts NaN in the matrix.
        uses_history: Whether it needs the grid of `features.history` and unscaled columns, which others do not get.
        supports_threads: Whether more threads make it faster without changing a prediction.
        blocked_imports: Modules that the library imports but fitting does not need.
    """

    parameters: ClassVar[type[AlgorithmParameters]]
    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    explain: ClassVar[Literal["tree", "linear", "other"]]
    handles_missing: ClassVar[bool] = False
    uses_history: ClassVar[bool] = False
    supports_threads: ClassVar[bool] = False
    blocked_imports: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        """Take the name over from the parameters."""
        super().__init_subclass__()
        if hasattr(cls, "parameters"):
            cls.name = cls.parameters.name

    def __init__(self, problem: Problem, params: Mapping[str, Any] | None = None) -> None:
        """Check problem and parameters.

        Raises:
            TrainingError: If the algorithm does not solve the problem or refuses a parameter.
            MissingExtraError: If its library is not installed.
        """
        self.problem = problem
        self.params = dict(params or {})
        self.feature_names: tuple[str, ...] = ()
        self.classes: tuple[str, ...] = ()
        self.target_transform: TargetTransform = "none"
        self._files: dict[str, bytes] | None = None
        solved = self.parameters.problems
        if problem not in solved:
            raise TrainingError(f"{self.name} does not solve {problem}; it solves {', '.join(solved)}")
        if problems := refusals(self.name, self.params):
            raise TrainingError("; ".join(problems.values()))
        if (missing := self.missing()) is not None:
            raise missing

    @classmethod
    def missing(cls) -> MissingExtraError | None:
        """Return the error that names the extra when the library is not installed, or None when it is."""
        return cls.parameters.missing()

    @classmethod
    def import_library(cls) -> None:
        """Import what `fit` needs."""
        for module in cls.parameters.modules:
            import_module(module)

    # --- what a subclass provides ---------------------------------------------------------------

    @property
    @abstractmethod
    def native(self) -> Any:
        """Return the library's own fitted object."""

    @abstractmethod
    def _fit(self, data: FitData) -> None: ...

    @abstractmethod
    def _predict(self, values: Floats) -> Floats:
        """Shape (rows,) for numbers, (rows, classes) of probabilities for classes."""

    @abstractmethod
    def _dump(self) -> dict[str, bytes]: ...

    @abstractmethod
    def _load(self, files: Mapping[str, bytes]) -> None: ...

    def requirements(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return the distributions whose version this model depends on.

        Modules that belong to no distribution come second, with the sha256 of their source.
        """
        return self.packages, {}

    def coefficients(self) -> tuple[Floats, Floats]:
        """Return weights (outputs, features) and intercepts (outputs,) in the units of the matrix.

        Raises:
            NotImplementedError: If the algorithm is not linear.
        """
        raise NotImplementedError(f"{self.name} is not linear")

    def fixed_params(self) -> dict[str, Any]:
        """Return the parameters that repeat this fit without a validation part: rounds and epochs as they were chosen.

        Returns:
            The parameters of the model file; algorithms that stop early add how far they went.
        """
        return dict(self.params)

    def runs_inline(self, rows: int, columns: int) -> bool:  # noqa: ARG002 - most are not, whatever the size
        """Return whether a fit is one closed-form computation of about a second, which needs no process of its own.

        Args:
            rows: Number of training rows.
            columns: Number of features.

        Returns:
            False unless a subclass knows that its fit is cheap.
        """
        return False

    def few_rows(self) -> RowFunction | None:
        """Return a function that predicts a few rows faster than the library's own interface, or None.

        It takes a matrix without infinite values, shape (rows, features), and returns what `_predict` returns, up to
        the last digits. Whoever uses it compares it with `predict` first.
        """
        return None

    # --- what everybody calls -------------------------------------------------------------------

    def fit(
        self,
        train: FeatureMatrix,
        y: Target,
        *,
        validation: FeatureMatrix | None = None,
        y_validation: Target | None = None,
        seed: int = 0,
        threads: int = 1,
        target_transform: TargetTransform = "none",
        on_progress: OnProgress = ignore_progress,
    ) -> Self:
        """Fit the model. Neither the matrix nor the target is changed.

        Args:
            train: Training rows.
            y: Their targets: numbers, or labels of any type.
            validation: Rows that early stopping uses; None or no rows for none.
            y_validation: Their targets.
            seed: Decides everything that is drawn.
            threads: How many threads the library may use, if it supports them.
            target_transform: The scale that the target is learned on; predictions come back in its own units.
            on_progress: Called after each step of an iterative fit.

        Returns:
            This object.

        Raises:
            TrainingError: If the rows, targets or parameters cannot be learned from.
        """
        if target_transform != "none" and self.problem == "classification":
            raise TrainingError(
                f"{self.name}: 'target_transform: {target_transform}' is for numbers, not for classes"
            )
        self.feature_names, self.target_transform = train.names, target_transform
        values = self._checked(train, "training")
        if values.shape[0] == 0 or values.shape[1] == 0:
            raise TrainingError(
                f"{self.name}: nothing to learn from, the matrix is {values.shape[0]} x {values.shape[1]}"
            )
        if self.problem == "classification":
            self.classes = in_natural_order(as_labels(y))
            if len(self.classes) < 2:
                raise TrainingError(
                    f"{self.name}: the training rows hold only one class, {', '.join(self.classes)!r}"
                )
        checked = checked_target = None
        if validation is not None and y_validation is not None and validation.values.shape[0]:
            checked = self._checked(validation, "validation")
            checked_target = self._target(y_validation, known_only=False)
            known = checked_target >= 0 if self.classes else np.ones(checked_target.shape, dtype=bool)
            checked, checked_target = checked[known], checked_target[known]
        target = self._target(y)
        self._check_target(target)
        self._fit(
            FitData(
                values,
                target,
                checked,
                checked_target,
                train.names,
                seed,
                max(1, threads),
                on_progress,
            )
        )
        return self

    def predict(self, matrix: FeatureMatrix) -> NDArray[Any]:
        """Return the predictions; a matrix without rows gives an array without rows.

        Args:
            matrix: Prepared features, shape (rows, features).

        Returns:
            Shape (rows,): numbers in the target's unit, or the text label of the most probable class.
        """
        return self.from_raw(self.raw(matrix))

    def from_raw(self, prediction: Floats) -> NDArray[Any]:
        """Return numbers or labels, as `predict` does, from raw predictions.

        Args:
            prediction: Numbers (rows,) on the scale of the target, or probabilities (rows, classes).

        Returns:
            Shape (rows,).
        """
        if not self.classes:
            return invert_target(self.target_transform, prediction)
        labels: NDArray[Any] = np.asarray(self.classes, dtype=np.str_)[np.argmax(prediction, axis=1)]
        return labels

    def predict_proba(self, matrix: FeatureMatrix) -> Floats:
        """Return the class probabilities.

        Args:
            matrix: Prepared features, shape (rows, features).

        Returns:
            Shape (rows, classes), in the order of `classes`.

        Raises:
            TypeError: When the problem is not a classification.
        """
        if not self.classes:
            raise TypeError(f"{self.name} was trained for {self.problem}, which has no probabilities")
        return self.raw(matrix)

    def dump(self) -> dict[str, bytes]:
        """Return the model as files: its own, and `algorithm.json` that says how to read them."""
        if self._files is not None:
            return dict(self._files)
        description = {
            "name": self.name,
            "problem": self.problem,
            "params": self.params,
            "feature_names": list(self.feature_names),
            "classes": list(self.classes),
            "target_transform": self.target_transform,
        }
        return {DESCRIPTION: json.dumps(description, indent=1, sort_keys=True).encode(), **self._dump()}

    @classmethod
    def load(cls, files: Mapping[str, bytes], *, keep: bool = False) -> Self:
        """Read a model from its files.

        Args:
            files: What `dump` returned, by name.
            keep: Keep the files in memory, so that `dump` returns the same bytes.

        Returns:
            The fitted algorithm.

        Raises:
            BundleError: If the files are not what `dump` writes.
        """
        try:
            description = json.loads(files[DESCRIPTION])
            loaded = cls(description["problem"], description["params"])
            loaded.feature_names = tuple(description["feature_names"])
            loaded.classes = tuple(description["classes"])
            loaded.target_transform = description.get("target_transform", "none")
            if loaded.target_transform not in TRANSFORMS:
                raise BundleError(
                    f"a {cls.name} model was learned on an unknown scale {loaded.target_transform!r}"
                )
            loaded._load(files)
            loaded._files = dict(files) if keep else None
        except KeyError as error:
            raise BundleError(f"a {cls.name} model needs {error.args[0]!r}, which is not there") from error
        return loaded

    def raw(self, matrix: FeatureMatrix) -> Floats:
        """Return raw predictions: numbers (rows,) on the scale of the target, or probabilities (rows, classes).

        Args:
            matrix: Rows with the columns of the training.

        Returns:
            Shape (rows,) or (rows, classes).
        """
        values = self._checked(matrix, "predicting")
        # Libraries differ on no rows: some refuse them, in words about arrays.
        return (
            self._predict(values) if len(values) else np.empty((0, len(self.classes)) if self.classes else 0)
        )

    # --- checks ---------------------------------------------------------------------------------

    def _checked(self, matrix: FeatureMatrix, when: str) -> Floats:
        if matrix.names != self.feature_names:
            raise TrainingError(f"{self.name}: {_difference(self.feature_names, matrix.names)} ({when})")
        values = np.asarray(matrix.values, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(matrix.names):
            raise TrainingError(
                f"{self.name}: a matrix of shape {values.shape} cannot have {len(matrix.names)} columns"
            )
        refused = np.isinf(values) if self.handles_missing else ~np.isfinite(values)
        if refused.any():
            column = int(np.argmax(refused.any(axis=0)))
            count = int(refused[:, column].sum())
            what, fix = (
                "missing or infinite",
                "; fill them in 'features', or take an algorithm that accepts gaps",
            )
            if self.handles_missing:
                what, fix = "infinite", ""
            raise TrainingError(
                f"{self.name}: column {matrix.names[column]!r} has {count} {what} values ({when}){fix}"
            )
        return self._transform_own_history(values, when)

    def _transform_own_history(self, values: Floats, when: str) -> Floats:
        """Return the target's own past on the scale of the target.

        Whoever reads on from one to the other compares like with like. Other columns, lags and windows of the
        target among them, stay as they are.
        """
        if self.target_transform == "none" or not (self.uses_history and self.problem == "forecasting"):
            return values
        own = list(next(iter(layout(self.feature_names).past.values()), ()))
        scaled = values.copy()
        scaled[:, own] = transform_target(
            self.target_transform, values[:, own], f"{self.name}: the target's past ({when})"
        )
        return scaled

    def _check_target(self, target: Floats) -> None:
        """Refuse targets that the loss is not defined for, before a library does in its own words."""
        loss, refused, rule = self.params.get("loss"), 0, ""
        if loss == "poisson":
            refused, rule = int((target < 0.0).sum()), "0 or above, with a sum above 0"
            refused = refused or (target.size if target.sum() <= 0.0 else 0)
        elif loss == "gamma":
            refused, rule = int((target <= 0.0).sum()), "above 0"
        if refused and not self.classes:
            raise TrainingError(
                f"{self.name}: the loss {loss!r} needs targets {rule}; {refused} of {target.size} training rows "
                "break that; keep such rows out with 'min' under validation.columns, or take another loss"
            )

    def _target(self, y: Target, *, known_only: bool = True) -> Floats:
        if self.problem == "classification":
            return class_codes(as_labels(y), self.classes, known_only=known_only)
        return transform_target(self.target_transform, as_numbers(y), f"{self.name}: the target")


def _difference(expected: tuple[str, ...], actual: tuple[str, ...]) -> str:
    missing = [name for name in expected if name not in actual]
    extra = [name for name in actual if name not in expected]
    if missing:
        return f"column {missing[0]!r} is missing ({len(missing)} missing, {len(extra)} unknown)"
    if extra:
        return f"column {extra[0]!r} was not there when the model was trained ({len(extra)} unknown)"
    return "the columns are in another order than the model was trained with"
