"""The part common to algorithms from scikit-learn: answering, and skops files with an explicit list of types.

skops writes addresses of memory and the time of day into its files; both are replaced here, so that the same training
gives the same bytes.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from abc import abstractmethod
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any, ClassVar, Final

import numpy as np

from mlops_assets.errors import BundleError
from mlops_assets.training.algorithms.base.algorithm import Algorithm, FitData, Floats
from mlops_assets.training.algorithms.base.import_blocker import block_imports
from mlops_assets.training.algorithms.base.tree_rows import RowFunction

MODEL_FILE: Final = "model.skops"
_WALKED_PAST: Final = tuple(
    f"sklearn.externals.array_api_compat.{name}" for name in ("cupy", "dask", "torch")
)
"""Packages that skops walks through in search of estimators; where PyTorch is installed they cost three seconds."""
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)


class ScikitAlgorithm(Algorithm):
    """An algorithm whose model is one estimator. trusted: types skops may build beyond its own safe list."""

    packages: ClassVar[tuple[str, ...]] = ("scikit-learn",)
    blocked_imports: ClassVar[tuple[str, ...]] = ("pandas",)
    trusted: tuple[str, ...] = ()
    _estimator: Any = None

    @classmethod
    def import_library(cls) -> None:
        """Import scikit-learn and skops."""
        _skops()
        super().import_library()

    @property
    def native(self) -> Any:
        """Return the fitted scikit-learn estimator or pipeline."""
        return self._estimator

    @abstractmethod
    def _estimator_for(self, data: FitData) -> Any:
        """Return the estimator, not yet fitted."""

    def _fit(self, data: FitData) -> None:
        estimator = self._estimator_for(data)
        with limit_threads(data.threads):
            estimator.fit(data.train, data.target)
        self._estimator = estimator

    def _predict(self, values: Floats) -> Floats:
        with limit_threads(1):
            ask = self._estimator.predict_proba if self.classes else self._estimator.predict
            return np.asarray(ask(values), dtype=np.float64)

    def few_rows(self) -> RowFunction | None:
        """Return the weighted sum of a linear model for numbers; scikit-learn's own checks take 200 microseconds."""
        if self.explain != "linear" or self.classes:
            return None
        weights, intercepts = self.coefficients()
        vector, intercept = np.ascontiguousarray(weights[0]), float(intercepts[0])
        return lambda values: np.asarray(values @ vector + intercept, dtype=np.float64)

    def _dump(self) -> dict[str, bytes]:
        return {MODEL_FILE: repeatable(_skops().dumps(self._estimator))}

    def _load(self, files: Mapping[str, bytes]) -> None:
        self._estimator = load_skops(files[MODEL_FILE], self.trusted)


@lru_cache(maxsize=1)
def _skops() -> Any:
    with block_imports(_WALKED_PAST):
        return import_module("skops.io")


def limit_threads(threads: int) -> Any:
    """Limit BLAS and OpenMP threads within the context: a crowded machine is slower with more.

    Args:
        threads: Largest number of threads.

    Returns:
        A context manager.
    """
    return _thread_pools(len(sys.modules)).limit(limits=threads)


@lru_cache(maxsize=1)
def _thread_pools(_modules: int) -> Any:
    """Return the pools of the process.

    Looking for them takes 4 ms, so it is done again only when something was imported.
    """
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def load_skops(body: bytes, trusted: tuple[str, ...]) -> Any:
    """Create the object in a skops file.

    Args:
        body: Content of the file.
        trusted: Full names of types that may be created.

    Returns:
        The object.

    Raises:
        BundleError: When it needs a type that is not trusted; nothing is created then.
    """
    skops = _skops()
    try:
        unknown = sorted(set(skops.get_untrusted_types(data=body)) - set(trusted))
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{MODEL_FILE} is not a skops file (a pickle is never read): {error}") from error
    if unknown:
        raise BundleError(
            f"{MODEL_FILE} asks for types that are not trusted: {', '.join(unknown[:3])}; nothing was loaded"
        )
    return skops.loads(body, trusted=list(trusted))


def repeatable(body: bytes) -> bytes:
    """Return the same skops file with numbered objects instead of addresses, and without the time of day.

    Args:
        body: Content of a skops file.

    Returns:
        Content that is equal for equal models.
    """
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members.pop("schema.json"))
    numbers: dict[Any, int] = {}
    names: dict[str, str] = {}

    def renumber(node: Any) -> Any:
        if isinstance(node, list):
            return [renumber(item) for item in node]
        if not isinstance(node, dict):
            return node
        fresh: dict[str, Any] = {}
        for key, item in node.items():
            if key == "__id__":
                fresh[key] = numbers.setdefault(item, len(numbers) + 1)
            elif key == "file" and isinstance(item, str) and item in members:
                fresh[key] = names.setdefault(
                    item, f"{len(names) + 1}{item[item.rfind('.') :] if '.' in item else ''}"
                )
            else:
                fresh[key] = renumber(item)
        return fresh

    schema = renumber(schema)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression=zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(zipfile.ZipInfo("schema.json", _LONG_AGO), json.dumps(schema), zipfile.ZIP_DEFLATED)
        for name, content in sorted(members.items(), key=lambda member: names.get(member[0], member[0])):
            plain = _without_padding(content) if name.endswith(".npy") else content
            archive.writestr(zipfile.ZipInfo(names.get(name, name), _LONG_AGO), plain, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _without_padding(body: bytes) -> bytes:
    """Return the same array with zeros in the gaps between the fields of its records."""
    array = np.load(io.BytesIO(body), allow_pickle=False)
    if array.dtype.names is None:
        return body
    clean = np.zeros(array.shape, dtype=array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    out = io.BytesIO()
    np.save(out, clean, allow_pickle=False)
    return out.getvalue()
