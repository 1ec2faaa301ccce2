"""A transformer over time: every step attends to every other; what the newest step gathered goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlops_assets.errors import TrainingError
from mlops_assets.model_file.algorithms.networks import TransformerParameters
from mlops_assets.training.algorithms.base.torch_algorithm import DeepAlgorithm


class Transformer(DeepAlgorithm):
    """An encoder with `heads` heads and sinusoidal positions (Vaswani et al. 2017), normalized before each layer."""

    parameters = TransformerParameters

    def _encoder(self, width: int, options: Mapping[str, Any]) -> Any:
        import torch
        from torch import nn

        units, heads = int(options["units"]), int(options.get("heads", 4))
        if units % heads:
            raise TrainingError(f"transformer: {units} units cannot be shared among {heads} heads")
        layer = nn.TransformerEncoderLayer(
            units, heads, 2 * units, float(options["dropout"]), batch_first=True, norm_first=True
        )

        class Attending(nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
            def __init__(self) -> None:
                super().__init__()
                self.entry = nn.Linear(width, units)
                self.layers = nn.TransformerEncoder(layer, int(options["layers"]), enable_nested_tensor=False)

            def forward(self, sequence: Any) -> Any:
                steps = sequence.shape[1]
                position = torch.arange(steps, dtype=torch.float32, device=sequence.device)[:, None]
                frequency = torch.exp(
                    torch.arange(0, units, 2, dtype=torch.float32, device=sequence.device)
                    * (-math.log(10_000.0) / units)
                )
                encoding = torch.cat(
                    [torch.sin(position * frequency), torch.cos(position * frequency)], dim=1
                )[:, :units]
                return self.layers(self.entry(sequence) + encoding)[:, -1]

        return Attending()
