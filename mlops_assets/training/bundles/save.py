"""Writing a bundle: the whole of a model in one folder that appears at once or not at all.

Comes in: a fitted algorithm and all that predicting, watching and auditing it needs. Goes out: the sha256 of its
manifest, which vouches for every other file. Numbering versions and pointing to them is for the ledger.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import BundleError
from mlops_assets.training.algorithms.base.algorithm import Algorithm
from mlops_assets.training.bundles.manifest import MANIFEST, Manifest, environment_of, sha256, write
from mlops_assets.training.bundles.onnx import ONNX_FILE, as_onnx
from mlops_assets.training.bundles.pickle_policy import PICKLE_FILE

INTERVAL: Final = "interval.json"
PREPARATION: Final = "preparation.json"
SEEN: Final = "seen_rows.json"
SPEC: Final = "spec.json"
PROFILE: Final = "profile.json"
SAMPLE: Final = "sample.json"
REFIT: Final = "refit.json"
JUDGED: Final = "judged-"
"""Files of the fit that the holdout judged, where another one, fitted again on all rows, is served."""


@dataclass(frozen=True, slots=True)
class JudgedFit:
    """The fit that the holdout judged, stored next to the one that is served.

    Attributes:
        algorithm: Fitted on the training part.
        preparation: Its preparation, as JSON.
        sample: Rows as it sees them.
        seen_rows: Which rows shaped it.
        interval: Its prediction interval, if it has one.
    """

    algorithm: Algorithm
    preparation: Mapping[str, Any]
    sample: FeatureMatrix
    seen_rows: Mapping[str, Any]
    interval: Mapping[str, Any] | None = None

    def files(self) -> dict[str, bytes]:
        """Return its files by name."""
        own = {
            **self.algorithm.dump(),
            PREPARATION: _json(self.preparation),
            SAMPLE: _json(sample_record(self.algorithm, self.sample)),
            SEEN: _json(self.seen_rows),
            **({} if self.interval is None else {INTERVAL: _json(self.interval)}),
        }
        return {JUDGED + name: body for name, body in own.items()}


def save_bundle(  # noqa: PLR0913
    folder: Path,
    *,
    algorithm: Algorithm,
    preparation: Mapping[str, Any],
    spec: Mapping[str, Any],
    profile: Mapping[str, Any],
    sample: FeatureMatrix,
    data: Sequence[Mapping[str, Any]],
    code_commit: str,
    seed: int,
    interval: Mapping[str, Any] | None = None,
    seen_rows: Mapping[str, Any] | None = None,
    onnx: bool = False,
    judged: JudgedFit | None = None,
    refit: Mapping[str, Any] | None = None,
) -> str:
    """Write a bundle. Equal trainings give equal bytes.

    Args:
        folder: Folder of the new bundle; its parent may be missing.
        algorithm: The fit that is served.
        preparation: The preparation, as JSON values.
        spec: The model file, as JSON values.
        profile: Distributions of the training rows, as JSON values.
        sample: Some prepared rows; their predictions are stored and compared at every load.
        data: Versions of the tables behind the features, as JSON values.
        code_commit: Git commit of the code.
        seed: Seed of the fit.
        interval: Calibrated interval of the predictions, as JSON values; None for a model without one.
        seen_rows: Which rows shaped the served fit, as JSON values; None for a record without.
        onnx: Write `model.onnx` next to the native files.
        judged: The fit that the holdout judged, where it is another one.
        refit: The record of fitting again, as JSON values.

    Returns:
        sha256 of the manifest, 64 hexadecimal digits.

    Raises:
        BundleError: When `folder` contains something else already.
        TrainingError: As `as_onnx`.
    """
    files = {
        **({} if interval is None else {INTERVAL: _json(interval)}),
        **({} if seen_rows is None else {SEEN: _json(seen_rows)}),
        **algorithm.dump(),
        **({ONNX_FILE: as_onnx(algorithm, sample)} if onnx else {}),
        PREPARATION: _json(preparation),
        SPEC: _json(spec),
        PROFILE: _json(profile),
        SAMPLE: _json(sample_record(algorithm, sample)),
        **({} if refit is None else {REFIT: _json(refit)}),
        **({} if judged is None else judged.files()),
    }
    packages, sources = algorithm.requirements()
    manifest = write(
        Manifest(
            algorithm=algorithm.name,
            files={name: (sha256(body), len(body)) for name, body in files.items()},
            environment=environment_of(packages, sources),
            packages=packages,
            signature=_signature(algorithm),
            data=[dict(table) for table in data],
            code_commit=code_commit,
            seed=seed,
            pickled=str(algorithm.params.get("estimator")) if PICKLE_FILE in files else None,
        )
    )
    write_atomically(folder, {**files, MANIFEST: manifest})
    return sha256(manifest)


def sample_record(algorithm: Algorithm, sample: FeatureMatrix) -> dict[str, Any]:
    """Return sample rows and their predictions as JSON values; missing values are null.

    Args:
        algorithm: The fitted algorithm.
        sample: Prepared rows.

    Returns:
        Keys names, rows, predictions, probabilities (None for a regression).
    """
    return {
        "names": list(sample.names),
        "rows": [[None if np.isnan(value) else float(value) for value in row] for row in sample.values],
        "predictions": algorithm.predict(sample).tolist(),
        "probabilities": algorithm.predict_proba(sample).tolist() if algorithm.classes else None,
    }


def _signature(algorithm: Algorithm) -> dict[str, Any]:
    output: dict[str, Any] = (
        {"type": "label", "classes": list(algorithm.classes)} if algorithm.classes else {"type": "double"}
    )
    return {
        "inputs": [
            {"name": name, "type": "double", "missing": algorithm.handles_missing}
            for name in algorithm.feature_names
        ],
        "output": output,
    }


def _json(content: Any) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True, allow_nan=False).encode()


def write_atomically(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder that exists whole or not at all, even when this process is killed.

    Args:
        folder: Folder to create.
        files: Content by file name.

    Raises:
        BundleError: When it exists already with another manifest.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    for leftover in folder.parent.glob(f".{folder.name}.*.tmp"):  # of a save that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    draft = folder.parent / f".{folder.name}.{secrets.token_hex(4)}.tmp"
    draft.mkdir()
    try:
        for name, body in files.items():
            with (draft / name).open("xb") as out:
                out.write(body)
                out.flush()
                os.fsync(out.fileno())
        _fsync(draft)
        try:
            draft.rename(folder)
        except OSError as error:
            if _same(folder, files.get(MANIFEST)):
                return
            raise BundleError(
                f"{folder} exists already and holds another model; a version is written once"
            ) from error
        _fsync(folder.parent)
    finally:
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(draft)


def _same(folder: Path, manifest: bytes | None) -> bool:
    try:
        return (folder / MANIFEST).read_bytes() == manifest
    except OSError:
        return False


def _fsync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
