"""Where a user's own class comes from: the distribution whose version a stored model depends on, else its source."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import distribution, packages_distributions
from importlib.util import find_spec
from pathlib import Path

from mlops_assets.training.bundles.manifest import sha256


def distributions_of(module: str) -> tuple[str, ...]:
    """Return the distributions that provide a module's top-level package.

    Where several do (a namespace package), only those that contain the module's file.

    Args:
        module: Full name of the module.

    Returns:
        Names of distributions; empty for plain files on the path.
    """
    names = sorted(set(packages_distributions().get(module.partition(".")[0], ())))
    if len(names) < 2:
        return tuple(names)
    file = _file(module)
    return tuple(name for name in names if file in _files(name)) or tuple(names)


def source_of(module: str) -> str | None:
    """Return the sha256 of a module's source.

    Args:
        module: Full name of the module.

    Returns:
        64 hexadecimal digits, or None when it has no file (built in, or deleted).
    """
    file = _file(module)
    return sha256(file.read_bytes()) if file else None


def changed(sources: Mapping[str, str]) -> list[str]:
    """Return the modules whose source differs from the one a model was trained with, each as a clause.

    Args:
        sources: sha256 of the source by module, from the manifest.

    Returns:
        One clause per changed module.
    """
    return [
        f"the source of {module} is not the one that trained it"
        for module, digest in sorted(sources.items())
        if source_of(module) != digest
    ]


def _file(module: str) -> Path | None:
    try:
        module_spec = find_spec(module)
    except (ImportError, ValueError):
        return None
    path = (
        Path(module_spec.origin) if module_spec and module_spec.has_location and module_spec.origin else None
    )
    return path if path and path.is_file() else None


def _files(name: str) -> set[Path]:
    return {Path(str(file.locate())) for file in distribution(name).files or ()}
