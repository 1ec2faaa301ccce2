"""Reading a bundle.

Every byte is checked before anything is built from it, then the model proves itself on its sample.

Comes in: a folder and, from the ledger, the sha256 of its manifest. Goes out: a `LoadedBundle`, or a BundleError
that says what is wrong. Files are read once and used from memory, so that what was checked is what is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import BundleError, MissingExtraError, MlopsError
from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE
from mlops_assets.training.algorithms import ALGORITHMS
from mlops_assets.training.algorithms.base.algorithm import Algorithm
from mlops_assets.training.algorithms.base.provenance import changed
from mlops_assets.training.bundles.manifest import MANIFEST, Manifest, incompatible, read, sha256
from mlops_assets.training.bundles.pickle_policy import MayUnpickle, never, refusal
from mlops_assets.training.bundles.save import (
    INTERVAL,
    JUDGED,
    PREPARATION,
    PROFILE,
    REFIT,
    SAMPLE,
    SEEN,
    SPEC,
)

Fit = Literal["served", "judged"]
"""Which of the two fits of a bundle: the one that predicts, or the one that the holdout judged."""

LARGEST_MANIFEST: Final = 16 * 2**20
TOLERANCE: Final = 1e-6
"""Relative difference allowed between stored and repeated predictions: another processor may round differently."""


@dataclass(frozen=True, slots=True)
class LoadedBundle:
    """A model that passed every check. preparation, spec, profile and interval (None.

    The model has none) are JSON as their packages wrote it.
    """

    algorithm: Algorithm
    preparation: dict[str, Any]
    spec: dict[str, Any]
    profile: dict[str, Any]
    interval: dict[str, Any] | None
    sample: FeatureMatrix
    expected: NDArray[Any]
    manifest: Manifest
    manifest_sha256: str
    size_bytes: int
    seen_rows: dict[str, Any] | None = None
    """Which rows shaped the model, as `features.SeenRows` wrote it."""
    refit: dict[str, Any] | None = None
    """The record of fitting again on all rows; None where the judged fit is the only one."""

    @property
    def has_judged_fit(self) -> bool:
        """Return whether the fit that the holdout judged is stored next to the one that is served."""
        return JUDGED + PREPARATION in self.manifest.files


def load_bundle(
    folder: Path,
    *,
    expected_manifest_sha256: str | None,
    may_unpickle: MayUnpickle = never,
    fit: Fit = "served",
) -> LoadedBundle:
    """Check a bundle and load its model.

    Args:
        folder: The bundle.
        expected_manifest_sha256: The hash that the ledger recorded. None trusts the manifest as it is: never
            for serving, and
            never for a pickle.
        may_unpickle: Returns why an estimator may not be unpickled; by default none may (see `pickle_policy`).
        fit: `judged` loads the fit that the holdout judged; where only one is stored, that one.

    Returns:
        The bundle with its fitted algorithm.

    Raises:
        BundleError: If a file is missing or changed, a version does not fit, or the sample is predicted
            differently.
    """
    manifest, digest, files = _checked(folder, expected_manifest_sha256, may_unpickle)
    _compatible(manifest, folder)
    if fit == "judged" and JUDGED + PREPARATION in files:
        own = {name.removeprefix(JUDGED): body for name, body in files.items() if name.startswith(JUDGED)}
        shared = {name: body for name, body in files.items() if name in (SPEC, PROFILE, REFIT)}
        files = {**own, **shared}
        signed = None
    else:
        signed = tuple(entry["name"] for entry in manifest.signature["inputs"])
    try:
        algorithm = ALGORITHMS[manifest.algorithm].load(files)
    except (MissingExtraError, BundleError) as error:
        raise BundleError(f"{folder}: {error}") from error
    except Exception as error:
        raise BundleError(f"{folder}: the model cannot be read ({type(error).__name__}: {error})") from error
    if signed is not None and algorithm.feature_names != signed:
        raise BundleError(f"{folder}: the model's columns are not those of its signature")
    sample, expected = _replayed(algorithm, _content(files, SAMPLE, folder), folder)
    return LoadedBundle(
        algorithm=algorithm,
        preparation=_content(files, PREPARATION, folder),
        spec=_content(files, SPEC, folder),
        profile=_content(files, PROFILE, folder),
        interval=_content(files, INTERVAL, folder) if INTERVAL in files else None,
        sample=sample,
        expected=expected,
        manifest=manifest,
        manifest_sha256=digest,
        size_bytes=sum(size for _, size in manifest.files.values()),
        seen_rows=_content(files, SEEN, folder) if SEEN in files else None,
        refit=_content(files, REFIT, folder) if REFIT in files else None,
    )


def read_profile(folder: Path, *, expected_manifest_sha256: str | None) -> dict[str, Any]:
    """Return the profile alone, verified against the manifest; no model is loaded.

    Args:
        folder: Folder of the bundle.
        expected_manifest_sha256: Hash of the manifest from the ledger; None where none is known.

    Returns:
        The profile as JSON values.

    Raises:
        BundleError: When it is missing or was changed.
    """
    manifest, _ = _manifest(folder, expected_manifest_sha256)
    return _content({PROFILE: _file(folder, PROFILE, manifest)}, PROFILE, folder)


def bundle_files(folder: Path, *, expected_manifest_sha256: str) -> dict[str, bytes]:
    """Return every file of a bundle, verified against the manifest; no model is loaded.

    Args:
        folder: Folder of the bundle.
        expected_manifest_sha256: Hash of the manifest from the ledger.

    Returns:
        Content by file name, the manifest included.

    Raises:
        BundleError: When a file is missing or was changed.
    """
    manifest, _ = _manifest(folder, expected_manifest_sha256)
    files = {name: _file(folder, name, manifest) for name in sorted(manifest.files)}
    return {**files, MANIFEST: (folder / MANIFEST).read_bytes()}


def algorithm_of(folder: Path, *, expected_manifest_sha256: str | None) -> str:
    """Return the name of a bundle's algorithm; nothing is loaded.

    Args:
        folder: Folder of the bundle.
        expected_manifest_sha256: Hash of the manifest from the ledger; None where none is known.

    Returns:
        Name of an algorithm of this code.

    Raises:
        BundleError: When the manifest is missing or was changed, or this code does not know the algorithm.
    """
    manifest, _ = _manifest(folder, expected_manifest_sha256)
    _compatible(manifest, folder)
    return manifest.algorithm


def _checked(
    folder: Path, expected: str | None, may_unpickle: MayUnpickle
) -> tuple[Manifest, str, dict[str, bytes]]:
    manifest, digest = _manifest(folder, expected)
    present = {path.name for path in folder.iterdir()} - {MANIFEST}
    if extra := sorted(present - set(manifest.files)):
        raise BundleError(f"{folder}: {extra[0]!r} is not in the manifest; nothing was loaded")
    for name in sorted({*present, *manifest.files}):
        if reason := refusal(name, manifest, expected is not None, may_unpickle):
            raise BundleError(f"{folder}: {reason}")
    return manifest, digest, {name: _file(folder, name, manifest) for name in sorted(manifest.files)}


def _manifest(folder: Path, expected: str | None) -> tuple[Manifest, str]:
    if not folder.is_dir():
        raise BundleError(f"{folder}: there is no such model folder; was the model root moved or cleaned?")
    path = folder / MANIFEST
    if not path.is_file() or path.is_symlink():
        raise BundleError(f"{folder}: {MANIFEST} is missing")
    if path.stat().st_size > LARGEST_MANIFEST:
        raise BundleError(f"{folder}: {MANIFEST} is larger than {LARGEST_MANIFEST} bytes")
    body = path.read_bytes()
    digest = sha256(body)
    if expected is not None and digest != expected:
        raise BundleError(
            f"{folder}: {MANIFEST} was altered: its sha256 is {digest[:12]}..., recorded was {expected[:12]}...; "
            "restore the folder from a backup, or roll back to another version"
        )
    return read(body, str(folder)), digest


def _file(folder: Path, name: str, manifest: Manifest) -> bytes:
    if name not in manifest.files or Path(name).name != name or name in (".", ".."):
        raise BundleError(f"{folder}: {name!r} is not a file of this model")
    path = folder / name
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{folder}: {name!r} is missing")
    digest, size = manifest.files[name]
    if (actual := path.stat().st_size) != size:
        how = "truncated" if actual < size else "longer than it was"
        raise BundleError(
            f"{folder}: {name!r} is {how}: {actual} bytes instead of {size}; nothing was loaded"
        )
    body = path.read_bytes()
    if sha256(body) != digest:
        raise BundleError(
            f"{folder}: {name!r} was altered: its sha256 is not the one in the manifest; nothing was loaded"
        )
    return body


def _compatible(manifest: Manifest, folder: Path) -> None:
    if manifest.algorithm not in ALGORITHMS:
        raise BundleError(
            f"{folder}: unknown algorithm {manifest.algorithm!r}; was it written by a newer version of this code?"
        )
    required = sorted({*ALGORITHMS[manifest.algorithm].packages, *manifest.packages})
    try:
        problems = incompatible(manifest.environment, required)
    except PackageNotFoundError as error:
        extra = ALGORITHM_CATALOGUE[manifest.algorithm].extra
        install = f": pip install 'mlops-assets[{extra}]'" if extra else ""
        raise BundleError(
            f"{folder}: {manifest.algorithm} needs {error.name}, which is not installed{install}"
        ) from error
    problems += changed(manifest.environment.get("sources", {}))
    if problems:
        raise BundleError(
            f"{folder}: {'; '.join(problems)}; a model is only loaded by the versions that trained it: "
            "install those, or train again"
        )


def _content(files: Mapping[str, bytes], name: str, folder: Path) -> dict[str, Any]:
    try:
        content = json.loads(files[name])
    except KeyError:
        raise BundleError(f"{folder}: {name!r} is missing") from None
    except ValueError as error:
        raise BundleError(f"{folder}: {name!r} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BundleError(f"{folder}: {name!r} does not hold what it should")
    return content


def _replayed(
    algorithm: Algorithm, record: dict[str, Any], folder: Path
) -> tuple[FeatureMatrix, NDArray[Any]]:
    try:
        names = tuple(record["names"])
        values = np.array(record["rows"], dtype=np.float64).reshape(-1, len(names))
        sample = FeatureMatrix(names, values)
        expected = np.asarray(record["predictions"])
        same = expected.shape == (len(values),) and (
            len(values) == 0 or _equal(algorithm, sample, expected, record)
        )
    except (KeyError, TypeError, ValueError, MlopsError) as error:
        raise BundleError(f"{folder}: the sample cannot be replayed: {error}") from error
    if not same:
        raise BundleError(
            f"{folder}: the model no longer predicts as it did when it was stored; it is not used"
        )
    return sample, expected


def _equal(
    algorithm: Algorithm, sample: FeatureMatrix, expected: NDArray[Any], record: dict[str, Any]
) -> bool:
    if not algorithm.classes:
        return bool(np.allclose(algorithm.predict(sample), expected, rtol=TOLERANCE, atol=TOLERANCE))
    shares = algorithm.predict_proba(sample)
    return bool(np.allclose(shares, np.asarray(record["probabilities"]), rtol=TOLERANCE, atol=TOLERANCE))
