"""The ledger as the prediction API sees it: what it says about champions stays readable while it does not respond.

Comes in: queries of the API. Goes out: the ledger's results, or, while it does not respond, those that it gave last,
from files below MLOPS_HOME, also after a restart. Writing and every other query fail as those of the ledger itself.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from pydantic import TypeAdapter, ValidationError
from typing_extensions import override

from mlops_assets.errors import ServiceError
from mlops_assets.ledger import ApiKey, ChampionState, Evidence, Ledger, ModelVersion
from mlops_assets.ledger.engine import make_engine
from mlops_assets.ledger.migrating import require_head

T = TypeVar("T")

PAUSE_SECONDS: Final = 5.0
"""After a query without a response, cached results are used for so long without trying again."""


class CachedLedger(Ledger):
    """A ledger that may be away when it is opened."""

    _folder: Path
    _pause: float = 0.0

    @classmethod
    def open_with(cls, folder: Path, url: str, approvals_url: str | None = None) -> Self:
        """Open the ledger at a PostgreSQL URL, whether or not it responds.

        Args:
            folder: Where results are cached; it is created.
            url: PostgreSQL URL of the ledger's database.
            approvals_url: As for `Ledger.open`.

        Returns:
            The ledger.

        Raises:
            LedgerError: When the URL is not PostgreSQL, or the schema is missing or at another revision.
        """
        ledger = cls(make_engine(url), None if approvals_url is None else make_engine(approvals_url))
        ledger._folder = folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(ServiceError), ledger._transaction() as connection:
            require_head(connection)
        return ledger

    def last_states(self) -> Mapping[str, ChampionState]:
        """Return the champion states that the ledger gave last, by model; empty where it never did."""
        models = self._read(tuple[str, ...], "models") or ()
        states = {model: self._read(ChampionState, "champion_state", model) for model in models}
        return {model: state for model, state in states.items() if state is not None}

    @override
    def models(self) -> tuple[str, ...]:
        return self._noted(tuple[str, ...], super().models(), "models")

    @override
    def champion_state(self, model: str) -> ChampionState:
        return self._noted(ChampionState, super().champion_state(model), "champion_state", model)

    @override
    def model_version(self, model: str, version: int) -> ModelVersion:
        query = super().model_version
        return self._recalled(ModelVersion, lambda: query(model, version), "model_version", model, version)

    @override
    def evidence_of(self, model: str, version: int) -> tuple[Evidence, ...]:
        query = super().evidence_of
        return self._recalled(
            tuple[Evidence, ...], lambda: query(model, version), "evidence_of", model, version
        )

    @override
    def evidence(self, hash_: str) -> Evidence:
        query = super().evidence
        return self._recalled(Evidence, lambda: query(hash_), "evidence", hash_)

    @override
    def rollback_target(self, model: str) -> int | None:
        query = super().rollback_target
        return self._recalled(int | None, lambda: query(model), "rollback_target", model)

    @override
    def api_keys(self) -> tuple[ApiKey, ...]:
        return self._recalled(tuple[ApiKey, ...], super().api_keys, "api_keys")

    @cached_property
    def _written(self) -> dict[Path, bytes]:
        return {}

    def _recalled(self, kind: Any, query: Callable[[], T], *key: object) -> T:
        """Return the result of a query, the last one while the ledger does not respond."""
        if time.monotonic() < self._pause and self._path(*key).exists():
            recalled: T = self._read(kind, *key)
            return recalled
        try:
            return self._noted(kind, query(), *key)
        except ServiceError:
            self._pause = time.monotonic() + PAUSE_SECONDS
            if not self._path(*key).exists():
                raise
        remembered: T = self._read(kind, *key)
        return remembered

    def _noted(self, kind: Any, result: T, *key: object) -> T:
        """Write a result that changed; a disk that is full costs the cache, not the prediction."""
        path, body = self._path(*key), TypeAdapter(kind).dump_json(result)
        if self._written.get(path) != body:
            with contextlib.suppress(OSError):
                handle, name = tempfile.mkstemp(dir=self._folder)
                with os.fdopen(handle, "wb") as file:
                    file.write(body)
                Path(name).replace(path)
                self._written[path] = body
        return result

    def _read(self, kind: Any, *key: object) -> Any:
        """Return a result of earlier, None where there is none that this code reads."""
        try:
            return TypeAdapter(kind).validate_json(self._path(*key).read_bytes())
        except (OSError, ValidationError):
            return None

    def _path(self, *key: object) -> Path:
        name = hashlib.sha256("\x00".join(map(str, key)).encode()).hexdigest()[:32]
        return self._folder / f"{name}.json"
