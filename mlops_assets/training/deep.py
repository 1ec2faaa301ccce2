"""The part common to networks on PyTorch: windows and plain columns in, numbers or classes out, stopped early.

A network reads the recent past (`features.history`) step by step and sees the row's plain columns beside what it made
of it; without a past, the row itself is a sequence of one step. It scales by itself, with what it saw in training.
Weights are stored as plain arrays. Seeded fits repeat exactly on a CPU; on a GPU, used when there is one, they repeat
as far as its libraries do.
"""

from __future__ import annotations

import contextlib
import copy
import io
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mlops_assets.errors import BundleError, TrainingError
from mlops_assets.training.algorithm import Algorithm, FitData, Floats, Progress
from mlops_assets.training.losses import named_loss
from mlops_assets.training.sequence import layout, window

MODEL_FILE: Final = "model.npz"
SCALE: Final = "scale_"
ANSWERED_TOGETHER: Final = 4096
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
NUMBER_LOSSES: Final = {name: name for name in ("squared", "absolute", "huber", "log_cosh")}
CLASS_LOSSES: Final = {name: name for name in ("cross_entropy", "focal")}
FOCUS: Final = 2.0
"""Exponent of the focal loss (Lin et al. 2017)."""


class DeepAlgorithm(Algorithm):
    """A network around an encoder of sequences. Early stopping looks at the validation part, or holds back the last
    `validation` share of the training rows when it is given none."""

    modules: ClassVar[tuple[str, ...]] = ("torch",)
    packages: ClassVar[tuple[str, ...]] = ("torch",)
    explain: ClassVar[Literal["tree", "linear", "other"]] = "other"
    handles_missing: ClassVar[bool] = True
    reads_past: ClassVar[bool] = True
    _network: Any = None
    _scale: dict[str, Floats]

    @abstractmethod
    def _encoder(self, width: int, options: Mapping[str, Any]) -> Any:
        """A torch module from (rows, steps, width) to (rows, units)."""

    @property
    def native(self) -> Any:
        """The torch module."""
        return self._network

    def _options(self) -> dict[str, Any]:
        return {**DEFAULTS, **{name: value for name, value in self.params.items() if value is not None}}

    def _fit(self, data: FitData) -> None:
        options = self._options()
        train, target = data.train, data.target
        held, held_target = data.validation, data.validation_target
        if held is None or held_target is None or not len(held):
            cut = len(train) - int(len(train) * float(options["validation"]))
            train, held = train[:cut], train[cut:]
            target, held_target = target[:cut], target[cut:]
        self._scale = self._measured(train, target)
        parts = [(*self._scaled(train), self._goal(target)), (*self._scaled(held), self._goal(held_target))]
        with seeded(data.seed) as torch:
            device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
            network = self._built(parts[0][0].shape[2], parts[0][1].shape[1]).to(device)
            tensors = [tuple(torch.as_tensor(array, device=device) for array in part) for part in parts]
            self._network = _learnt(
                network, tensors[0], tensors[1], self._loss(), options, data.seed, data.on_progress
            ).cpu()

    def _built(self, width: int, plain: int) -> Any:
        from torch import nn

        options = self._options()
        units = int(options["units"])
        return _network_class()(
            self._encoder(width, options),
            nn.Linear(units + plain, units),
            nn.Linear(units, max(1, len(self.classes))),
            nn.Linear(width + plain, max(1, len(self.classes))),
            float(options["dropout"]),
        )

    def _loss(self) -> Callable[[Any, Any], Any]:
        import torch
        from torch.nn import functional

        known = CLASS_LOSSES if self.classes else NUMBER_LOSSES
        default = "cross_entropy" if self.classes else "squared"
        name = named_loss(self.name, self.params.get("loss"), known, default)

        def focal(answer: Any, truth: Any) -> Any:
            each = functional.cross_entropy(answer, truth, reduction="none")
            return ((1.0 - torch.exp(-each)) ** FOCUS * each).mean()

        def log_cosh(answer: Any, truth: Any) -> Any:
            apart = (answer[:, 0] - truth).abs()
            return (apart + functional.softplus(-2.0 * apart) - float(np.log(2.0))).mean()

        losses: dict[str, Callable[[Any, Any], Any]] = {
            "squared": lambda answer, truth: functional.mse_loss(answer[:, 0], truth),
            "absolute": lambda answer, truth: functional.l1_loss(answer[:, 0], truth),
            "huber": lambda answer, truth: functional.huber_loss(answer[:, 0], truth),
            "log_cosh": log_cosh,
            "cross_entropy": functional.cross_entropy,
            "focal": focal,
        }
        return losses[name]

    # --- from a matrix to what a network reads ---------------------------------------------------

    def _raw(self, values: Floats) -> tuple[Floats, Floats]:
        """Sequences (rows, steps, channels), gaps filled with the value before them, and plain columns (rows, p)."""
        found = layout(self.feature_names)
        plain = values[:, list(found.plain)]
        if not found.past:
            return plain[:, None, :], plain[:, :0]
        steps = min(found.steps, int(self._options()["window"]))
        sequence = np.stack([window(values, channel[-steps:]) for channel in found.past.values()], axis=2)
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
            centre = np.where(known, array, 0.0).sum(axis=0) / count
            width = np.sqrt(np.where(known, (array - centre) ** 2, 0.0).sum(axis=0) / count)
            scale |= {f"{name}_centre": centre, f"{name}_width": np.where(width > 0, width, 1.0)}
        level, width = (0.0, 1.0) if self.classes else (float(target.mean()), float(target.std()) or 1.0)
        return {**scale, "target": np.array([level, width])}

    def _scaled(self, values: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        arrays = []
        for name, array in zip(("sequence", "plain"), self._raw(values), strict=True):
            scaled = (array - self._scale[f"{name}_centre"]) / self._scale[f"{name}_width"]
            # What lies far beyond the training rows must not carry a network into the absurd.
            arrays.append(np.clip(np.nan_to_num(scaled), -10.0, 10.0).astype(np.float32))
        return arrays[0], arrays[1]

    def _goal(self, target: Floats) -> NDArray[Any]:
        if self.classes:
            return target.astype(np.int64)
        level, width = self._scale["target"]
        return np.asarray((target - level) / width, dtype=np.float32)

    def _answer(self, values: Floats) -> Floats:
        import torch

        sequence, plain = self._scaled(values)
        answers = []
        with torch.no_grad(), one_thread():
            for start in range(0, len(values), ANSWERED_TOGETHER):
                some = slice(start, start + ANSWERED_TOGETHER)
                raw = self._network(torch.as_tensor(sequence[some]), torch.as_tensor(plain[some]))
                answers.append(raw.double().numpy())
        answer = np.concatenate(answers) if answers else np.empty((0, max(1, len(self.classes))))
        if self.classes:
            shares = np.exp(answer - answer.max(axis=1, keepdims=True, initial=-np.inf))
            return np.asarray(shares / shares.sum(axis=1, keepdims=True))
        level, width = self._scale["target"]
        return np.asarray(answer[:, 0] * width + level)

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
                found = {name: arrays[name] for name in arrays.files}
            self._scale = {
                name.removeprefix(SCALE): array for name, array in found.items() if name.startswith(SCALE)
            }
            weights = {n: torch.as_tensor(array) for n, array in found.items() if not n.startswith(SCALE)}
            with seeded(0):
                network = self._built(len(self._scale["sequence_centre"]), len(self._scale["plain_centre"]))
            network.load_state_dict(weights)
        except (OSError, ValueError, KeyError, EOFError, RuntimeError) as error:
            if MODEL_FILE not in files:
                raise
            raise BundleError(f"{MODEL_FILE} does not hold the weights of a {self.name}: {error}") from error
        self._network = network.eval()


def _network_class() -> Any:
    import torch
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
        """Encoder, then a hidden layer beside the plain columns; a straight line from the newest step to the answer."""

        def __init__(self, encoder: Any, hidden: Any, out: Any, line: Any, dropout: float) -> None:
            super().__init__()
            self.encoder, self.hidden, self.out, self.line = encoder, hidden, out, line
            self.dropout = nn.Dropout(dropout)

        def forward(self, sequence: Any, plain: Any) -> Any:
            seen = self.dropout(self.encoder(sequence))
            hidden = torch.relu(self.hidden(torch.cat([seen, plain], dim=1)))
            straight = self.line(torch.cat([sequence[:, -1], plain], dim=1))
            return self.out(self.dropout(hidden)) + straight

    return Network


def _learnt(
    network: Any,
    train: tuple[Any, ...],
    held: tuple[Any, ...],
    loss: Callable[[Any, Any], Any],
    options: Mapping[str, Any],
    seed: int,
    on_progress: Callable[[Progress], None],
) -> Any:
    """Adam until the loss of the rows held back has not fallen for `patience` epochs; the best weights come back."""
    import torch

    rows, batch = len(train[2]), int(options["batch"])
    order = np.random.default_rng(seed)
    steps = torch.optim.Adam(network.parameters(), lr=float(options["learning_rate"]))
    best, best_weights, since = np.inf, copy.deepcopy(network.state_dict()), 0
    for epoch in range(1, int(options["epochs"]) + 1):
        network.train()
        total = 0.0
        shuffled = torch.as_tensor(order.permutation(rows), device=train[2].device)
        for start in range(0, rows, batch):
            some = shuffled[start : start + batch]
            steps.zero_grad(set_to_none=True)
            missed = loss(network(train[0][some], train[1][some]), train[2][some])
            missed.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            steps.step()
            total += float(missed.detach()) * len(some)
        network.eval()
        values = {"train_loss": total / rows}
        if len(held[2]):
            with torch.no_grad():
                values["validation_loss"] = float(loss(network(held[0], held[1]), held[2]))
        on_progress(Progress(epoch, values))
        watched = values.get("validation_loss", values["train_loss"])
        if not np.isfinite(watched):
            raise TrainingError("the loss is no number any more; take a smaller learning_rate")
        since += 1
        if watched < best:
            best, best_weights, since = watched, copy.deepcopy(network.state_dict()), 0
        if since >= int(options["patience"]):
            break
    network.load_state_dict(best_weights)
    return network.eval()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread meanwhile: sums in the same order, and no thread waits for a busy core."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[Any]:
    """Torch with its chance set, on one thread and with repeatable operations; given back as it was."""
    import torch

    strict = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield torch
        finally:
            torch.use_deterministic_algorithms(strict)
