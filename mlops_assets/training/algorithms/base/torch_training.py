"""Networks on PyTorch: their shape, their losses, and how they learn; nothing here knows of columns or files.

Everything that touches torch does so inside a function: importing it takes seconds.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import numpy as np

from mlops_assets.errors import TrainingError
from mlops_assets.training.algorithms.base.algorithm import OnProgress, Progress
from mlops_assets.training.algorithms.base.focal_loss import SMALLEST

Loss: TypeAlias = Callable[[Any, Any], Any]
"""From what the network gives (rows, numbers) and the truth (rows,) to one number, as tensors."""
NUMBER_LOSSES: Final = ("squared", "absolute", "huber", "log_cosh")
CLASS_LOSSES: Final = ("cross_entropy", "focal")
VALIDATION_BATCH: Final = 4096
TRIPLET_ROWS: Final = 128


def network_loss(name: str, gamma: float) -> Loss:
    """Return a loss for a network. Numbers are learned standardized: `huber` bends at one standard deviation.

    Args:
        name: A key of the network's table of losses.
        gamma: Exponent of the focal loss, 0 or above; 0 is the log loss.

    Returns:
        Function of output and target that returns a scalar tensor.
    """
    import torch
    from torch.nn import functional

    def focal(output: Any, truth: Any) -> Any:
        each = functional.cross_entropy(output, truth, reduction="none")
        return ((1.0 - torch.exp(-each)).clamp(min=SMALLEST) ** gamma * each).mean()

    def log_cosh(output: Any, truth: Any) -> Any:
        distance = (output[:, 0] - truth).abs()
        return (distance + functional.softplus(-2.0 * distance) - float(np.log(2.0))).mean()

    losses: dict[str, Loss] = {
        "squared": lambda output, truth: functional.mse_loss(output[:, 0], truth),
        "absolute": lambda output, truth: functional.l1_loss(output[:, 0], truth),
        "huber": lambda output, truth: functional.huber_loss(output[:, 0], truth),
        "log_cosh": log_cosh,
        "cross_entropy": functional.cross_entropy,
        "focal": focal,
    }
    return losses[name]


def triplet_loss(margin: float) -> Loss:
    """Return the triplet loss: every vector is nearer to its own class than to any other, by `margin`.

    It is the mean over all triplets (row, another of its class, one of another class) of a batch that do not
    satisfy this yet (Hermans, Beyer and Leibe 2017, 'batch all'). The hardest triplet of each row alone would
    pull all rows into one point where classes start interleaved. Larger batches are split into groups of
    `TRIPLET_ROWS` rows, as the number of triplets grows with the third power.

    Args:
        margin: Smallest difference of distances, in units of the vectors.

    Returns:
        Function of vectors (rows, dimensions) and class codes that returns a scalar tensor.
    """
    import torch

    def batch_loss(vectors: Any, truth: Any) -> tuple[Any, Any]:
        sizes = (vectors**2).sum(dim=1)
        squares = sizes[:, None] + sizes[None, :] - 2.0 * vectors @ vectors.T
        distance = squares.clamp(min=1e-12).sqrt()
        same = truth[:, None] == truth[None, :]
        paired = same & ~torch.eye(len(truth), dtype=torch.bool, device=same.device)
        triplets = paired[:, :, None] & ~same[:, None, :]
        lacking = torch.relu(margin + distance[:, :, None] - distance[:, None, :]).masked_fill(~triplets, 0.0)
        return lacking.sum(), (lacking > 1e-12).sum()

    def loss(vectors: Any, truth: Any) -> Any:
        pieces = zip(vectors.split(TRIPLET_ROWS), truth.split(TRIPLET_ROWS), strict=True)
        sums, counts = zip(*(batch_loss(*piece) for piece in pieces), strict=True)
        return sum(sums) / sum(counts).clamp(min=1)

    return loss


def network_class() -> Any:
    """Return the class of all networks; torch is imported here."""
    import torch
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc,name-defined,unused-ignore]
        """Encoder, then a hidden layer that also takes the plain columns.

        A straight line from the newest step to the prediction.
        """

        def __init__(self, encoder: Any, hidden: Any, out: Any, line: Any, dropout: float) -> None:
            super().__init__()
            self.encoder, self.hidden, self.out, self.line = encoder, hidden, out, line
            self.dropout = nn.Dropout(dropout)

        def forward(self, sequence: Any, plain: Any) -> Any:
            encoded = self.dropout(self.encoder(sequence))
            hidden = torch.relu(self.hidden(torch.cat([encoded, plain], dim=1)))
            straight = self.line(torch.cat([sequence[:, -1], plain], dim=1))
            return self.out(self.dropout(hidden)) + straight

    return Network


def train_network(
    network: Any,
    train: tuple[Any, ...],
    validation_part: tuple[Any, ...],
    loss: Loss,
    options: Mapping[str, Any],
    seed: int,
    on_progress: OnProgress,
    validation_batch: int = VALIDATION_BATCH,
) -> tuple[Any, int]:
    """Train with Adam until the validation loss has not fallen for `patience` epochs, and restore the best weights.

    Args:
        network: The network, on its device.
        train: Sequences, plain columns and targets as tensors.
        validation_part: The same of the validation rows; may be empty.
        loss: The loss.
        options: Epochs, batch, patience and learning rate.
        seed: Decides the order of batches.
        on_progress: Called after each epoch.
        validation_batch: Validation rows per evaluation, for a loss that compares rows with each other.

    Returns:
        The network, and the number of the epoch whose weights it has.

    Raises:
        TrainingError: If the loss became NaN.
    """
    import torch

    rows, batch = len(train[2]), int(options["batch"])
    order = np.random.default_rng(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=float(options["learning_rate"]))
    best, best_weights, since, best_epoch = np.inf, copy.deepcopy(network.state_dict()), 0, 1
    for epoch in range(1, int(options["epochs"]) + 1):
        network.train()
        total = 0.0
        shuffled = torch.as_tensor(order.permutation(rows), device=train[2].device)
        for start in range(0, rows, batch):
            some = shuffled[start : start + batch]
            optimizer.zero_grad(set_to_none=True)
            batch_loss = loss(network(train[0][some], train[1][some]), train[2][some])
            batch_loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            total += float(batch_loss.detach()) * len(some)
        network.eval()
        values = {"train_loss": total / rows}
        if len(validation_part[2]):
            with torch.no_grad():
                values["validation_loss"] = _over_pieces(network, validation_part, loss, validation_batch)
        on_progress(Progress(epoch, values))
        monitored = values.get("validation_loss", values["train_loss"])
        if not np.isfinite(monitored):
            raise TrainingError("the loss is no number any more; take a smaller learning_rate")
        since += 1
        if monitored < best:
            best, best_weights, since = monitored, copy.deepcopy(network.state_dict()), 0
            best_epoch = epoch
        if since >= int(options["patience"]):
            break
    network.load_state_dict(best_weights)
    return network.eval(), best_epoch


def _over_pieces(network: Any, part: tuple[Any, ...], loss: Loss, rows_at_once: int) -> float:
    total = 0.0
    for start in range(0, len(part[2]), rows_at_once):
        some = slice(start, start + rows_at_once)
        total += float(loss(network(part[0][some], part[1][some]), part[2][some])) * len(part[2][some])
    return total / len(part[2])


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Limit torch to one thread within the context: sums in the same order, and no thread waits for a busy core."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[Any]:
    """Seed torch within the context, on one thread and with repeatable operations; restore its settings afterwards.

    Args:
        seed: Seed of the fit.

    Yields:
        The module torch.
    """
    import torch

    strict = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        try:
            yield torch
        finally:
            torch.use_deterministic_algorithms(strict)
