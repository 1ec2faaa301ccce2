"""The kinds of features: one class per kind, one dict whose keys are the keys of `features:` in the model file.

Comes in: a model file, and sorted rows to build from. Goes out: names, sources, look-back, descriptions and columns,
all from the same class, so that training, batch prediction and the API cannot differ. A new kind is a class and a line
here, and its key in `model_file/features.py`; the conformity suite reads the dict.
"""

from typing import Final

from mlops_assets.features.kinds.calendar import Calendar, Cyclical, Holidays
from mlops_assets.features.kinds.grouped import Grouped
from mlops_assets.features.kinds.history import History
from mlops_assets.features.kinds.kind import Family, Feature, FeatureKind, LookBack, Rows
from mlops_assets.features.kinds.lags import Differences, Lags, TargetNow
from mlops_assets.features.kinds.pairs import Interactions, Ratios
from mlops_assets.features.kinds.rolling import Rolling

FEATURE_KINDS: Final[dict[str, FeatureKind]] = {
    "calendar": Calendar(),
    "cyclical": Cyclical(),
    "holidays": Holidays(),
    "horizon": TargetNow(),
    "lags": Lags(),
    "differences": Differences(),
    "rolling": Rolling(),
    "ratios": Ratios(),
    "interactions": Interactions(),
    "grouped": Grouped(),
    "history": History(),
}
"""In the order of the feature table's columns."""

__all__ = ["FEATURE_KINDS", "Family", "Feature", "FeatureKind", "LookBack", "Rows"]
