"""One YAML file per model declares its whole lifecycle; one Dagster asset graph runs it.

The names below are the public API, with examples in their docstrings; the command line is `mlops`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlops_assets.api import (
        Champion,
        RunResult,
        load_champion,
        load_model_file,
        predict,
        run,
        status,
        validate,
    )

__version__ = "0.1.0"
__all__ = [
    "Champion",
    "RunResult",
    "load_champion",
    "load_model_file",
    "predict",
    "run",
    "status",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Import the public API when one of its names is first used."""
    if name in __all__:
        return getattr(import_module("mlops_assets.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
