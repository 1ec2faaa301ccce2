"""Fitting under a time limit: every candidate in a process of its own, which is killed when its time is up.

Comes in: choices from the model file and matrices. Goes out: one `Fitted` per choice, in the same order; a
candidate that fails or runs out of time is a result, not an exception. Choosing the best is for `lifecycle`.

Why a process: a native library that hangs, or eats the memory, can be ended in no other way without taking the run
with it. What it costs, and why it is kept warm, is explained in `worker_pool`. Only direct solutions of known,
small cost (`runs_inline`) are fitted here.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import MissingExtraError, MlopsError
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE
from mlops_assets.model_file.training import AlgorithmChoice
from mlops_assets.training.algorithms import ALGORITHMS
from mlops_assets.training.algorithms.base.algorithm import Algorithm, Progress, Target
from mlops_assets.training.algorithms.base.errors import format_error, format_warnings
from mlops_assets.training.fitting import worker_pool
from mlops_assets.training.fitting.cpu_budget import idle_cores, usable_cores
from mlops_assets.training.fitting.overfitting import overfitted

OnStep = Callable[[str, Progress], None]
KEPT_STEPS: Final = 10_000
PARTS: Final = {False: ("train", "validation"), True: ("train_past", "validation_past")}
"""Folders of the rows, for algorithms that read the past and for those that do not."""


@dataclass(frozen=True, slots=True)
class FitRows:
    """What a fit learns from: prepared training rows, validation rows for early stopping and ranking, their targets.

    past holds both for algorithms that use the history, with its columns; None: they get the same rows.
    """

    train: FeatureMatrix
    y_train: Target
    validation: FeatureMatrix
    y_validation: Target
    past: tuple[FeatureMatrix, FeatureMatrix] | None = None

    def matrices(self, *, past: bool) -> tuple[FeatureMatrix, FeatureMatrix]:
        """Return training and validation rows for an algorithm.

        Args:
            past: Whether the algorithm uses the history.

        Returns:
            Training rows, validation rows.
        """
        return self.past if past and self.past else (self.train, self.validation)


@dataclass(frozen=True, slots=True)
class Fitted:
    """What became of one choice. model is None unless status is `trained`; message says why.

    seconds is wall time; history holds what an iterative algorithm reported at each step.
    """

    choice: AlgorithmChoice
    status: Literal["trained", "failed", "timed_out"]
    seconds: float
    model: Algorithm | None
    message: str = ""
    history: tuple[Progress, ...] = ()

    @property
    def overfitted(self) -> bool | None:
        """Return whether the model overfitted; None if no validation loss was recorded."""
        return overfitted(self.history)

    @property
    def algorithm(self) -> str:
        """Return the name of the algorithm."""
        return self.choice.name


def ignore_step(_algorithm: str, _progress: Progress) -> None:
    """Ignore progress: the callback where nobody listens.

    Args:
        _algorithm: Name of the algorithm; not used.
        _progress: Step and losses; not used.
    """


def ignore_end(_algorithm: str) -> None:
    """Ignore the end of a fit: the callback where nobody listens.

    Args:
        _algorithm: Name of the algorithm; not used.
    """


def prefetch(spec: ModelSpec) -> None:
    """Start the processes that a training will need, so that they import in the meantime.

    One per library, also where fitting needs none, because the winner is verified in one.

    Args:
        spec: The model file.
    """
    worker_pool.start_early(
        {one.name for one in spec.training.algorithms if ALGORITHMS[one.name].missing() is None}
    )


def fit_all(
    spec: ModelSpec,
    rows: FitRows,
    *,
    deadline_seconds: float,
    choices: Sequence[AlgorithmChoice] | None = None,
    on_progress: OnStep = ignore_step,
    on_end: Callable[[str], None] = ignore_end,
    cores: int | None = None,
) -> tuple[Fitted, ...]:
    """Fit every choice, side by side where there are cores.

    Args:
        spec: The model file.
        rows: Training and validation rows with their targets.
        deadline_seconds: Bounds all fits together; whatever still runs then is ended and marked `timed_out`.
        choices: What to fit; by default the algorithms of the model file.
        on_progress: Called after each step of an iterative fit, from several threads.
        on_end: Called with the name of each candidate that ended in a process of its own, from several threads.
        cores: Shared by the candidates; by default those that this process may use and nobody else keeps busy.

    Returns:
        One `Fitted` per choice, in order. One whose library is not installed has failed.

    Raises:
        TrainingError: If an algorithm does not have a parameter or solve the problem, before anything is fitted.
    """
    candidates = tuple(spec.training.algorithms if choices is None else choices)
    fitted: dict[int, Fitted] = {}
    kinds: dict[int, Algorithm] = {}
    for number, choice in enumerate(candidates):
        try:
            kinds[number] = configure(spec, choice)
        except MissingExtraError as error:
            fitted[number] = Fitted(choice, "failed", 0.0, None, str(error))
    end = time.monotonic() + deadline_seconds
    fitted |= {
        number: _fitted_here(
            spec, candidates[number], rows.matrices(past=kind.uses_history)[0], rows.y_train, end
        )
        for number, kind in kinds.items()
        if kind.runs_inline(*rows.train.values.shape)
    }
    others = [number for number in range(len(candidates)) if number not in fitted]
    if not others:
        return tuple(fitted[number] for number in range(len(candidates)))
    usable, idle = cores or usable_cores(), cores or idle_cores()
    most = math.ceil(spec.resources.cpu) if spec.resources.cpu else usable
    together = min(len(others), max(1, min(usable, most)))
    available = max(1, min(idle, most))
    with tempfile.TemporaryDirectory(prefix="mlops-fit-") as name:
        folder = Path(name)
        targets = (rows.y_train, rows.y_validation)
        for past in {ALGORITHMS[candidates[number].name].uses_history for number in others}:
            for part, matrix, y in zip(PARTS[past], rows.matrices(past=past), targets, strict=True):
                _store(folder / part, matrix, y)

        def one(index: int) -> Fitted:
            choice = candidates[index]
            task_folder = folder / str(index)
            task_folder.mkdir()
            threads = max(1, available // together) if ALGORITHMS[choice.name].supports_threads else 1
            task = _task(spec, choice, threads)
            (task_folder / "task.json").write_text(json.dumps(task))
            ended = _fitted(choice, task_folder, end, lambda progress: on_progress(choice.name, progress))
            on_end(choice.name)
            return ended

        with ThreadPoolExecutor(max_workers=together, thread_name_prefix="fit") as pool:
            try:
                fitted |= dict(zip(others, pool.map(one, others), strict=True))
            except BaseException:
                # An interrupted run must not wait for its fits: they end with their processes.
                worker_pool.kill_busy(folder)
                raise
    return tuple(fitted[number] for number in range(len(candidates)))


def configure(spec: ModelSpec, choice: AlgorithmChoice) -> Algorithm:
    """Return the algorithm with its parameters, not fitted.

    Args:
        spec: The model file.
        choice: One entry of `training.algorithms`.

    Returns:
        The algorithm.

    Raises:
        TrainingError: If it refuses them.
        MissingExtraError: If its library is not installed.
    """
    return ALGORITHMS[choice.name](spec.problem, complete_params(spec, choice))


def complete_params(spec: ModelSpec, choice: AlgorithmChoice) -> dict[str, Any]:
    """Return the choice's parameters with those that other keys of the model file set.

    These are `ahead`, the steps of `features.history` up to the forecast, and `every`, the seconds of a step.

    Args:
        spec: The model file.
        choice: One entry of `training.algorithms`.

    Returns:
        Parameters; those of the choice have priority.
    """
    history, horizon = spec.features.history, spec.features.horizon
    known: dict[str, Any] = {}
    if history is not None:
        known["every"] = history.every.total_seconds()
        if horizon is not None:
            known["ahead"] = horizon // history.every
    names = ALGORITHM_CATALOGUE[choice.name].names()
    return {**{name: value for name, value in known.items() if name in names}, **choice.params}


def _fitted_here(
    spec: ModelSpec, choice: AlgorithmChoice, train: FeatureMatrix, y_train: Target, end: float
) -> Fitted:
    started = time.monotonic()
    if end <= started:
        return Fitted(choice, "timed_out", 0.0, None, f"{choice.name}: no time was left to start")
    try:
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            model = configure(spec, choice).fit(
                train, y_train, seed=spec.training.seed, target_transform=spec.training.target_transform
            )
    except Exception as error:  # noqa: BLE001 - whatever a library raises is the result
        return Fitted(choice, "failed", time.monotonic() - started, None, format_error(error))
    return Fitted(choice, "trained", time.monotonic() - started, model, format_warnings(raised))


def _task(spec: ModelSpec, choice: AlgorithmChoice, threads: int) -> dict[str, Any]:
    return {
        "algorithm": choice.name,
        "problem": spec.problem,
        "params": complete_params(spec, choice),
        **dict(zip(PARTS[False], PARTS[ALGORITHMS[choice.name].uses_history], strict=True)),
        "seed": spec.training.seed,
        "threads": threads,
        "target_transform": spec.training.target_transform,
    }


def _store(folder: Path, matrix: FeatureMatrix, target: Target) -> None:
    folder.mkdir()
    np.save(folder / "values.npy", np.ascontiguousarray(matrix.values, dtype=np.float64), allow_pickle=False)
    (folder / "names.json").write_text(json.dumps(matrix.names))
    pl.DataFrame({"target": _series(target)}).write_ipc(folder / "target.arrow")


def _series(target: Target) -> pl.Series:
    if isinstance(target, pl.Series):
        return target.rename("target")
    plain: NDArray[Any] = target
    return pl.Series("target", plain.tolist() if plain.dtype == object else plain, strict=False)


def _fitted(
    choice: AlgorithmChoice, task_folder: Path, end: float, on_progress: Callable[[Progress], None]
) -> Fitted:
    history: list[Progress] = []

    def note(progress: Progress) -> None:
        if len(history) < KEPT_STEPS:
            history.append(progress)
        on_progress(progress)

    started = time.monotonic()
    outcome = worker_pool.run_task(choice.name, task_folder, end, note)
    seconds = time.monotonic() - started
    if outcome.status != "done":
        return Fitted(choice, outcome.status, seconds, None, outcome.message, tuple(history))
    files = {path.name: path.read_bytes() for path in sorted((task_folder / "model").iterdir())}
    try:
        model = ALGORITHMS[choice.name].load(files, keep=True)
    except MlopsError as error:
        return Fitted(
            choice,
            "failed",
            seconds,
            None,
            f"{choice.name}: the model cannot be stored: {error}",
            tuple(history),
        )
    return Fitted(choice, "trained", time.monotonic() - started, model, outcome.message, tuple(history))
