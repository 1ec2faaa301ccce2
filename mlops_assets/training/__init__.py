"""Training: from matrices and a seed to fitted algorithms, and from a fitted algorithm to a bundle that can be trusted.

Comes in: feature matrices, targets, the algorithms a model file names. Goes out: `Fitted` candidates, and bundles whose
every byte is checked before it is loaded again. Which features, which metrics, which candidate wins, where the version
is written down: `features`, `evaluation`, `lifecycle`, `ledger`. Tracking is `registry`'s.
"""

from mlops_assets.training.algorithms import ALGORITHMS
from mlops_assets.training.algorithms.base.algorithm import Algorithm, Progress
from mlops_assets.training.bundles.candidate_files import read_fit, store_fit
from mlops_assets.training.bundles.load import (
    Fit,
    LoadedBundle,
    algorithm_of,
    bundle_files,
    load_bundle,
    read_profile,
)
from mlops_assets.training.bundles.save import JudgedFit, save_bundle, write_atomically
from mlops_assets.training.conformal import bounds, bounds_of_one, calibrate
from mlops_assets.training.fitting.fit import FitRows, Fitted, fit_all, prefetch
from mlops_assets.training.fitting.preflight import check, format_missing, missing_libraries
from mlops_assets.training.fitting.search import SearchResult, Trial, search
from mlops_assets.training.fitting.worker_pool import try_loading, verify

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "Fit",
    "FitRows",
    "Fitted",
    "JudgedFit",
    "LoadedBundle",
    "Progress",
    "SearchResult",
    "Trial",
    "algorithm_of",
    "bounds",
    "bounds_of_one",
    "bundle_files",
    "calibrate",
    "check",
    "fit_all",
    "format_missing",
    "load_bundle",
    "missing_libraries",
    "prefetch",
    "read_fit",
    "read_profile",
    "save_bundle",
    "search",
    "store_fit",
    "try_loading",
    "verify",
    "write_atomically",
]
