"""Which pickles may be read, and why all others may not.

A pickle can run any code while it is read. One is read only where a model file permitted it to store that estimator
so (`python: {pickle: true}`), where a hash recorded in the ledger vouches for its every byte, and where the model
file in force still permits it. All this is checked before a byte of it is interpreted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from mlops_assets.training.bundles.manifest import Manifest

PICKLE_FILE: Final = "model.pkl"
PICKLE_FILES: Final = (PICKLE_FILE, f"judged-{PICKLE_FILE}")
"""Of the fit that is served, and of the one that the holdout judged."""
PICKLES: Final = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".dill", ".cloudpickle", ".npy")
MayUnpickle = Callable[[str], str]
"""Called with the estimator's import path; returns why it may not be unpickled, or '' where it may."""


def never(_estimator: str) -> str:
    """Return the refusal of a caller that permits no pickles.

    Args:
        _estimator: Full name of the estimator; not used.

    Returns:
        The reason, for the error text.
    """
    return "whoever opens this bundle reads no pickles"


def refusal(name: str, manifest: Manifest, vouched: bool, may_unpickle: MayUnpickle) -> str:
    """Return why a file must not be read.

    Args:
        name: Name of the file.
        manifest: The bundle's manifest.
        vouched: Whether the ledger's hash of the manifest was verified.
        may_unpickle: Returns why an estimator's pickle is not allowed; '' where it is.

    Returns:
        A sentence, or '' where the file may be read.
    """
    if not name.lower().endswith(PICKLES):
        return ""
    what = f"{name!r} is a pickle or may hold one, which can run any code"
    if name not in PICKLE_FILES or manifest.pickled is None:
        return f"{what}; nothing was loaded"
    if not vouched:
        return (
            f"{what}, and no hash from the ledger vouches for it here; nothing was loaded. A copy in MLflow is never "
            "read: ask the prediction API, or load the version through the ledger"
        )
    if reason := may_unpickle(manifest.pickled):
        return f"{what}; {reason}; nothing was loaded"
    return ""
