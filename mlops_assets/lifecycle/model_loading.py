"""Stored models brought back whole, by their row in the ledger.

Goes out: a predictor or a profile, or a BundleError that says what is damaged. Training and promoting happen elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from mlops_assets import training
from mlops_assets.artifacts import Profile, from_json
from mlops_assets.errors import BundleError
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.predictor import BundlePredictor, predictor_of
from mlops_assets.model_file import ModelSpec, find_model, stored_model


def load_version(
    platform: Platform, model: str, version: int, fit: training.Fit = "served"
) -> tuple[BundlePredictor, training.LoadedBundle]:
    """Return a model version, verified against its manifest hash before it is read.

    A version stored as a pickle is read only while the model file in force, the one in the models folder now,
    still allows that estimator; without a readable file nothing is allowed. So a withdrawn permission counts
    at once for predictions, rollbacks, readiness checks and the API. A champion that is refused then is
    replaced by `mlops retire` and a new training.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        version: Number of the model version.
        fit: `judged` is the fit that its evidence measured; the same where the version was not fitted again.

    Returns:
        The predictor and the bundle it comes from.

    Raises:
        BundleError: When the bundle is damaged, another model's, or a pickle that is not allowed.
        LedgerError: When the version does not exist.
    """
    folder, manifest = bundle_location(platform, model, version)

    def may_unpickle(estimator: str) -> str:
        in_force = find_model(platform.settings.models, model)
        if in_force is not None and estimator in in_force[1].training.pickled:
            return ""
        where = in_force[0] if in_force else f"a model file in {platform.settings.models}"
        return (
            f"the model file in force does not allow it: write 'pickle: true' below {estimator} in {where}, or take "
            f"the version out of production with 'mlops rollback {model}' or 'mlops retire {model}'"
        )

    _require_own_evidence(platform, model, version, manifest)
    bundle = training.load_bundle(
        folder, expected_manifest_sha256=manifest, may_unpickle=may_unpickle, fit=fit
    )
    if bundle.spec.get("name") != model:
        raise BundleError(
            f"{model} version {version} points to the bundle of {bundle.spec.get('name')!r} in {folder}: the "
            "ledger's row was altered; nothing was loaded"
        )
    return predictor_of(bundle), bundle


def require_loadable(platform: Platform, model: str, version: int, seconds: float, memory_bytes: int) -> None:
    """Load a version in another process first, so that a bundle that crashes, hangs or grows harms nothing here.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        version: Number of the model version.
        seconds: How long loading may take.
        memory_bytes: Memory that it may take.

    Raises:
        BundleError: When the other process cannot load it.
        LedgerError: When the version does not exist.
    """
    folder, manifest = bundle_location(platform, model, version)
    in_force = find_model(platform.settings.models, model)
    pickled = in_force[1].training.pickled if in_force is not None else ()
    algorithm = training.algorithm_of(folder, expected_manifest_sha256=manifest)
    reason = training.try_loading(algorithm, folder, manifest, pickled, seconds, memory_bytes)
    if reason:
        raise BundleError(f"another process could not load it, so that it was not loaded here: {reason}")


def _require_own_evidence(platform: Platform, model: str, version: int, manifest: str) -> None:
    """Raise BundleError when the version was judged as another bundle than its row names now."""
    for evidence in platform.ledger.evidence_of(model, version):
        judged = evidence.body.get("manifest_sha256", manifest)
        if judged != manifest:
            raise BundleError(
                f"{model} version {version}: its evidence is about the bundle {str(judged)[:12]}, the ledger's row "
                f"names {manifest[:12]}; the row was altered; nothing was loaded"
            )


def spec_of_bundle(bundle: training.LoadedBundle) -> ModelSpec:
    """Return the model file as it was when the version was trained.

    Args:
        bundle: A loaded bundle, verified.

    Returns:
        The model file.

    Raises:
        BundleError: When this code no longer reads it.
    """
    try:
        return stored_model(bundle.spec)
    except ValidationError as error:
        raise BundleError(
            f"the stored model file was written by other code: {error.errors()[0]['msg']}"
        ) from None


def champion_profile(spec: ModelSpec, platform: Platform) -> Profile | None:
    """Return the training profile stored with the champion.

    Args:
        spec: The model file.
        platform: The open stores and settings.

    Returns:
        The profile, or None without a champion.

    Raises:
        BundleError: When the champion's bundle is damaged.
    """
    champion = platform.ledger.champion(spec.name)
    if champion is None:
        return None
    folder, manifest = bundle_location(platform, spec.name, champion.version)
    return from_json(Profile, training.read_profile(folder, expected_manifest_sha256=manifest))


def bundle_location(platform: Platform, model: str, version: int) -> tuple[Path, str]:
    """Return where the bundle of a version is stored.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        version: Number of the model version.

    Returns:
        Its folder, and the hash of its manifest.

    Raises:
        BundleError: When the version has no bundle.
        LedgerError: When the version does not exist.
    """
    row = platform.ledger.model_version(model, version)
    if row.bundle_path is None or row.manifest_sha256 is None:
        raise BundleError(f"{model} version {version} was never finished: it has no bundle")
    stored, moved = Path(row.bundle_path), platform.settings.model_root / model / str(version)
    # a platform restored into another folder; the manifest's hash decides whether it is the same bundle
    return (moved if not stored.exists() and moved.exists() else stored), row.manifest_sha256
