"""The part common to boosting libraries.

How long they go on, which loss they get, a custom one where they have none, and predictions from its scores.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import numpy as np

from mlops_assets.errors import BundleError, TrainingError
from mlops_assets.training.algorithms.base.algorithm import Algorithm, FitData
from mlops_assets.training.algorithms.base.focal_loss import focal_gamma, focal_loss, softmax
from mlops_assets.training.algorithms.base.losses import CustomObjective, Floats, named_loss
from mlops_assets.training.algorithms.base.robust_losses import robust_loss

WITHOUT_EFFECT: Final = ("is_unbalance", "scale_pos_weight")
CUSTOM: Final = "own"
"""What an algorithm's table of losses says of one that its library does not bring."""
CLASS_LOSSES: Final = {"cross_entropy": "cross_entropy", "focal": CUSTOM}
ROUNDS: Final = 400
"""Trees, where the model file does not say how many."""
PATIENCE: Final = 50
"""Trees without a better validation part, after which no more are grown."""


class BoostingAlgorithm(Algorithm):
    """Trees grown one after another, until the validation part has not got better for some of them.

    A subclass trains, writes and reads with its library; how many trees, early stopping, and that what predicts is
    exactly what is stored are the same for all.
    """

    explain: ClassVar[Literal["tree", "linear", "other"]] = "tree"
    handles_missing: ClassVar[bool] = True
    model_file: ClassVar[str]
    library: ClassVar[str]
    """Its name in messages."""
    _model: Any = None

    @property
    def native(self) -> Any:
        """Return the library's fitted model."""
        return self._model

    def fixed_params(self) -> dict[str, Any]:
        """Return the parameters with as many trees as the validation part chose, and no early stopping."""
        return {**self.params, "n_estimators": max(1, self._rounds()), "early_stopping_rounds": 0}

    @abstractmethod
    def _rounds(self) -> int:
        """Return how many rounds the fitted model holds."""

    @abstractmethod
    def _train(self, data: FitData, params: dict[str, Any], rounds: int, patience: int) -> Any:
        """Fit at most `rounds` trees; with a validation part and a patience above 0 stop early."""

    @abstractmethod
    def _write(self, model: Any) -> bytes: ...

    @abstractmethod
    def _read(self, body: bytes) -> Any: ...

    @abstractmethod
    def _errors(self) -> tuple[type[Exception], ...]:
        """Return what the library raises for a file that it cannot read."""

    def _fit(self, data: FitData) -> None:
        params = {name: value for name, value in self.params.items() if value is not None}
        rounds = int(params.pop("n_estimators", ROUNDS))
        patience = int(params.pop("early_stopping_rounds", PATIENCE))
        watched = data.validation is not None and data.validation_target is not None
        # Read back from its own bytes: what predicts now is exactly what is stored.
        self._model = self._read(self._write(self._train(data, params, rounds, patience if watched else 0)))

    def _dump(self) -> dict[str, bytes]:
        return {self.model_file: self._write(self._model)}

    def _load(self, files: Mapping[str, bytes]) -> None:
        body = files[self.model_file]
        try:
            self._model = self._read(body)
        except self._errors() as error:
            raise BundleError(f"{self.model_file} is not a model of {self.library}: {error}") from error


def objective(
    algorithm: str,
    params: Mapping[str, Any],
    classes: int,
    numbers: Mapping[str, str],
    *,
    two: str,
    more: str,
    share: str,
) -> tuple[str, dict[str, Any]]:
    """Return the name in the table of losses, and the library parameters for the loss and the classes.

    Args:
        algorithm: Its name, for messages.
        params: What the model file sets.
        classes: How many classes there are; 0 for numbers.
        numbers: The library's names of losses for numbers.
        two: The library's objective for two classes.
        more: The library's objective for more classes.
        share: The library's name for the quantile of a quantile loss; the median where `params` do not set it.

    Returns:
        Name and parameters.

    Raises:
        TrainingError: If the algorithm does not have the loss.
    """
    known, default = (CLASS_LOSSES, "cross_entropy") if classes else (numbers, "squared")
    named = named_loss(algorithm, params.get("loss"), known, default)
    if not classes:
        median = {share: 0.5} if params.get("loss") == "quantile" else {}
        return named, {"objective": named, **median}
    return named, {"objective": two} if classes == 2 else {"objective": more, "num_class": classes}


def custom_objective(algorithm: str, params: Mapping[str, Any], target: Floats) -> CustomObjective:
    """Return the custom objective that `params` name.

    Args:
        algorithm: Its name, for messages.
        params: What the model file sets.
        target: The training targets.

    Returns:
        Objective with gradient, Hessian and loss.

    Raises:
        TrainingError: If a parameter has no effect with it, or the gamma of the focal loss is below 0.
    """
    name = str(params.get("loss"))
    if name != "focal":
        return robust_loss(name, target)
    if ignored := [other for other in WITHOUT_EFFECT if params.get(other)]:
        raise TrainingError(
            f"{algorithm}: {ignored[0]!r} has no effect with the loss 'focal', which weighs by 'focus'; leave it out"
        )
    return focal_loss(focal_gamma(algorithm, params))


def library_params(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that the library itself knows.

    Args:
        params: Parameters of the algorithm, from the model file.

    Returns:
        A copy without our own `loss` and `focus`.
    """
    return {name: value for name, value in params.items() if name not in ("loss", "focus")}


def class_probabilities(prediction: Floats, loss: object) -> Floats:
    """Return class probabilities from a library's prediction; of a custom objective by softmax of its scores.

    Args:
        prediction: Shape (rows,) for two classes, or (rows, classes).
        loss: Name of the loss in the model file.

    Returns:
        Shape (rows, classes).
    """
    if loss == "focal":
        return softmax(prediction)
    return np.column_stack((1.0 - prediction, prediction)) if prediction.ndim == 1 else prediction
