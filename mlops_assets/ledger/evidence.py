"""Evidence: what a decision rested on, stored under its own hash and never changed.

Comes in: a body of plain values. Goes out: its sha256, and later the same body, checked. What belongs in the
body is decided by the package that creates it; the ledger only adds the model and version it is about, so that one
model's evidence can never stand for another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Text, cast, select, text
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.errors import EvidenceError
from mlops_assets.ledger import canonical
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.records import Evidence
from mlops_assets.ledger.schema import evidence
from mlops_assets.ledger.versions import require_version


class EvidenceStore(Store):
    """The verbs on evidence."""

    def record_evidence(self, model: str, version: int, body: Mapping[str, Any], at: datetime) -> str:
        """Store evidence about one version. The same body again stores nothing and has the same hash.

        The hash is the sha256 of the canonical text (see canonical.py) of the body with `model` and `version`
        in it.

        Args:
            model: Name of the model, as in its model file.
            version: Number of the model version, from 1.
            body: Split, metrics, gate results, data versions; values that `canonical_text` accepts.
            at: Time of the evaluation, with a zone.

        Returns:
            The hash, 64 hexadecimal digits.

        Raises:
            EvidenceError: When a value cannot be written, or the body names another model or version.
            LedgerError: When the version does not exist.
        """
        text_of_body = canonical.canonical_text(_bound(model, version, body))
        hash_ = canonical.digest(text_of_body)
        with self._transaction() as connection:
            require_version(connection, model, version)
            connection.execute(
                insert(evidence)
                .values(
                    hash=hash_,
                    model=model,
                    version=version,
                    body=text("cast(:body as json)").bindparams(body=text_of_body),
                    at=utc(at),
                )
                .on_conflict_do_nothing(index_elements=["hash"])
            )
        return hash_

    def evidence(self, hash_: str) -> Evidence:
        """Return the evidence of this hash.

        Args:
            hash_: sha256 of the evidence's canonical text, 64 hexadecimal digits.

        Returns:
            The evidence, its text hashed again.

        Raises:
            EvidenceError: When there is none or its body was altered.
        """
        with self._transaction() as connection:
            return require_evidence(connection, hash_)

    def evidence_of(self, model: str, version: int) -> tuple[Evidence, ...]:
        """Return all evidence about one version.

        Args:
            model: Name of the model, as in its model file.
            version: Number of the model version, from 1.

        Returns:
            Evidence, newest first.

        Raises:
            EvidenceError: When a body was altered.
        """
        query = (
            select(evidence.c.hash)
            .where(evidence.c.model == model, evidence.c.version == version)
            .order_by(evidence.c.at.desc(), evidence.c.hash)
        )
        with self._transaction() as connection:
            return tuple(require_evidence(connection, hash_) for hash_ in connection.scalars(query).all())


def require_evidence(connection: Connection, hash_: str) -> Evidence:
    """Return the evidence after hashing its text again.

    Args:
        connection: An open connection; the caller owns its transaction.
        hash_: sha256 of the evidence's canonical text, 64 hexadecimal digits.

    Returns:
        The evidence.

    Raises:
        EvidenceError: When it is missing or altered.
    """
    row = connection.execute(
        select(
            evidence.c.model, evidence.c.version, evidence.c.at, cast(evidence.c.body, Text).label("body")
        ).where(evidence.c.hash == hash_)
    ).one_or_none()
    if row is None:
        raise EvidenceError(f"the ledger holds no evidence {hash_}; record it before deciding on it")
    if canonical.digest(row.body) != hash_:
        raise EvidenceError(f"evidence {hash_} does not have the hash it is stored under: it was altered")
    return Evidence(
        hash=hash_, model=row.model, version=row.version, body=canonical.parse(row.body), at=utc(row.at)
    )


def require_evidence_about(connection: Connection, hash_: str, model: str, version: int) -> Evidence:
    """Return the evidence, which must be about exactly this version.

    Args:
        connection: An open connection; the caller owns its transaction.
        hash_: sha256 of the evidence's canonical text, 64 hexadecimal digits.
        model: Name of the model, as in its model file.
        version: Number of the model version, from 1.

    Returns:
        The evidence.

    Raises:
        EvidenceError: When it is missing, altered, or about another model or version.
    """
    recorded = require_evidence(connection, hash_)
    if (recorded.model, recorded.version) != (model, version):
        raise EvidenceError(
            f"evidence {hash_} is about {recorded.model} version {recorded.version}, not {model} version {version}"
        )
    return recorded


def _bound(model: str, version: int, body: Mapping[str, Any]) -> dict[str, Any]:
    for key, expected in (("model", model), ("version", version)):
        if key in body and body[key] != expected:
            raise EvidenceError(
                f"the evidence names {key} {body[key]!r} but was recorded for {expected!r}; nothing was stored"
            )
    return {**body, "model": model, "version": version}
