"""Whether a training can begin: what the model file asks for, and what is installed here.

An algorithm whose library is missing is left out and named; the other candidates go on without it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.util import find_spec

from mlops_assets.errors import MissingExtraError
from mlops_assets.model_file import ModelSpec
from mlops_assets.training.algorithms import ALGORITHMS
from mlops_assets.training.bundles.onnx import require_onnx
from mlops_assets.training.fitting.fit import configure


def missing_libraries(algorithms: Iterable[str]) -> dict[str, MissingExtraError]:
    """Return the algorithms whose libraries are not installed, with the error that names the extra.

    Args:
        algorithms: Names of algorithms.

    Returns:
        Error by algorithm.
    """
    missing = {name: ALGORITHMS[name].missing() for name in algorithms}
    return {name: error for name, error in missing.items() if error is not None}


def format_missing(absent: Mapping[str, MissingExtraError]) -> str:
    """Return one sentence for all algorithms that are not installed.

    Args:
        absent: Result of `missing_libraries`, not empty.

    Returns:
        A sentence with the pip command that installs them.
    """
    extras = ",".join(sorted({error.extra for error in absent.values()}))
    return f"left out, not installed: {', '.join(absent)}; pip install 'mlops-assets[{extras}]'"


def check(spec: ModelSpec) -> None:
    """Check, before anything is fitted, the causes that would end the whole training.

    Args:
        spec: The model file.

    Raises:
        TrainingError: When an algorithm does not have a parameter or does not support the problem.
        MissingExtraError: For a search without Optuna, and for ONNX files without the libraries that write
            them.
    """
    for choice in spec.training.algorithms:
        if ALGORITHMS[choice.name].missing() is None:
            configure(spec, choice)
    if spec.training.search is not None and find_spec("optuna") is None:
        raise MissingExtraError("the search for parameters", "search")
    if spec.training.onnx:
        require_onnx(choice.name for choice in spec.training.algorithms)
