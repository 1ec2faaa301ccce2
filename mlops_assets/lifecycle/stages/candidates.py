"""The candidates of one training: what is to be fitted, fitting and measuring it, and which one is the best.

The same here whether one process fits all of them or each is a step of its own (`steps`). Nothing is stored or
registered, and nothing looks at the test part.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mlops_assets import evaluation, features, live_progress, training
from mlops_assets.artifacts import Candidate, Part, Split
from mlops_assets.errors import TrainingError
from mlops_assets.lifecycle.platform import Run
from mlops_assets.lifecycle.predictor import BundlePredictor, calibrated
from mlops_assets.lifecycle.stages.cross_validation import cross_validate
from mlops_assets.lifecycle.stages.refit import wants_refit
from mlops_assets.metrics import METRICS
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.training import AlgorithmChoice

REFIT_SHARE: Final = 0.2
"""Of the time that is left for a search, kept for fitting the winner again on all rows."""
MEASURED: Final[tuple[Part, ...]] = ("train", "validation")


@dataclass(frozen=True, slots=True)
class Task:
    """One candidate to come: an algorithm with the model file's parameters, or the search for better ones (no choice).

    name is its own within the training, and may stand in the name of a step.
    """

    name: str
    algorithm: str
    choice: AlgorithmChoice | None = None


@dataclass(frozen=True, slots=True)
class Trained:
    """A candidate that can predict."""

    candidate: Candidate
    predictor: BundlePredictor
    history: tuple[training.Progress, ...] = ()
    overfitted: bool | None = None
    """Whether the model overfitted; None if no validation loss was recorded."""


@dataclass(frozen=True, slots=True)
class Study:
    """Where a search for parameters is remembered, so that one that was interrupted goes on."""

    journal: Path
    name: str


def tasks_of(spec: ModelSpec) -> tuple[Task, ...]:
    """Return every candidate that the model file requests.

    Args:
        spec: The model file.

    Returns:
        Algorithms in the order of the model file, then searches by name.
    """
    occurrences: Counter[str] = Counter()
    collected = []
    for choice in spec.training.algorithms:
        occurrences[choice.name] += 1
        again = occurrences[choice.name]
        collected.append(Task(choice.name if again == 1 else f"{choice.name}_{again}", choice.name, choice))
    spaces = spec.training.search.spaces if spec.training.search else {}
    return (*collected, *(Task(f"{name}_search", name) for name in sorted(spaces)))


class CandidateCounter:
    """Shows how far a training is: candidates done, the newest step of an iterative one, and the time that is left."""

    def __init__(self, total: int, seconds_left: Callable[[], float]) -> None:
        """Begin with no candidate done.

        Args:
            total: How many candidates there are.
            seconds_left: Returns what is left of the time limit, in seconds.
        """
        self._total, self._seconds_left, self._done = total, seconds_left, 0

    def step(self, algorithm: str, progress: training.Progress) -> None:
        """Show a step of an iterative fit.

        Args:
            algorithm: Name of the algorithm.
            progress: The step.
        """
        self._show(f"{algorithm} step {progress.step:,}, ")

    def end(self, _algorithm: str) -> None:
        """Show that one more candidate is done.

        Args:
            _algorithm: Name of the algorithm; not used.
        """
        self._done += 1
        self._show("")

    def _show(self, what: str) -> None:
        minutes = max(0.0, self._seconds_left()) / 60
        live_progress.show(
            f"{what}{self._done} of {self._total} candidates done, at most {minutes:.0f} min left"
        )


def fit_candidates(
    spec: ModelSpec,
    split: Split,
    preparation: features.Preparation,
    started: float,
    run: Run,
    study: Study | None = None,
    tasks: Sequence[Task] | None = None,
) -> list[Trained | Candidate]:
    """Fit and measure the candidates of the model file.

    Where the file requests a search, the best parameters found in the remaining time follow. Algorithms that
    use history get a preparation of their own, which their predictor carries. A candidate whose library is
    not installed has failed, and is named once.

    Args:
        spec: The model file.
        split: Train, validation and test rows.
        preparation: Preparation fitted to the train rows.
        started: Monotonic time in seconds from which the time limit counts.
        run: The run: id, actor, clock, `as_of` and progress callback.
        study: Store of a search, so that it continues; None for a new one.
        tasks: Only these candidates; None for all.

    Returns:
        One result per task: trained, or why not.
    """
    tasks_to_fit = tasks_of(spec) if tasks is None else tuple(tasks)
    fits = _fit(spec, split, preparation, started, run, study, tasks_to_fit)
    return fits if spec.split.cross_validation is None else _cross_validated(spec, split, started, run, fits)


def _cross_validated(
    spec: ModelSpec, split: Split, started: float, run: Run, fits: list[Trained | Candidate]
) -> list[Trained | Candidate]:
    """Return the candidates with their means over the folds, each fitted with the parameters that it has."""
    trained = [one for one in fits if isinstance(one, Trained)]
    tasks = [
        Task(
            one.candidate.algorithm,
            one.candidate.algorithm,
            AlgorithmChoice(name=one.candidate.algorithm, params=one.candidate.params),
        )
        for one in trained
    ]
    quiet = replace(run, progress=lambda _sentence: None)

    def fit_fold(part: Split) -> list[Candidate]:
        fold = _fit(spec, part, features.fit_preparation(spec, part.train), started, quiet, None, tasks)
        return [one.candidate if isinstance(one, Trained) else one for one in fold]

    means = iter(cross_validate(spec, split, fit_fold) if trained else ())
    primary = spec.evaluation.primary
    results: list[Trained | Candidate] = []
    for one in fits:
        if not isinstance(one, Trained):
            results.append(one)
            continue
        mean = next(means)
        reached = "a fold was not fitted" if mean is None else f"{primary} {mean[primary]:.4g} over the folds"
        run.progress(f"{one.candidate.algorithm}: {reached}")
        results.append(replace(one, candidate=replace(one.candidate, cross_validation=mean)))
    return results


def _fit(
    spec: ModelSpec,
    split: Split,
    preparation: features.Preparation,
    started: float,
    run: Run,
    study: Study | None,
    tasks_to_fit: Sequence[Task],
) -> list[Trained | Candidate]:
    absent = training.missing_libraries(dict.fromkeys(task.algorithm for task in tasks_to_fit))
    reading = any(
        training.ALGORITHMS[task.algorithm].uses_history
        for task in tasks_to_fit
        if task.algorithm not in absent
    )
    preparations = {False: preparation}
    if reading:
        preparations[True] = features.fit_preparation(spec, split.train, past=True)
    matrices = {
        past: [made.apply(split.part(part)) for part in MEASURED] for past, made in preparations.items()
    }
    (train, validation), past = matrices[False], (matrices[True][0], matrices[True][1]) if reading else None
    y_train, y_validation = (split.part(part)[spec.target] for part in MEASURED)
    choices = tuple(task.choice for task in tasks_to_fit if task.choice is not None)
    if absent:
        run.progress(training.format_missing(absent))
    if names := ", ".join(choice.name for choice in choices if choice.name not in absent):
        run.progress(f"training {names} on {split.train.height:,} rows x {len(train.names)} columns")

    def left() -> float:
        return spec.training.time_limit.total_seconds() - (time.monotonic() - started)

    counter = CandidateCounter(len(choices), left)
    rows = training.FitRows(train, y_train, validation, y_validation, past)
    fitted = training.fit_all(
        spec,
        rows,
        choices=choices,
        deadline_seconds=left(),
        on_progress=counter.step,
        on_end=counter.end,
    )
    collected = [_measured(spec, split, preparations, one, run) for one in fitted]
    searched = training.search(
        _searching(spec, [task.algorithm for task in tasks_to_fit if task.choice is None]),
        rows,
        score=lambda model: _loss(spec, split, _predictor(spec, split, preparations, model)),
        deadline_seconds=left() * (1.0 - REFIT_SHARE if wants_refit(spec) else 1.0),
        journal=study.journal if study else None,
        study=study.name if study else "search",
        on_trial=lambda trial: run.progress(_tried(spec, trial)),
    )
    return collected + [
        _measured(spec, split, preparations, one.best, run) if one.best else _nothing_found(one)
        for one in searched
    ]


def best_index(spec: ModelSpec, candidates: Sequence[Candidate]) -> int:
    """Return the best candidate by the primary metric on the validation part (or over the folds).

    Args:
        spec: The model file.
        candidates: Candidates with their metrics; NaN never wins, the first of equals does.

    Returns:
        Index into `candidates`.

    Raises:
        TrainingError: When no candidate can be used, with the reason for each.
    """
    primary = spec.evaluation.primary
    order = _order(spec)
    ranked = [
        (order(value), index)
        for index, one in enumerate(candidates)
        if one.status == "trained" and (value := _ranked_by(spec, one)) == value
    ]
    if ranked:
        return min(ranked)[1]
    where = "on the validation part" if spec.split.cross_validation is None else "over the folds"
    reasons = [
        f"{one.algorithm} has no {primary} {where}"
        if one.status == "trained"
        else f"{one.algorithm} {one.status.replace('_', ' ')}: {one.message}"
        for one in candidates
    ]
    raise TrainingError(f"{spec.name}: no candidate can be used: {'; '.join(reasons)}")


def _ranked_by(spec: ModelSpec, candidate: Candidate) -> float:
    """Return the primary metric that ranks a trained candidate; NaN where cross-validation could not measure it."""
    if spec.split.cross_validation is None:
        return candidate.metrics["validation"][spec.evaluation.primary]
    return (candidate.cross_validation or {}).get(spec.evaluation.primary, float("nan"))


def best_of(spec: ModelSpec, fits: Sequence[Trained | Candidate]) -> Trained:
    """Return the best of the fitted candidates.

    Args:
        spec: The model file.
        fits: Results of `fit_candidates`.

    Returns:
        The winner, with its predictor.

    Raises:
        TrainingError: When no candidate can be used.
    """
    winner = fits[best_index(spec, [one.candidate if isinstance(one, Trained) else one for one in fits])]
    assert isinstance(winner, Trained)
    return winner


def _searching(spec: ModelSpec, algorithms: Sequence[str]) -> ModelSpec:
    """Return the model file with a search for these algorithms alone."""
    search = spec.training.search
    if search is not None:
        spaces = {name: space for name, space in search.spaces.items() if name in algorithms}
        search = search.model_copy(update={"spaces": spaces}) if spaces else None
    return spec.model_copy(update={"training": spec.training.model_copy(update={"search": search})})


def _nothing_found(searched: training.SearchResult) -> Candidate:
    last = searched.trials[-1].message if searched.trials else "no time was left for a trial"
    message = f"the search trained nothing: {last or 'no trial was measured'}"
    return Candidate(searched.algorithm, {}, "failed", 0.0, {}, message)


def _tried(spec: ModelSpec, trial: training.Trial) -> str:
    params = ", ".join(f"{name}={value}" for name, value in sorted(trial.choice.params.items()))
    reached = trial.status if trial.score is None else f"{spec.evaluation.primary} {abs(trial.score):.4g}"
    return f"search: {trial.choice.name} ({params}): {reached}, {trial.seconds:.1f} s"


def _predictor(
    spec: ModelSpec,
    split: Split,
    preparations: Mapping[bool, features.Preparation],
    model: training.Algorithm,
) -> BundlePredictor:
    bare = BundlePredictor(preparations[model.uses_history], model)
    return calibrated(spec, bare, split.validation)


def _loss(spec: ModelSpec, split: Split, predictor: BundlePredictor) -> float:
    """Return the primary metric on the validation part, turned so that less is better."""
    return _order(spec)(evaluation.measure(spec, predictor, split.validation)[spec.evaluation.primary])


def _order(spec: ModelSpec) -> Callable[[float], float]:
    better = METRICS[spec.evaluation.primary].direction
    orders: dict[str, Callable[[float], float]] = {
        "lower": lambda value: value,
        "higher": lambda value: -value,
        "zero": abs,
    }
    return orders[better]


def _measured(
    spec: ModelSpec,
    split: Split,
    preparations: Mapping[bool, features.Preparation],
    fitted: training.Fitted,
    run: Run,
) -> Trained | Candidate:
    params = fitted.choice.params
    if fitted.model is None:
        if training.ALGORITHMS[fitted.algorithm].missing() is None:  # those were named together
            run.progress(f"{fitted.algorithm}: {fitted.status.replace('_', ' ')}: {fitted.message}")
        return Candidate(fitted.algorithm, params, fitted.status, fitted.seconds, {}, fitted.message)
    predictor = _predictor(spec, split, preparations, fitted.model)
    metrics = {part: evaluation.measure(spec, predictor, split.part(part)) for part in MEASURED}
    primary = spec.evaluation.primary
    run.progress(
        f"{fitted.algorithm}: {primary} {metrics['train'][primary]:.4g} on train, "
        f"{metrics['validation'][primary]:.4g} on validation, {fitted.seconds:.1f} s"
    )
    candidate = Candidate(fitted.algorithm, params, "trained", fitted.seconds, metrics, fitted.message)
    return Trained(candidate, predictor, fitted.history, fitted.overfitted)
