"""Search for better parameters with Optuna.

Bounded in trials and time, resumable, hopeless trials cut short.

Comes in: a model file with `training.search`, matrices, and a function that says how good a model is (lower is
better). Goes out: the best fit of each algorithm searched, and every trial. What 'good' means is for `lifecycle`.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal

from mlops_assets.errors import MissingExtraError
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.training import AlgorithmChoice, SearchedChoice, SearchedRange, SearchSpec
from mlops_assets.training.algorithms import ALGORITHMS
from mlops_assets.training.algorithms.base.algorithm import Algorithm, Progress
from mlops_assets.training.fitting.fit import FitRows, Fitted, fit_all

SHORTEST_FIT: Final = 1.0
"""Seconds that must be left for another trial to be begun."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One parameter set that was tried; score is None unless it was trained."""

    choice: AlgorithmChoice
    status: Literal["trained", "failed", "timed_out", "pruned"]
    score: float | None
    seconds: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The best fit of one algorithm, earlier runs included (None: nothing was trained), and this run's trials."""

    algorithm: str
    best: Fitted | None
    trials: tuple[Trial, ...]


class _PrunedError(Exception):
    """Raised in the middle of a fit to end it; the process that fits is killed."""


def search(
    spec: ModelSpec,
    rows: FitRows,
    *,
    score: Callable[[Algorithm], float],
    deadline_seconds: float,
    journal: Path | None = None,
    study: str = "search",
    on_trial: Callable[[Trial], None] = lambda _: None,
) -> tuple[SearchResult, ...]:
    """Try parameter sets of every algorithm that the model file gives a space; none without `training.search`.

    Trials run one after the other, so that a seed repeats them. An algorithm whose library is not installed has
    one trial,
    which failed.

    Args:
        spec: The model file.
        rows: Training and validation rows with their targets.
        score: How bad a model is; lower is better.
        deadline_seconds: Bounds the search.
        journal: A file that records trials, so that an interrupted search continues.
        study: Its name in the journal: name it after the data and the model file.
        on_trial: Called after each trial.

    Returns:
        One result per algorithm.

    Raises:
        MissingExtraError: If Optuna is not installed.
    """
    search_spec = spec.training.search
    if search_spec is None:
        return ()
    if find_spec("optuna") is None:
        raise MissingExtraError("the search for parameters", "search")
    limit = (
        min(deadline_seconds, search_spec.time.total_seconds())
        if search_spec.time is not None
        else deadline_seconds
    )
    end = time.monotonic() + limit
    fixed = {choice.name: choice.params for choice in spec.training.algorithms}
    results = []
    for number, (name, space) in enumerate(sorted(search_spec.spaces.items())):
        if (missing := ALGORITHMS[name].missing()) is not None:
            results.append(
                SearchResult(
                    name, None, (Trial(AlgorithmChoice(name=name), "failed", None, 0.0, str(missing)),)
                )
            )
            continue
        share = time.monotonic() + (end - time.monotonic()) / (len(search_spec.spaces) - number)

        def once(
            trial: Any, name: str = name, space: Any = space, share: float = share
        ) -> tuple[Fitted, float]:
            choice = AlgorithmChoice(name=name, params={**suggested(trial, space), **fixed.get(name, {})})
            [fitted] = fit_all(
                spec,
                rows,
                choices=(choice,),
                deadline_seconds=share - time.monotonic(),
                on_progress=lambda _, progress: _consider(trial, progress),
            )
            return fitted, score(fitted.model) if fitted.model is not None else math.nan

        with _study(search_spec, spec.training.seed, journal, f"{study}/{name}") as optuna_study:
            results.append(_searched(name, optuna_study, search_spec.trials, share, once, on_trial))
    return tuple(results)


def suggested(trial: Any, space: dict[str, SearchedRange | SearchedChoice]) -> dict[str, Any]:
    """Return one parameter set from a space.

    Args:
        trial: An Optuna trial.
        space: Range or choices by parameter.

    Returns:
        Value by parameter.
    """
    params: dict[str, Any] = {}
    for name, values in sorted(space.items()):
        if isinstance(values, SearchedChoice):
            params[name] = trial.suggest_categorical(name, list(values.choices))
        elif isinstance(values.low, int) and isinstance(values.high, int):
            params[name] = trial.suggest_int(name, values.low, values.high, log=values.log)
        else:
            params[name] = trial.suggest_float(name, values.low, values.high, log=values.log)
    return params


def _searched(
    name: str,
    study: Any,
    wanted: int,
    end: float,
    once: Callable[[Any], tuple[Fitted, float]],
    on_trial: Callable[[Trial], None],
) -> SearchResult:
    from optuna.trial import FixedTrial, TrialState

    best: tuple[float, Fitted] | None = None
    trials: list[Trial] = []
    while len(study.trials) < wanted and end - time.monotonic() > SHORTEST_FIT:
        search_spec = study.ask()
        begun = time.monotonic()
        try:
            fitted, reached = once(search_spec)
        except _PrunedError as pruned:
            study.tell(search_spec, state=TrialState.PRUNED)
            choice = AlgorithmChoice(name=name, params=search_spec.params)
            trials.append(Trial(choice, "pruned", None, time.monotonic() - begun, str(pruned)))
        except BaseException:
            study.tell(search_spec, state=TrialState.FAIL)
            raise
        else:
            if math.isfinite(reached):
                study.tell(search_spec, reached)
                if best is None or reached < best[0]:
                    best = reached, fitted
            else:
                study.tell(search_spec, state=TrialState.FAIL)
            good = reached if math.isfinite(reached) else None
            trials.append(Trial(fitted.choice, fitted.status, good, fitted.seconds, fitted.message))
        on_trial(trials[-1])
    earlier = _best_known(study)
    if (
        earlier is not None
        and (best is None or earlier.value < best[0])
        and end - time.monotonic() > SHORTEST_FIT
    ):
        fitted, reached = once(FixedTrial(earlier.params))
        best = (reached, fitted) if math.isfinite(reached) else best
    return SearchResult(name, best[1] if best else None, tuple(trials))


def _best_known(study: Any) -> Any:
    """Return the best trial that an earlier run may have left, or None."""
    from optuna.trial import TrialState

    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return min(done, key=lambda trial: trial.value) if done else None


def _consider(trial: Any, progress: Progress) -> None:
    watched = [value for name, value in sorted(progress.values.items()) if name.startswith("validation")]
    if not watched:
        return
    trial.report(watched[0], progress.step)
    if trial.should_prune():
        raise _PrunedError(f"given up at step {progress.step}: worse than half of the trials before it")


@contextlib.contextmanager
def _study(search_spec: SearchSpec, seed: int, journal: Path | None, name: str) -> Iterator[Any]:
    import optuna
    from optuna.storages import InMemoryStorage, JournalStorage
    from optuna.storages.journal import JournalFileBackend

    talk = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if journal is None:
        storage: Any = InMemoryStorage()
    else:
        journal.parent.mkdir(parents=True, exist_ok=True)
        storage = JournalStorage(JournalFileBackend(str(journal)))
    try:
        yield optuna.create_study(
            study_name=name,
            storage=storage,
            load_if_exists=True,
            direction="minimize",
            sampler=optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=min(10, max(1, search_spec.trials // 2))
            ),
            pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=10),
        )
    finally:
        optuna.logging.set_verbosity(talk)
