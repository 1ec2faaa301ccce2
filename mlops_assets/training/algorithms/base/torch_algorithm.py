"""The part common to networks on PyTorch: windows and plain columns in, numbers or classes out, stopped early.

A network reads the recent past (`features.history`) step by step and takes the row's plain columns with what it made
of it; without a past, the row itself is a sequence of one step. It scales by itself, with what it saw in training.
Weights are stored as plain arrays. Seeded fits repeat exactly on a CPU; on a GPU, used when there is one, they repeat
as far as its libraries do.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mlops_assets.errors import BundleError
from mlops_assets.training.algorithms.base.algorithm import Algorithm, FitData, Floats
from mlops_assets.training.algorithms.base.focal_loss import focal_gamma, softmax
from mlops_assets.training.algorithms.base.losses import named_loss
from mlops_assets.training.algorithms.base.torch_training import (
    CLASS_LOSSES,
    NUMBER_LOSSES,
    VALIDATION_BATCH,
    Loss,
    network_class,
    network_loss,
    one_thread,
    seeded,
    train_network,
)
from mlops_assets.training.algorithms.base.windows import layout, window

MODEL_FILE: Final = "model.npz"
SCALE: Final = "scale_"
PREDICTION_BATCH: Final = 4096
DEFAULTS: Final[dict[str, Any]] = {
    "units": 64,
    "layers": 1,
    "dropout": 0.2,
    "epochs": 50,
    "batch": 32,
    "validation": 0.15,
    "patience": 10,
    "window": 14,
    "learning_rate": 0.001,
}


class DeepAlgorithm(Algorithm):
    """A network around an encoder of sequences.

    Early stopping looks at the validation part, or holds back the last `validation` share of the training rows
    when there is none.
    """

    packages: ClassVar[tuple[str, ...]] = ("torch",)
    explain: ClassVar[Literal["tree", "linear", "other"]] = "other"
    handles_missing: ClassVar[bool] = True
    uses_history: ClassVar[bool] = True
    _network: Any = None
    _scale: dict[str, Floats]

    @abstractmethod
    def _encoder(self, width: int, options: Mapping[str, Any]) -> Any:
        """Return a torch module from (rows, steps, width) to (rows, units)."""

    @property
    def native(self) -> Any:
        """Return the torch module."""
        return self._network

    def _options(self) -> dict[str, Any]:
        return {**DEFAULTS, **{name: value for name, value in self.params.items() if value is not None}}

    def fixed_params(self) -> dict[str, Any]:
        """Return the parameters with as many epochs as the validation part chose; no rows are left out."""
        epochs = int(self._scale.get("epochs", np.array([self._options()["epochs"]]))[0])
        return {**self.params, "epochs": epochs, "patience": epochs, "validation": 0.0}

    def _output_size(self) -> int:
        """How many numbers the network gives for a row."""
        return max(1, len(self.classes))

    def _fit(self, data: FitData) -> None:
        options = self._options()
        train, target, held_out, held_target = self._parts(data)
        self._scale = self._measured(train, target)
        parts = [
            (*self._scaled(train), self._scaled_target(target)),
            (*self._scaled(held_out), self._scaled_target(held_target)),
        ]
        with seeded(data.seed) as torch:
            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            network = self._built(parts[0][0].shape[2], parts[0][1].shape[1]).to(device)
            training_part, validation_part = [
                tuple(torch.as_tensor(array, device=device) for array in part) for part in parts
            ]
            trained, epochs = train_network(
                network,
                training_part,
                validation_part,
                self._loss(),
                options,
                data.seed,
                data.on_progress,
                self._validation_batch(),
            )
        self._network, self._scale["epochs"] = trained.cpu(), np.array([epochs])

    def _parts(self, data: FitData) -> tuple[Floats, Floats, Floats, Floats]:
        """Rows to learn from and their targets, rows that early stopping looks at and theirs."""
        if data.validation is not None and data.validation_target is not None and len(data.validation):
            return data.train, data.target, data.validation, data.validation_target
        cut = len(data.train) - int(len(data.train) * float(self._options()["validation"]))
        return data.train[:cut], data.target[:cut], data.train[cut:], data.target[cut:]

    def _validation_batch(self) -> int:
        return VALIDATION_BATCH

    def _built(self, width: int, plain: int) -> Any:
        from torch import nn

        options = self._options()
        units = int(options["units"])
        return network_class()(
            self._encoder(width, options),
            nn.Linear(units + plain, units),
            nn.Linear(units, self._output_size()),
            nn.Linear(width + plain, self._output_size()),
            float(options["dropout"]),
        )

    def _loss(self) -> Loss:
        known, default = (CLASS_LOSSES, "cross_entropy") if self.classes else (NUMBER_LOSSES, "squared")
        name = named_loss(self.name, self.params.get("loss"), {one: one for one in known}, default)
        return network_loss(name, focal_gamma(self.name, self.params))

    # --- from a matrix to what a network reads ---------------------------------------------------

    def _raw(self, values: Floats) -> tuple[Floats, Floats]:
        """Sequences (rows, steps, channels), gaps filled with the value before them, and plain columns (rows, p)."""
        column_layout = layout(self.feature_names)
        plain = values[:, list(column_layout.plain)]
        if not column_layout.past:
            return plain[:, None, :], plain[:, :0]
        steps = min(column_layout.steps, int(self._options()["window"]))
        sequence = np.stack(
            [window(values, channel[-steps:]) for channel in column_layout.past.values()], axis=2
        )
        for step in range(1, steps):
            gap = np.isnan(sequence[:, step])
            sequence[:, step][gap] = sequence[:, step - 1][gap]
        return sequence, plain

    def _measured(self, values: Floats, target: Floats) -> dict[str, Floats]:
        sequence, plain = self._raw(values)
        scale: dict[str, Floats] = {}
        for name, array in (("sequence", sequence.reshape(-1, sequence.shape[2])), ("plain", plain)):
            known = np.isfinite(array)
            count = np.maximum(known.sum(axis=0), 1)
            center = np.where(known, array, 0.0).sum(axis=0) / count
            width = np.sqrt(np.where(known, (array - center) ** 2, 0.0).sum(axis=0) / count)
            scale |= {f"{name}_centre": center, f"{name}_width": np.where(width > 0, width, 1.0)}
        level, width = (0.0, 1.0) if self.classes else (float(target.mean()), float(target.std()) or 1.0)
        return {**scale, "target": np.array([level, width])}

    def _scaled(self, values: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        arrays = []
        for name, array in zip(("sequence", "plain"), self._raw(values), strict=True):
            scaled = (array - self._scale[f"{name}_centre"]) / self._scale[f"{name}_width"]
            # What lies far beyond the training rows must not carry a network into the absurd.
            arrays.append(np.clip(np.nan_to_num(scaled), -10.0, 10.0).astype(np.float32))
        return arrays[0], arrays[1]

    def _scaled_target(self, target: Floats) -> NDArray[Any]:
        if self.classes:
            return target.astype(np.int64)
        level, width = self._scale["target"]
        return np.asarray((target - level) / width, dtype=np.float32)

    def _outputs(self, values: Floats) -> Floats:
        """Return what the network gives, shape (rows, numbers)."""
        import torch

        sequence, plain = self._scaled(values)
        outputs = [np.empty((0, self._output_size()))]
        with torch.no_grad(), one_thread():
            for start in range(0, len(values), PREDICTION_BATCH):
                some = slice(start, start + PREDICTION_BATCH)
                raw = self._network(torch.as_tensor(sequence[some]), torch.as_tensor(plain[some]))
                outputs.append(raw.double().numpy())
        return np.concatenate(outputs)

    def _predict(self, values: Floats) -> Floats:
        outputs = self._outputs(values)
        if self.classes:
            return softmax(outputs)
        level, width = self._scale["target"]
        return np.asarray(outputs[:, 0] * width + level)

    # --- storage ---------------------------------------------------------------------------------

    def _dump(self) -> dict[str, bytes]:
        out = io.BytesIO()
        arrays: dict[str, Any] = {
            n: tensor.numpy() for n, tensor in sorted(self._network.state_dict().items())
        }
        arrays |= {SCALE + name: array for name, array in sorted(self._scale.items())}
        np.savez(out, **arrays)
        return {MODEL_FILE: out.getvalue()}

    def _load(self, files: Mapping[str, bytes]) -> None:
        import torch

        try:
            with np.load(io.BytesIO(files[MODEL_FILE]), allow_pickle=False) as arrays:
                column_layout = {name: arrays[name] for name in arrays.files}
            self._scale = {
                name.removeprefix(SCALE): array
                for name, array in column_layout.items()
                if name.startswith(SCALE)
            }
            weights = {
                n: torch.as_tensor(array) for n, array in column_layout.items() if not n.startswith(SCALE)
            }
            with seeded(0):
                network = self._built(len(self._scale["sequence_centre"]), len(self._scale["plain_centre"]))
            network.load_state_dict(weights)
        except (OSError, ValueError, KeyError, EOFError, RuntimeError) as error:
            if MODEL_FILE not in files:
                raise
            raise BundleError(f"{MODEL_FILE} does not hold the weights of a {self.name}: {error}") from error
        self._network = network.eval()
