"""The manifest of a bundle: which files, their hashes and sizes, and what the model was trained with."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from mlops_assets.errors import BundleError

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
OTHER_NAMES: Final = {"xgboost": ("xgboost-cpu",)}
ALWAYS: Final = ("numpy", "polars")
"""Packages noted in every environment; only those of the algorithm are compared when a model is loaded."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a bundle says about itself.

    environment: python, platform, processor and matrix library, packages with their versions, and hashes of sources
    that belong to no package. packages: those the model depends on. pickled: import path of the estimator in
    `model.pkl`, where there is one.
    """

    algorithm: str
    files: dict[str, tuple[str, int]]
    environment: dict[str, Any]
    packages: tuple[str, ...]
    signature: dict[str, Any]
    data: list[dict[str, Any]]
    code_commit: str
    seed: int
    pickled: str | None = None


def sha256(body: bytes) -> str:
    """Return the digest that manifests contain.

    Args:
        body: Content of a file.

    Returns:
        64 hexadecimal digits.
    """
    return hashlib.sha256(body).hexdigest()


def write(manifest: Manifest) -> bytes:
    """Return the manifest as JSON, equal bytes for equal content.

    Args:
        manifest: The bundle's manifest.

    Returns:
        UTF-8 JSON with sorted keys.
    """
    body: dict[str, Any] = {
        "format": FORMAT,
        "algorithm": manifest.algorithm,
        "files": {name: {"sha256": digest, "size": size} for name, (digest, size) in manifest.files.items()},
        "environment": manifest.environment,
        "packages": list(manifest.packages),
        "signature": manifest.signature,
        "data": manifest.data,
        "code_commit": manifest.code_commit,
        "seed": manifest.seed,
    }
    if manifest.pickled is not None:
        body["pickled"] = manifest.pickled
    return json.dumps(body, indent=1, sort_keys=True).encode()


def read(body: bytes, where: str) -> Manifest:
    """Return the manifest from its JSON.

    Args:
        body: Content of the manifest file.
        where: Name of the bundle, for the error text.

    Returns:
        The manifest.

    Raises:
        BundleError: If it is not one.
    """
    try:
        content = json.loads(body)
        if content["format"] != FORMAT:
            raise BundleError(
                f"{where}: {MANIFEST} has format {content['format']!r}, this code reads {FORMAT}"
            )
        return Manifest(
            algorithm=str(content["algorithm"]),
            files={
                str(name): (str(entry["sha256"]), int(entry["size"]))
                for name, entry in content["files"].items()
            },
            environment=dict(content["environment"]),
            packages=tuple(content["packages"]),
            signature=dict(content["signature"]),
            data=list(content["data"]),
            code_commit=str(content["code_commit"]),
            seed=int(content["seed"]),
            pickled=None if content.get("pickled") is None else str(content["pickled"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleError(
            f"{where}: {MANIFEST} is not a manifest ({type(error).__name__}: {error})"
        ) from error


def environment_of(packages: Iterable[str], sources: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the versions of this process: Python, machine, packages.

    Args:
        packages: Packages to record besides those that are always recorded.
        sources: sha256 of the source by module, to record as it is; None for none.

    Returns:
        JSON values for the manifest.
    """
    recorded: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": processor_name(),
        "blas": blas_kernels(),
        "packages": {name: installed_version(name) for name in sorted({*packages, *ALWAYS})},
    }
    return {**recorded, "sources": dict(sources)} if sources else recorded


@lru_cache(maxsize=1)
def processor_name() -> str:
    """Return the processor's model as the system names it, "unknown" where it does not."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip() or "unknown"
    return platform.processor() or "unknown"


def blas_kernels() -> str:
    """Return which matrix library and kernels this process calculates with, such as "openblas 0.3.29 Haswell".

    The kernels decide the last digits of a fit: a library with kernels for several processor families picks its own.
    """
    import numpy as np  # noqa: F401 - its library must be loaded to be listed
    from threadpoolctl import ThreadpoolController

    libraries = ThreadpoolController().select(user_api="blas").info()
    # numpy's own: scipy may bring a second copy, and the name then depended on what else was imported.
    own = [info for info in libraries if Path(info["filepath"]).parent.name == "numpy.libs"] or libraries
    parts = (f"{i['internal_api']} {i.get('version')} {i.get('architecture', '')}".strip() for i in own)
    return ", ".join(sorted({*parts})) or "unknown"


def installed_version(package: str) -> str:
    """Return the version of a package, whichever of its distributions is installed.

    Args:
        package: Name of a distribution.

    Returns:
        The version, for example '4.7.0'.

    Raises:
        PackageNotFoundError: If none is.
    """
    for name in OTHER_NAMES.get(package, ()):
        with contextlib.suppress(PackageNotFoundError):
            return version(name)
    return version(package)


def incompatible(trained: Mapping[str, Any], packages: Iterable[str]) -> list[str]:
    """Return the packages whose major or minor version is not the one that trained a model, each as a clause.

    Args:
        trained: The manifest's environment.
        packages: Packages to compare.

    Returns:
        One clause per package that differs.
    """
    recorded = []
    for name in packages:
        then, now = str(trained.get("packages", {}).get(name, "an unknown version")), installed_version(name)
        if then.split(".")[:2] != now.split(".")[:2]:
            recorded.append(f"{name} {then} trained it, {now} is installed")
    return recorded
