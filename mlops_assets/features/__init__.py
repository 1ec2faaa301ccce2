"""Features: one definition, from the model file, for training, batch predictions and the prediction API.

Comes in: usable readings. Goes out: a feature table, its split into parts, what must be learned from the training part
(`Preparation`), and the profile that drift is measured against. Fitting models is `training`'s business.
"""

from mlops_assets.features.autocorrelation import autocorrelation_warning
from mlops_assets.features.building import build
from mlops_assets.features.catalogue import catalogue
from mlops_assets.features.columns import clock_names, computed_names, feature_names
from mlops_assets.features.folds import Fold, expanding, folds_of, k_fold, sliding
from mlops_assets.features.kinds import FEATURE_KINDS, Feature
from mlops_assets.features.leakage import leakage, leakage_findings
from mlops_assets.features.preparation import Preparation, fit_preparation
from mlops_assets.features.reference import profile
from mlops_assets.features.row_identity import SeenRows
from mlops_assets.features.serving import look_back, online, recent
from mlops_assets.features.splitting import labeled, rows_seen, seen_rows, split, strategy
from mlops_assets.features.tolerance import match_readings, match_warnings, refuse_unmatched
from mlops_assets.features.window_null import with_nulls

__all__ = [
    "FEATURE_KINDS",
    "Feature",
    "Fold",
    "Preparation",
    "SeenRows",
    "autocorrelation_warning",
    "build",
    "catalogue",
    "clock_names",
    "computed_names",
    "expanding",
    "feature_names",
    "fit_preparation",
    "folds_of",
    "k_fold",
    "labeled",
    "leakage",
    "leakage_findings",
    "look_back",
    "match_readings",
    "match_warnings",
    "online",
    "profile",
    "recent",
    "refuse_unmatched",
    "rows_seen",
    "seen_rows",
    "sliding",
    "split",
    "strategy",
    "with_nulls",
]
