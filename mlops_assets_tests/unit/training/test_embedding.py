"""Classes by likeness: what lies together is told apart where no straight line does, and how surely is measured."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import TrainingError
from mlops_assets.training import Algorithm

pytest.importorskip("torch")

Floats = NDArray[np.float64]
NAMES: Final = tuple(f"measure_{column}" for column in range(6))
QUICK: Final[dict[str, Any]] = {"units": 32, "epochs": 30, "learning_rate": 0.01}


def rings(count: int, seed: int, noise: float = 0.15) -> tuple[FeatureMatrix, NDArray[Any]]:
    """Three rings around one another, in two of six columns of unlike units; their means are one point."""
    chance = np.random.default_rng(seed)
    ring = chance.integers(0, 3, count)
    turn = chance.uniform(0, 2 * np.pi, count)
    far = 1.0 + ring + chance.normal(scale=noise, size=count)
    values = np.column_stack(
        [far * np.cos(turn), far * np.sin(turn), chance.normal(scale=0.1, size=(count, 4))]
    )
    return FeatureMatrix(NAMES, values * [1.0, 1_000.0, 1.0, 1.0, 1.0, 1.0]), np.array(
        ["inner", "middle", "outer"]
    )[ring]


def placed(noise: float = 0.15, **params: Any) -> Algorithm:
    (train, y), (held_out, y_held_out) = rings(600, 1, noise), rings(200, 2, noise)
    return training.ALGORITHMS["embedding"]("classification", {**QUICK, **params}).fit(
        train, y, validation=held_out, y_validation=y_held_out, seed=1
    )


def log_loss(model: Algorithm, matrix: FeatureMatrix, y: NDArray[Any]) -> float:
    softmax = model.predict_proba(matrix)
    return float(-np.log(softmax[np.arange(len(y)), [model.classes.index(one) for one in y]]).mean())


def test_rings_that_no_prototype_in_the_columns_could_tell_apart() -> None:
    model, (fresh, y) = placed(), rings(300, 3)
    assert (model.predict(fresh) == y).mean() > 0.93
    assert log_loss(model, fresh, y) < 0.3
    assert model._scale["prototypes"].shape == (3, 16)  # type: ignore[attr-defined]


def test_its_certainty_follows_what_validation_shows() -> None:
    model, (fresh, y) = placed(noise=0.6, dimensions=4), rings(300, 3, noise=0.6)
    right = (model.predict(fresh) == y).mean()
    claimed = model.predict_proba(fresh).max(axis=1).mean()
    assert 0.5 < right < 0.93
    assert claimed == pytest.approx(right, abs=0.08)


def test_few_rows_that_are_all_right_do_not_make_it_certain() -> None:
    (train, y), (held_out, y_held_out) = rings(300, 1, 0.05), rings(12, 2, 0.05)
    model = training.ALGORITHMS["embedding"]("classification", QUICK).fit(
        train, y, validation=held_out, y_validation=y_held_out, seed=1
    )
    assert (model.predict(held_out) == y_held_out).all()
    assert 0.6 < model.predict_proba(held_out).max(axis=1).mean() < 0.99


def test_the_triplet_loss_is_that_of_every_triplet_by_hand() -> None:
    import torch

    from mlops_assets.training.algorithms.base.torch_training import triplet_loss

    chance = np.random.default_rng(0)
    vectors, truth = chance.normal(size=(20, 3)), np.append(chance.integers(0, 3, 19), 9)

    def distance(one: int, other: int) -> float:
        return float(np.sqrt(((vectors[one] - vectors[other]) ** 2).sum()))

    lacking = [
        0.5 + distance(row, near) - distance(row, far)
        for row, near, far in itertools.permutations(range(20), 3)
        if truth[row] == truth[near] != truth[far]
    ]
    expected = [one for one in lacking if one > 0]
    assert len(expected) < len(lacking)
    loss_value = triplet_loss(0.5)(torch.as_tensor(vectors), torch.as_tensor(truth))
    assert float(loss_value) == pytest.approx(np.mean(expected))
    one_class = torch.zeros((4, 2), requires_grad=True)
    nothing = triplet_loss(0.5)(one_class, torch.zeros(4))
    nothing.backward()
    assert float(nothing.detach()) == 0.0
    assert one_class.grad is not None
    assert one_class.grad.abs().max() == 0.0


@pytest.mark.parametrize("params", [{"dimensions": 0}, {"margin": 0}, {"margin": float("nan")}])
def test_sizes_that_make_no_sense_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(TrainingError, match=f"'{next(iter(params))}' must be"):
        placed(**params)


@pytest.mark.slow
def test_wines_are_told_apart(public_data: Path) -> None:
    frame = pl.read_parquet(public_data / "wine_uci_178.parquet")
    names = tuple(name for name in frame.columns if name != "target")
    values, y = frame.select(names).to_numpy().astype(np.float64), frame["target"].to_numpy()
    folds = np.array_split(np.random.default_rng(0).permutation(len(y)), 5)
    right = []
    for column in range(5):
        test, held_out, *rest = (folds[(column + step) % 5] for step in range(5))
        train = np.concatenate(rest)
        model = training.ALGORITHMS["embedding"]("classification", QUICK).fit(
            FeatureMatrix(names, values[train]),
            y[train],
            validation=FeatureMatrix(names, values[held_out]),
            y_validation=y[held_out],
            seed=1,
        )
        right.append((model.predict(FeatureMatrix(names, values[test])).astype(int) == y[test]).mean())
    assert np.mean(right) > 0.93
