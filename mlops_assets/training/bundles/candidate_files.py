"""Fitted models on their way from the step that fitted them to the step that chooses.

Files, and their hashes.

What lies in the folder counts only with the hashes that were recorded elsewhere; a folder appears whole or not
at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from mlops_assets.errors import BundleError
from mlops_assets.training.bundles.manifest import sha256
from mlops_assets.training.bundles.save import write_atomically


def store_fit(folder: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write the files; an earlier attempt's files are replaced.

    Args:
        folder: Folder of the fit.
        files: Content by file name.

    Returns:
        sha256 by file name.
    """
    shutil.rmtree(folder, ignore_errors=True)
    write_atomically(folder, files)
    return {name: sha256(body) for name, body in files.items()}


def read_fit(folder: Path, hashes: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files as they were stored.

    Args:
        folder: Folder of the fit.
        hashes: sha256 by file name, as `store_fit` returned.

    Returns:
        Content by file name.

    Raises:
        BundleError: If one is missing or was changed.
    """
    bodies = {}
    for name, digest in hashes.items():
        try:
            bodies[name] = (folder / name).read_bytes()
        except OSError as error:
            raise BundleError(
                f"{folder / name} cannot be read ({error.strerror}): every worker needs the same model root, "
                "MLOPS_MODEL_ROOT"
            ) from error
        if sha256(bodies[name]) != digest:
            raise BundleError(f"{folder / name} is not what was stored there; nothing was loaded")
    return bodies
