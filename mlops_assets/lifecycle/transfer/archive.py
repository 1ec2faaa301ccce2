"""The file that carries a version: bundle, evidence and verdict, each file with its hash; equal content, equal bytes.

It is a zip file without compression: `export.json`, `evidence.json` and the files of the bundle below `bundle/`.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import secrets
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from mlops_assets.artifacts import Evidence, from_json, to_json
from mlops_assets.errors import BundleError, EvidenceError
from mlops_assets.ledger import canonical
from mlops_assets.ledger.records import Verdict
from mlops_assets.training.bundles.manifest import MANIFEST

FORMAT: Final = 1
HEAD: Final = "export.json"
EVIDENCE: Final = "evidence.json"
BUNDLE: Final = "bundle/"
LARGEST_BYTES: Final = 16 * 2**30
EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
"""The time of every entry, so that equal content gives equal bytes."""


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """A person's verdict where the version comes from. It is shown, and counts for no gate elsewhere."""

    verdict: Verdict
    actor: str
    comment: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """What the file says about itself.

    Attributes:
        format: Version of this layout.
        release: Version of this package that wrote it.
        model: Name of the model.
        version: Number of the version where it comes from.
        manifest_sha256: Hash of the bundle's manifest, which has the hash of every file of the bundle.
        evidence_hash: Hash of the evidence.
        verdict: The verdict on this evidence; None where nobody decided.
    """

    format: int
    release: str
    model: str
    version: int
    manifest_sha256: str
    evidence_hash: str
    verdict: RecordedVerdict | None


@dataclass(frozen=True, slots=True)
class Archive:
    """A version outside of any environment.

    Attributes:
        head: What the file says about itself.
        evidence_text: The evidence as canonical text.
        bundle: Content of each file of the bundle by name.
    """

    head: Head
    evidence_text: str
    bundle: Mapping[str, bytes]

    @property
    def evidence(self) -> Evidence:
        """Return the evidence."""
        return from_json(Evidence, canonical.parse(self.evidence_text))


def write(file: Path, archive: Archive) -> str:
    """Write the file, whole or not at all; the same content again changes nothing.

    Args:
        file: File to create.
        archive: The version.

    Returns:
        sha256 of the file, 64 hexadecimal digits.

    Raises:
        BundleError: When another file has this name.
    """
    out = io.BytesIO()
    head = canonical.canonical_text(to_json(archive.head)).encode()
    files = {HEAD: head, EVIDENCE: archive.evidence_text.encode()}
    files |= {BUNDLE + name: body for name, body in sorted(archive.bundle.items())}
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as made:
        for name, body in files.items():
            made.writestr(zipfile.ZipInfo(name, EARLIEST), body)
    body = out.getvalue()
    if file.exists() and file.read_bytes() != body:
        raise BundleError(f"{file} exists and has another content: choose another name, or remove it")
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}.tmp")
    try:
        with draft.open("xb") as stream:
            stream.write(body)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
    return hashlib.sha256(body).hexdigest()


def read(file: Path) -> Archive:
    """Return what the file carries, its evidence and manifest verified by their hashes.

    The files of the bundle are verified when the bundle is loaded.

    Args:
        file: A file that `write` wrote.

    Returns:
        The version.

    Raises:
        BundleError: When it is no such file, is incomplete, or contradicts itself.
        EvidenceError: When the evidence was altered, or is about another version or bundle.
    """
    files = _files(file)
    try:
        head = from_json(Head, canonical.parse(files.pop(HEAD).decode()))
        evidence_text = files.pop(EVIDENCE).decode("utf-8", "replace")  # other bytes have another hash
    except (KeyError, ValueError, TypeError, EvidenceError) as error:
        raise BundleError(
            f"{file}: {HEAD} was altered, or 'mlops export' did not write the file: {error}"
        ) from None
    if head.format != FORMAT:
        raise BundleError(f"{file} has format {head.format}; this release reads {FORMAT}")
    if hashlib.sha256(evidence_text.encode()).hexdigest() != head.evidence_hash:
        raise EvidenceError(
            f"{file}: {EVIDENCE} was altered: it does not have the hash {head.evidence_hash[:12]}"
        )
    archive = Archive(head, evidence_text, {name.removeprefix(BUNDLE): body for name, body in files.items()})
    try:
        evidence = archive.evidence
    except (ValueError, TypeError) as error:
        raise EvidenceError(f"{file}: {EVIDENCE} cannot be read by this release: {error}") from None
    if (evidence.model, evidence.version) != (head.model, head.version):
        raise EvidenceError(
            f"{file}: the evidence is about {evidence.model} version {evidence.version}, the file about {head.model} "
            f"version {head.version}"
        )
    actual = hashlib.sha256(archive.bundle.get(MANIFEST, b"")).hexdigest()
    for what, expected in (("export", head.manifest_sha256), ("evidence", evidence.manifest_sha256)):
        if actual != expected:
            raise BundleError(
                f"{file}: {MANIFEST} of the bundle was altered: its sha256 is {actual[:12]}, the {what} says "
                f"{expected[:12]}"
            )
    return archive


def _files(file: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            for entry in entries:
                name = entry.filename.removeprefix(BUNDLE)
                plain = name in (HEAD, EVIDENCE) or (
                    name != entry.filename and re.fullmatch(r"\w[\w.-]*", name)
                )
                if not plain or entry.compress_type != zipfile.ZIP_STORED:
                    raise BundleError(
                        f"{file}: {entry.filename!r} is not part of an export; nothing was read"
                    )
            if len({entry.filename for entry in entries}) < len(entries):
                raise BundleError(f"{file}: two entries have the same name; nothing was read")
            if sum(entry.file_size for entry in entries) > LARGEST_BYTES:
                raise BundleError(f"{file} is larger than {LARGEST_BYTES:,} bytes; nothing was read")
            return {entry.filename: archive.read(entry) for entry in entries}
    except (zipfile.BadZipFile, RuntimeError, EOFError) as error:  # damaged, encrypted, cut short
        raise BundleError(f"{file} is damaged or no export: {error}") from None
