"""A version written to a file: bundle, evidence, data versions by hash, and who approved it."""

from __future__ import annotations

from pathlib import Path

import mlops_assets
from mlops_assets import training
from mlops_assets.errors import EvidenceError
from mlops_assets.ledger import canonical
from mlops_assets.lifecycle.model_loading import bundle_location, load_version
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.transfer.archive import FORMAT, Archive, Head, RecordedVerdict, write


def export_version(platform: Platform, model: str, version: int | None, file: Path) -> tuple[Head, str]:
    """Write a version to a file, after every byte of its bundle was verified.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        version: Number of the version; None for the champion.
        file: File to create.

    Returns:
        What the file says about itself, and its sha256.

    Raises:
        BundleError: When the bundle is damaged, or another file has this name.
        EvidenceError: When the version was never evaluated.
        LedgerError: When the version does not exist.
    """
    champion = platform.ledger.champion(model)
    if version is None and champion is None:
        raise EvidenceError(f"{model} has no champion; name a version: {model}@1")
    chosen = version if version is not None else champion.version if champion else 0
    load_version(platform, model, chosen)
    folder, manifest = bundle_location(platform, model, chosen)
    evidence_hash = (
        champion.evidence_hash
        if champion is not None and champion.version == chosen
        else next((one.hash for one in platform.ledger.evidence_of(model, chosen)), None)
    )
    if evidence_hash is None:
        raise EvidenceError(f"{model} version {chosen} was never evaluated: it has no evidence to export")
    approval = platform.ledger.approval(evidence_hash)
    head = Head(
        FORMAT,
        mlops_assets.__version__,
        model,
        chosen,
        manifest,
        evidence_hash,
        RecordedVerdict(approval.verdict, approval.actor, approval.comment, approval.at)
        if approval
        else None,
    )
    text = canonical.canonical_text(platform.ledger.evidence(evidence_hash).body)
    files = training.bundle_files(folder, expected_manifest_sha256=manifest)
    return head, write(file, Archive(head, text, files))
