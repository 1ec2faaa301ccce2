"""LSTM and GRU: the past read step by step; what is remembered at the newest step goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mlops_assets.model_file.algorithms import AlgorithmParameters
from mlops_assets.model_file.algorithms.networks import GruParameters, LstmParameters
from mlops_assets.training.algorithms.base.torch_algorithm import DeepAlgorithm


class _Recurrent(DeepAlgorithm):
    layer: ClassVar[str]

    def _encoder(self, width: int, options: Mapping[str, Any]) -> Any:
        from torch import nn

        layers, units = int(options["layers"]), int(options["units"])
        between = float(options["dropout"]) if layers > 1 else 0.0
        reader = getattr(nn, self.layer)(width, units, layers, batch_first=True, dropout=between)

        class Last(nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
            def __init__(self) -> None:
                super().__init__()
                self.reader = reader

            def forward(self, sequence: Any) -> Any:
                return self.reader(sequence)[0][:, -1]

        return Last()


class Lstm(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber 1997)."""

    parameters = LstmParameters
    layer: ClassVar[str] = "LSTM"


class Gru(_Recurrent):
    """Gated recurrent units (Cho et al. 2014)."""

    parameters: ClassVar[type[AlgorithmParameters]] = GruParameters
    layer: ClassVar[str] = "GRU"
