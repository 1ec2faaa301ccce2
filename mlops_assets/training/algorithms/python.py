"""Your own estimator, by import path: any class with fit and predict (and predict_proba for classes).

```yaml
algorithms: [{python: {estimator: "shop.models:Robust", params: {depth: 3}, trusted: [shop.models.Node]}}]
```

It is stored by skops, so that loading it builds only scikit-learn's types, the estimator, and those named in
`trusted`. With `pickle: true` an estimator that skops cannot store becomes a pickle, which is read under the
conditions that `bundles.pickle_policy` names. A model depends on the version of the package that provides its
class; without one, on the class's source.
"""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, Literal

import numpy as np

from mlops_assets.errors import BundleError, TrainingError
from mlops_assets.model_file.algorithms import Problem
from mlops_assets.model_file.algorithms.python import PythonParameters
from mlops_assets.training.algorithms.base.algorithm import FitData, Floats
from mlops_assets.training.algorithms.base.provenance import distributions_of, source_of
from mlops_assets.training.algorithms.base.sklearn import (
    MODEL_FILE,
    ScikitAlgorithm,
    limit_threads,
    load_skops,
)
from mlops_assets.training.bundles.pickle_policy import PICKLE_FILE


class Python(ScikitAlgorithm):
    """An estimator of the user's. A parameter `random_state` it has is set to the seed."""

    parameters = PythonParameters
    explain: ClassVar[Literal["tree", "linear", "other"]] = "other"
    handles_missing: ClassVar[bool] = True
    blocked_imports: ClassVar[tuple[str, ...]] = ()
    _pickled: bool = False

    def __init__(self, problem: Problem, params: Mapping[str, Any] | None = None) -> None:
        """Import the estimator; raise TrainingError when the path does not lead to a class with fit and predict."""
        super().__init__(problem, params)
        module, _, name = str(self.params.get("estimator", "")).partition(":")
        if not module or not name:
            raise TrainingError("python: 'estimator' must say where the class is, as 'package.module:Class'")
        try:
            self._kind = getattr(import_module(module), name)
        except (ImportError, AttributeError) as error:
            raise TrainingError(
                f"python: the estimator {module}:{name} cannot be imported: {error}"
            ) from error
        if not all(callable(getattr(self._kind, verb, None)) for verb in ("fit", "predict")):
            raise TrainingError(f"python: {module}:{name} has no fit and predict")
        self.trusted = (f"{self._kind.__module__}.{self._kind.__qualname__}", *self.params.get("trusted", ()))

    def _estimator_for(self, data: FitData) -> Any:
        arguments = dict(self.params.get("params") or {})
        if "random_state" in inspect.signature(self._kind).parameters:
            arguments = {"random_state": data.seed, **arguments}
        return self._kind(**arguments)

    def _fit(self, data: FitData) -> None:
        super()._fit(data)
        # Found out now, not when it is needed in production.
        try:
            load_skops(super()._dump()[MODEL_FILE], self.trusted)
        except Exception:
            if self.params.get("pickle") is not True:
                raise
            self._pickled = True

    def _dump(self) -> dict[str, bytes]:
        return {PICKLE_FILE: pickle.dumps(self._estimator, protocol=5)} if self._pickled else super()._dump()

    def _load(self, files: Mapping[str, bytes]) -> None:
        self._pickled = PICKLE_FILE in files
        if not self._pickled:
            return super()._load(files)
        if self.params.get("pickle") is not True:
            raise BundleError(f"{PICKLE_FILE} is a pickle, which this model may not be")
        estimator = pickle.loads(files[PICKLE_FILE])  # noqa: S301 - by permission, see `bundles.pickle_policy`
        if not isinstance(estimator, self._kind):
            raise BundleError(
                f"{PICKLE_FILE} holds a {type(estimator).__name__}, not a {self._kind.__name__}"
            )
        self._estimator = estimator
        return None

    def requirements(self) -> tuple[tuple[str, ...], dict[str, str]]:
        """Return scikit-learn and the estimator's distribution, or the hash of its source where it has none."""
        modules = sorted({self._kind.__module__, str(self.params["estimator"]).partition(":")[0]})
        distributions = {module: distributions_of(module) for module in modules}
        packages = {*self.packages, *(name for names in distributions.values() for name in names)}
        sources = {module: source_of(module) for module, names in distributions.items() if not names}
        return tuple(sorted(packages)), {module: digest for module, digest in sources.items() if digest}

    def _predict(self, values: Floats) -> Floats:
        if not self.classes or hasattr(self._estimator, "predict_proba"):
            return super()._predict(values)
        with limit_threads(1):
            codes = np.asarray(self._estimator.predict(values)).astype(np.int64)
        return np.eye(len(self.classes))[codes]
