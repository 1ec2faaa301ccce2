"""Classes by likeness.

A network places rows so that those of a class lie together, and the nearest class is it.

The network that reads a row (or its recent past) gives `dimensions` numbers instead of a class. It is trained with
a triplet loss: each row nearer to its own class than to any other, by `margin`. The mean of a class' training rows
is its prototype, and a row's probabilities are a softmax of minus its squared distances to them (Snell, Swersky and
Zemel 2017), divided by the temperature that makes the log loss of the validation part smallest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from mlops_assets.errors import BundleError, TrainingError
from mlops_assets.model_file.algorithms.networks import EmbeddingParameters
from mlops_assets.training.algorithms.base.algorithm import FitData, Floats
from mlops_assets.training.algorithms.base.focal_loss import softmax
from mlops_assets.training.algorithms.base.torch_algorithm import MODEL_FILE
from mlops_assets.training.algorithms.base.torch_training import Loss, triplet_loss
from mlops_assets.training.algorithms.recurrent import Gru

DIMENSIONS: Final = 16
MARGIN: Final = 1.0
TEMPERATURES: Final = np.geomspace(1e-4, 1e2, 121)
"""Tried, in units of the mean squared distance between rows and prototypes."""


class Embedding(Gru):
    """Gated recurrent units that end in a vector, judged by its distance to one prototype per class."""

    parameters = EmbeddingParameters

    def _output_size(self) -> int:
        dimensions = int(self.params.get("dimensions", DIMENSIONS))
        if dimensions < 1:
            raise TrainingError(f"embedding: 'dimensions' must be 1 or more, not {dimensions}")
        return dimensions

    def _loss(self) -> Loss:
        margin = float(self.params.get("margin", MARGIN))
        if not (np.isfinite(margin) and margin > 0.0):
            raise TrainingError(f"embedding: 'margin' must be above 0, not {margin}")
        return triplet_loss(margin)

    def _validation_batch(self) -> int:
        # What is compared in training is compared here, so that the two losses are alike.
        return int(self._options()["batch"])

    def _parts(self, data: FitData) -> tuple[Floats, Floats, Floats, Floats]:
        train, target, held_out, held_target = super()._parts(data)
        # Rows in order of time may hold one class for long, and a batch of one class says nothing.
        mixed = np.random.default_rng(data.seed).permutation(len(held_out))
        return train, target, held_out[mixed], held_target[mixed]

    def _fit(self, data: FitData) -> None:
        super()._fit(data)
        vectors = self._outputs(data.train)
        classes = range(len(self.classes))
        prototypes = np.stack([vectors[data.target == code].mean(axis=0) for code in classes])
        self._scale["prototypes"], self._scale["temperature"] = prototypes, np.array([1.0])
        _, _, held_out, held_target = self._parts(data)
        values, truth = (held_out, held_target) if len(held_out) else (data.train, data.target)
        self._scale["temperature"] = np.array([_temperature(self._squares(values), truth)])

    def _squares(self, values: Floats) -> Floats:
        """Squared distance of each row to each prototype, (rows, classes)."""
        difference = self._outputs(values)[:, None, :] - self._scale["prototypes"][None]
        return np.asarray((difference**2).sum(axis=2))

    def _predict(self, values: Floats) -> Floats:
        return softmax(-self._squares(values) / self._scale["temperature"])

    def _load(self, files: Mapping[str, bytes]) -> None:
        super()._load(files)
        if not {"prototypes", "temperature"} <= self._scale.keys():
            raise BundleError(f"{MODEL_FILE} has no prototypes, from which an embedding predicts")


def _temperature(squares: Floats, truth: Floats) -> float:
    """Return the best of `TEMPERATURES` by log loss.

    Targets are drawn in by one row in all, as Platt (1999) does: few rows that all happen to be right are no
    reason to be certain.
    """
    rows, classes = squares.shape
    doubt = 1.0 / (rows + 2.0)
    wanted = np.full(squares.shape, doubt / (classes - 1))
    wanted[np.arange(rows), truth.astype(np.int64)] = 1.0 - doubt
    tried = TEMPERATURES * (float(squares.mean()) or 1.0)
    costs = [-(wanted * np.log(np.maximum(softmax(-squares / one), 1e-300))).sum() for one in tried]
    return float(tried[int(np.argmin(costs))])
