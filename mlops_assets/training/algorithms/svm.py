"""Support vectors on standardized columns.

Its time grows with the square of the rows and more: mind the time limit.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from mlops_assets.model_file.algorithms.scikit_learn import SvmParameters
from mlops_assets.training.algorithms.base.algorithm import FitData
from mlops_assets.training.algorithms.base.scaling import standardized
from mlops_assets.training.algorithms.base.sklearn import ScikitAlgorithm


class Svm(ScikitAlgorithm):
    """scikit-learn's SVR; or SVC, whose distances three-fold calibration turns into probabilities."""

    parameters = SvmParameters
    trusted: tuple[str, ...] = (
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
    )
    explain: ClassVar[Literal["tree", "linear", "other"]] = "other"

    def _estimator_for(self, data: FitData) -> Any:
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.svm import SVC, SVR

        if not self.classes:
            return standardized(SVR(**self.params))
        machine = SVC(**{"random_state": data.seed, **self.params})
        return standardized(CalibratedClassifierCV(machine, cv=3, ensemble=False))
