"""A convolutional network over time.

Each layer looks twice as far back as the one before; the newest step goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from mlops_assets.model_file.algorithms.networks import CnnParameters
from mlops_assets.training.algorithms.base.torch_algorithm import DeepAlgorithm


class Cnn(DeepAlgorithm):
    """Causal dilated convolutions (Bai, Kolter and Koltun 2018), `kernel` steps wide, three layers where unset."""

    parameters = CnnParameters

    def _encoder(self, width: int, options: Mapping[str, Any]) -> Any:
        from torch import nn

        units, kernel = int(options["units"]), int(options.get("kernel", 3))
        layers = int(self.params.get("layers", 3))
        parts: list[Any] = []
        for depth, (before, after) in enumerate(pairwise([width] + [units] * layers)):
            reach = (kernel - 1) * 2**depth
            parts += [nn.ConstantPad1d((reach, 0), 0.0), nn.Conv1d(before, after, kernel, dilation=2**depth)]
            parts += [nn.ReLU()]

        class Newest(nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
            def __init__(self) -> None:
                super().__init__()
                self.layers = nn.Sequential(*parts)

            def forward(self, sequence: Any) -> Any:
                return self.layers(sequence.transpose(1, 2))[:, :, -1]

        return Newest()
