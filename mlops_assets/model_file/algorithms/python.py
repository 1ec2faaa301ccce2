"""Parameters of your own estimator."""

from __future__ import annotations

import sys
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, Field

from mlops_assets.model_file.algorithms.parameters import TABULAR, AlgorithmParameters, Problem

EXAMPLE = "package.module:Class"


def _estimator(path: str) -> str:
    module, _, name = path.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *name.split("."))):
        raise ValueError(f"'estimator' must say where the class is, as {EXAMPLE!r}, not {path!r}")
    if module.partition(".")[0] in sys.stdlib_module_names:
        raise ValueError(
            f"'estimator' is a class of yours; {module!r} is part of Python and has no estimators"
        )
    return path


class PythonParameters(AlgorithmParameters):
    """Any class with fit and predict."""

    name: ClassVar[str] = "python"
    modules: ClassVar[tuple[str, ...]] = ("sklearn", "skops.io", "threadpoolctl")
    problems: ClassVar[tuple[Problem, ...]] = TABULAR

    estimator: Annotated[str, Field(examples=[EXAMPLE]), AfterValidator(_estimator)]
    params: dict[str, Any] | None = None
    """Arguments of the class."""
    pickle: bool | None = None
    """Whether an estimator that skops cannot store may become a pickle."""
    trusted: list[str] | None = None
    """Further types that skops may build when the model is loaded."""


PYTHON_ALGORITHMS: Final = (PythonParameters,)
