"""numpy for tables of functions, imported when the first function is called.

A model file is checked by the names and limits of metrics and drift methods alone; importing numpy for that would take
a fourth of the time of `mlops validate`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]
    Booleans: TypeAlias = NDArray[np.bool_]
    Indices: TypeAlias = NDArray[Any]
else:

    class _Numpy:
        """Import numpy at the first attribute, and keep each attribute."""

        def __getattr__(self, name: str) -> Any:
            value = getattr(import_module("numpy"), name)
            setattr(self, name, value)
            return value

    np = _Numpy()
    Floats = Booleans = Indices = Any

__all__ = ["Booleans", "Floats", "Indices", "np"]
