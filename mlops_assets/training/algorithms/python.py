"""Your own estimator, by import path: any class with fit and predict (and predict_proba for classes).

```yaml
algorithms: [{python: {estimator: "shop.models:Robust", params: {depth: 3}, trusted: [shop.models.Node]}}]
```

It is stored by skops, so that loading it builds only scikit-learn's types, the estimator, and those named in `trusted`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, Literal

import numpy as np

from mlops_assets.errors import TrainingError
from mlops_assets.spec.training import Problem
from mlops_assets.training.algorithm import FitData, Floats
from mlops_assets.training.scikit import MODEL_FILE, ScikitAlgorithm, load_skops, one_pool


class Python(ScikitAlgorithm):
    """An estimator of the user's. A parameter `random_state` it has is set to the seed."""

    name: ClassVar[str] = "python"
    explain: ClassVar[Literal["tree", "linear", "other"]] = "other"
    handles_missing: ClassVar[bool] = True
    lean: ClassVar[tuple[str, ...]] = ()

    def __init__(self, problem: Problem, params: Mapping[str, Any] | None = None) -> None:
        """Raises TrainingError when the import path does not lead to a class with fit and predict."""
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
        load_skops(self._dump()[MODEL_FILE], self.trusted)

    def _answer(self, values: Floats) -> Floats:
        if not self.classes or hasattr(self._estimator, "predict_proba"):
            return super()._answer(values)
        with one_pool(1):
            codes = np.asarray(self._estimator.predict(values)).astype(np.int64)
        return np.eye(len(self.classes))[codes]
