"""Who is signed in, and how fast keys may be tried."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

LOGGER = logging.getLogger(__name__)
FREE_ATTEMPTS: Final = 3
MANY_ATTEMPTS: Final = 10
LONGEST_WAIT: Final = 300.0
LONGEST_SESSION: Final = 8 * 3600.0
MOST_SESSIONS: Final = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """Who sits in front of the browser, the token their forms carry, and when it ends."""

    name: str
    token: str
    until: float


class Sessions:
    """Open sessions. After some wrong keys in a row every further attempt has to wait, twice as long each time.

    Args:
        key: The key a person must know.
        clock: Seconds that only grow.
        report: Called once with a sentence when many attempts in a row failed.
    """

    def __init__(
        self,
        key: str,
        clock: Callable[[], float] = time.monotonic,
        report: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._key, self._clock, self._report = key.encode(), clock, report
        self._attempts = 0
        self._sessions: dict[str, Session] = {}
        self._wrong, self._not_before = 0, 0.0

    def wait(self) -> float:
        """Return the seconds until a key may be tried again."""
        return max(0.0, self._not_before - self._clock())

    def count_attempt(self) -> None:
        """Count an attempt without the right key, also one that was not looked at because it came too early."""
        self._attempts += 1
        if self._attempts == MANY_ATTEMPTS:
            self._report(
                f"{MANY_ATTEMPTS} attempts in a row to sign in to the review page had no right key; the wait between "
                f"two attempts grows to {LONGEST_WAIT:.0f} s. If it was none of you, find out who, and change the key"
            )

    def sign_in(self, name: str, key: str) -> str | None:
        """Create a session. Wrong keys in a row cause a growing wait.

        Args:
            name: Name of the person.
            key: The key that was typed.

        Returns:
            The new session's cookie, or None for a wrong key or an empty name.
        """
        if not secrets.compare_digest(key.encode(errors="replace"), self._key):
            self._wrong += 1
            self.count_attempt()
            if self._wrong >= FREE_ATTEMPTS:
                self._not_before = self._clock() + min(2.0 ** (self._wrong - FREE_ATTEMPTS), LONGEST_WAIT)
                LOGGER.warning("%d wrong keys in a row were sent to the review page", self._wrong)
            return None
        if not name:
            return None
        self._wrong, self._not_before, self._attempts = 0, 0.0, 0
        self._drop_ended()
        cookie = secrets.token_urlsafe(32)
        self._sessions[cookie] = Session(name, secrets.token_urlsafe(32), self._clock() + LONGEST_SESSION)
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie.

        Args:
            cookie: Value of the cookie.

        Returns:
            The session, or None when there is none or it has ended.
        """
        session = self._sessions.get(cookie)
        return session if session is not None and session.until > self._clock() else None

    def sign_out(self, cookie: str) -> None:
        """End a session.

        Args:
            cookie: Value of the cookie.
        """
        self._sessions.pop(cookie, None)

    def _drop_ended(self) -> None:
        now = self._clock()
        self._sessions = {cookie: one for cookie, one in self._sessions.items() if one.until > now}
        while len(self._sessions) >= MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
