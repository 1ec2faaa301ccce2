"""The algorithms that a model file may use: what each can do and which parameters it has.

Comes in: an algorithm's name and parameters. Goes out: one sentence for each that is refused. Nothing here imports a
library, so that a model file is checked in moments; fitting belongs to `training.algorithms`, whose classes carry the
classes of this package as `parameters`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlops_assets.model_file.algorithms.boosting import BOOSTING_ALGORITHMS
from mlops_assets.model_file.algorithms.forecasting import FORECASTING_ALGORITHMS, RecursiveParameters
from mlops_assets.model_file.algorithms.networks import NETWORKS_ALGORITHMS
from mlops_assets.model_file.algorithms.parameters import AlgorithmParameters, Problem
from mlops_assets.model_file.algorithms.python import PYTHON_ALGORITHMS, PythonParameters
from mlops_assets.model_file.algorithms.scikit_learn import SCIKIT_LEARN_ALGORITHMS, RidgeParameters
from mlops_assets.model_file.suggestion import near_and_all

__all__ = [
    "ALGORITHM_CATALOGUE",
    "INNERMOST",
    "WRAPPED",
    "AlgorithmParameters",
    "Problem",
    "refusals",
    "unknown_loss",
]

ALGORITHM_CATALOGUE: Final[dict[str, type[AlgorithmParameters]]] = {
    parameters.name: parameters
    for parameters in (
        *SCIKIT_LEARN_ALGORITHMS,
        *BOOSTING_ALGORITHMS,
        *PYTHON_ALGORITHMS,
        *FORECASTING_ALGORITHMS,
        *NETWORKS_ALGORITHMS,
    )
}

INNERMOST: Final = RidgeParameters.name
"""What `recursive` wraps where the model file does not say."""
WRAPPED: Final = tuple(
    name
    for name, parameters in ALGORITHM_CATALOGUE.items()
    if "forecasting" in parameters.problems and not parameters.needs_history and name != PythonParameters.name
)
"""What `recursive` can wrap: not `python`, whose estimator may be stored in ways that need a permission by name."""


def refusals(algorithm: str, params: Mapping[str, Any]) -> dict[str, str]:
    """Check the parameters of an algorithm, and of the one that `recursive` wraps.

    Args:
        algorithm: a name of `ALGORITHM_CATALOGUE`.
        params: what a model file sets, as JSON values.

    Returns:
        One sentence for each refused parameter, by its name.
    """
    problems = ALGORITHM_CATALOGUE[algorithm].check(params)
    return problems or (_wrapped_refusals(params) if algorithm == RecursiveParameters.name else {})


def _wrapped_refusals(params: Mapping[str, Any]) -> dict[str, str]:
    name, own = params.get("algorithm") or INNERMOST, params.get("params") or {}
    if name not in WRAPPED:
        return {"algorithm": f"recursive: no algorithm {name!r} to wrap{near_and_all(str(name), WRAPPED)}"}
    problems = list(refusals(name, own).values())
    problems += [problem] if (problem := unknown_loss(name, "forecasting", own.get("loss"))) else []
    return {"params": "; ".join(f"recursive: {problem}" for problem in problems)} if problems else {}


def unknown_loss(algorithm: str, problem: Problem, loss: object) -> str | None:
    """Return why an algorithm refuses a loss, or None.

    An algorithm without a choice of losses has no such parameter and refuses it as unknown.

    Args:
        algorithm: Name of the algorithm.
        problem: The model file's problem.
        loss: Value of the key `loss`.

    Returns:
        A sentence, or None.
    """
    parameters = ALGORITHM_CATALOGUE[algorithm]
    known = parameters.class_losses if problem == "classification" else parameters.number_losses
    if not known or loss is None or loss in known:
        return None
    return f"{algorithm} has no loss {loss!r} for {problem}{near_and_all(str(loss), known)}"
