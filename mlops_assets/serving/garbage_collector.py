"""Python's garbage collector, set for a server: a collection looks at what requests made, not at the libraries."""

from __future__ import annotations

import gc
from typing import Final

ALLOCATIONS: Final = 50_000
"""Objects that are made before the youngest are looked at; a request makes some hundred, and none in a cycle."""


def tune_collector() -> None:
    """Leave what is loaded now out of every collection, and collect the rest less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(ALLOCATIONS, 20, 50)
