"""Parameters of the neural networks."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field

from mlops_assets.model_file.algorithms.boosting import CLASSES, ROBUST
from mlops_assets.model_file.algorithms.parameters import (
    TABULAR,
    AlgorithmParameters,
    NonNegative,
    Positive,
    PositiveInt,
    Problem,
)


class NetworkParameters(AlgorithmParameters):
    """What all networks have."""

    problems: ClassVar[tuple[Problem, ...]] = TABULAR
    extra: ClassVar[str | None] = "deep"
    modules: ClassVar[tuple[str, ...]] = ("torch",)

    batch: PositiveInt | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = None
    epochs: PositiveInt | None = None
    layers: PositiveInt | None = None
    learning_rate: Positive | None = None
    patience: PositiveInt | None = None
    """Epochs without a better validation loss after which the fit ends."""
    units: PositiveInt | None = None
    validation: Annotated[float, Field(ge=0, lt=1)] | None = None
    """The share of the newest training rows that early stopping uses where there is no validation part."""
    window: PositiveInt | None = None
    """Steps of `features.history` that are read."""


class LossParameters(NetworkParameters):
    """Networks that choose their loss."""

    number_losses: ClassVar[tuple[str, ...]] = ROBUST
    class_losses: ClassVar[tuple[str, ...]] = CLASSES

    focus: NonNegative | None = None
    """The gamma of the focal loss: 0 is cross entropy, 2 the default."""
    loss: str | None = None


class LstmParameters(LossParameters):
    """Long short-term memory."""

    name: ClassVar[str] = "lstm"


class GruParameters(LossParameters):
    """Gated recurrent units."""

    name: ClassVar[str] = "gru"


class CnnParameters(LossParameters):
    """A convolutional network over time."""

    name: ClassVar[str] = "cnn"

    kernel: PositiveInt | None = None


class TransformerParameters(LossParameters):
    """A transformer over time."""

    name: ClassVar[str] = "transformer"

    heads: PositiveInt | None = None


class EmbeddingParameters(NetworkParameters):
    """A network whose classes are prototypes."""

    name: ClassVar[str] = "embedding"
    problems: ClassVar[tuple[Problem, ...]] = ("classification",)

    dimensions: PositiveInt | None = None
    margin: Positive | None = None


NETWORKS_ALGORITHMS: Final = (
    LstmParameters,
    GruParameters,
    CnnParameters,
    TransformerParameters,
    EmbeddingParameters,
)
