"""Who may do what: the keys of callers, checked in constant time, with roles, an end and a limit per minute.

Comes in: the header of a request. Goes out: a refusal with its reason, or nothing. Keys are followed in the ledger, so
that a revoked key ends within seconds; while the ledger does not respond, the keys that were read last count.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from mlops_assets.errors import MlopsError
from mlops_assets.ledger import ApiKey

PREFIX: Final = "mlops"
REFRESH_SECONDS: Final = 2.0
LONGEST_PROBLEM: Final = 500
ROLES: Final = {
    "predict": frozenset({"predict", "describe"}),
    "read": frozenset({"read", "describe"}),
    "operate": frozenset({"predict", "read", "describe"}),
}
"""What each role may do: predict (also explain, post labels), describe (models), read (documentation, metrics)."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is refused before its body is read. retry_seconds: when to try again, for a limit."""

    status: int
    reason: str
    retry_seconds: int | None = None


@dataclass(slots=True)
class Allowance:
    """Requests that a key may still make now; they come back evenly over a minute."""

    left: float
    at: float


@dataclass
class Keys:
    """The keys that a process knows.

    Args:
        own: The key of the environment or the key file, which may do everything; None for none.
        source: Returns the keys of the ledger.
    """

    own: str | None
    source: Callable[[], Sequence[ApiKey]] = tuple
    problem: str | None = None
    _known: dict[str, ApiKey] = field(default_factory=dict)
    _allowances: dict[str, Allowance] = field(default_factory=dict)
    _last_tick: float = field(default_factory=time.monotonic)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Read the keys, then keep following them."""
        self.refresh()
        self._thread = threading.Thread(target=self._follow, name="api-keys", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop following."""
        self._stop.set()

    def refresh(self) -> None:
        """Read the keys once; while the ledger does not respond, the earlier ones stay."""
        try:
            self._known = {key.id: key for key in self.source()}
            self.problem = None
        except BaseException as error:  # noqa: BLE001 a thread that ended would honor revoked keys until a restart
            text = str(error) if isinstance(error, MlopsError) else f"{type(error).__name__}: {error}"
            self.problem = text[:LONGEST_PROBLEM]
        finally:
            self._last_tick = time.monotonic()

    def loops(self) -> dict[str, Any]:
        """Return whether the following thread runs, and the seconds since it last looked."""
        alive = self._thread is None or self._thread.is_alive()
        return {"api_keys": {"alive": alive, "seconds": round(time.monotonic() - self._last_tick, 1)}}

    def _follow(self) -> None:
        while not self._stop.wait(REFRESH_SECONDS):
            self.refresh()

    def refusal(self, sent: bytes, action: str) -> Refusal | None:
        """Return why a caller may not do something, or None.

        Args:
            sent: The key as sent.
            action: predict, describe or read.

        Returns:
            Status and reason, or None when the action is allowed.
        """
        if self.own is not None and hmac.compare_digest(sent, self.own.encode()):
            return None
        known = self._known.get(key_id(sent))
        expected = known.hash if known is not None else "0" * 64
        if not hmac.compare_digest(digest(sent), expected) or known is None:
            return Refusal(401, "send the key in the header x-api-key")
        now = datetime.now(UTC)
        if known.revoked_at is not None:
            return Refusal(401, f"the key {known.id} was revoked; ask for another")
        if known.expires_at is not None and known.expires_at <= now:
            return Refusal(401, f"the key {known.id} expired at {known.expires_at:%Y-%m-%d %H:%M} UTC")
        if action not in ROLES[known.role]:
            return Refusal(403, f"the key {known.id} has the role {known.role!r}, which may not {action}")
        return self._over_limit(known)

    def _over_limit(self, key: ApiKey) -> Refusal | None:
        if key.per_minute is None:
            return None
        now = time.monotonic()
        allowance = self._allowances.setdefault(key.id, Allowance(key.per_minute, now))
        back = (now - allowance.at) * key.per_minute / 60.0
        allowance.left, allowance.at = min(key.per_minute, allowance.left + back), now
        if allowance.left >= 1.0:
            allowance.left -= 1.0
            return None
        wait = int((1.0 - allowance.left) * 60.0 / key.per_minute) + 1
        return Refusal(429, f"the key {key.id} may make {key.per_minute} requests a minute", wait)


def new_key() -> tuple[str, str]:
    """Return a new key and its id. The key is shown once and stored nowhere."""
    identity = secrets.token_hex(4)
    return f"{PREFIX}_{identity}_{secrets.token_urlsafe(32)}", identity


def key_id(sent: bytes) -> str:
    """Return the public part of a key, '' where it has none.

    Args:
        sent: The key.

    Returns:
        The public part, which names the key in the ledger.
    """
    parts = sent.split(b"_", 2)
    return parts[1].decode("latin-1") if len(parts) == 3 and parts[0] == PREFIX.encode() else ""


def digest(sent: bytes) -> str:
    """Return what the ledger stores of a key: keys are 256 random bits, so that one round of sha256 suffices.

    Args:
        sent: The key.

    Returns:
        sha256, 64 hexadecimal digits.
    """
    return hashlib.sha256(sent).hexdigest()


def action_of(method: str, path: str) -> str:
    """Return what a request does: predict, describe or read.

    Args:
        method: HTTP method.
        path: The path, without a slash at its end.

    Returns:
        `predict`, `describe` or `read`.
    """
    if method == "POST":
        return "predict"
    return "describe" if path == "/v2" or path.startswith(("/v2/", "/models")) else "read"
