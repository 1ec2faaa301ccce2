"""Imports without what a library would import besides and we never use: seconds of every process that fits."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def block_imports(modules: tuple[str, ...]) -> Iterator[None]:
    """Make imports of these modules fail within the context, unless they are loaded already.

    Libraries then skip optional parts that we do not use.

    Args:
        modules: Full names of modules.

    Yields:
        Nothing.
    """
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is how Python spells 'not importable'
    try:
        yield
    finally:
        for name in hidden:
            if sys.modules.get(name, ...) is None:
                del sys.modules[name]
        importlib.invalidate_caches()
