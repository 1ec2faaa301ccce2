"""Follows the roll-outs in the ledger: loads both versions, counts, stores shadow predictions, and moves them on.

Comes in: the ledger's active roll-outs, responses that were sent. Goes out: a `Split` per model, observations, and
transitions that `lifecycle.rollouts` decides. Nothing of it is on the path of a request of a model without a roll-out,
except one look into a dictionary.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from mlops_assets.artifacts.rollouts import Rollout
from mlops_assets.ledger import Champion
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.rollouts import Judge
from mlops_assets.serving.champions import Champions, describe, load
from mlops_assets.serving.history import latest_table, read_history
from mlops_assets.serving.payload import Row
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets.serving.served import Served
from mlops_assets.serving.split import Counts, Split

POLL_SECONDS: Final = 1.0
JUDGE_SECONDS: Final = 2.0
DATA_SECONDS: Final = 30.0
"""Between two looks at the stored readings of a version that looks back."""
LOAD_ATTEMPTS: Final = 3
"""Attempts after which a version that cannot be loaded aborts its roll-out."""
KEEP_SECONDS: Final = 60.0
"""How long a version stays loaded after its roll-out: a champion that moves to it is swapped at once."""
MOST_WAITING: Final = 1_000
"""Requests whose shadow prediction waits at most; later ones are left out of the comparison."""

_LOGGER: Final = logging.getLogger(__name__)


@dataclass
class Loaded:
    """A version in memory, and until when it stays there."""

    served: Served
    keep_until: float
    next_data: float


class Rollouts:
    """Follows roll-outs in threads of their own.

    Args:
        platform: The stores.
        champions: The champions that serve.
        poll_seconds: Seconds between two looks at the ledger.
    """

    def __init__(self, platform: Platform, champions: Champions, poll_seconds: float = POLL_SECONDS) -> None:
        self._platform, self._champions, self._poll = platform, champions, poll_seconds
        self._process = f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(4)}"
        self._active: tuple[Rollout, ...] = ()
        self._splits: dict[str, Split] = {}
        self._sources: dict[str, tuple[Rollout, Served, Served]] = {}
        self._refreshing = threading.Lock()
        self._loaded: dict[tuple[str, int], Loaded] = {}
        self._counts: dict[int, Counts] = {}
        self._failures: dict[int, list[str]] = {}
        self._problem: str | None = None
        self._waiting: deque[tuple[Split, Served, Sequence[Row], str]] = deque(maxlen=MOST_WAITING)
        self._arrived = threading.Semaphore(0)
        self._log = PredictionLog(platform.ledger.store_shadow)
        self._judge = Judge(platform)
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(act, seconds), name=name, daemon=True)
            for name, act, seconds in (
                ("rollouts", self.refresh, poll_seconds),
                ("rollout-judge", self.judge, JUDGE_SECONDS),
                ("rollout-shadow", self._predict_waiting, 0.0),
            )
        ]
        champions.warm = self.warm

    def start(self) -> None:
        """Load what is under way now, then keep following."""
        self._guarded(self.refresh)
        self._log.start()
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads, and store what was counted and predicted."""
        self._stop.set()
        self._arrived.release()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout=10)
        self._log.stop()
        self._report()

    def split(self, model: str) -> Split | None:
        """Return the roll-out of a model whose versions are loaded.

        Args:
            model: Name of the model.

        Returns:
            The split, or None.
        """
        return self._splits.get(model)

    def warm(self, model: str, version: int) -> Served | None:
        """Return a version that a roll-out has loaded.

        Args:
            model: Name of the model.
            version: Number of the model version, from 1.

        Returns:
            The version, ready; None where it is not in memory.
        """
        loaded = self._loaded.get((model, version))
        return None if loaded is None else loaded.served

    def status(self) -> dict[str, str]:
        """Return a sentence per active roll-out."""
        return {one.model: one.sentence for one in self._active}

    def note(self, split: Split, version: Served, rows: Sequence[Row], prediction_id: str) -> None:
        """Queue a request for the prediction of the version that did not serve it.

        Args:
            split: The roll-out.
            version: The version that served.
            rows: Records of the request.
            prediction_id: Id of the response.
        """
        other = split.counterpart(version)
        if other is not None:
            self._waiting.append((split, other, rows, prediction_id))
            self._arrived.release()

    def refresh(self) -> None:
        """Look at the ledger once: load, drop, and report what was counted."""
        with self._refreshing:
            self._refresh()

    def _refresh(self) -> None:
        active = self._platform.ledger.active_rollouts()
        for one in active:
            self._follow(one)
        for model in set(self._splits) - {one.model for one in active}:
            del self._splits[model], self._sources[model]
        before, self._active = self._active, active
        self._report(before)
        now = time.monotonic()
        for key, loaded in list(self._loaded.items()):
            if now > loaded.keep_until:
                del self._loaded[key]
            elif now > loaded.next_data:
                self._refresh_data(loaded, now)

    def judge(self) -> None:
        """Move on the roll-outs that this process knows, where their checks say so."""
        for one in self._active:
            run = Run("serving", datetime.now(UTC), lambda: datetime.now(UTC), "serving", "", _ignore)
            if self._judge.advance(one, run) != one:
                self.refresh()

    def _repeat(self, act: Callable[[], None], seconds: float) -> None:
        """Repeat one action until the end."""
        while not self._stop.wait(seconds):
            if not self._guarded(act):
                self._stop.wait(self._poll)

    def _guarded(self, act: Callable[[], None]) -> bool:
        """Carry out an action; one that fails, however it fails, is logged once and tried again by the caller."""
        try:
            act()
        except BaseException as error:  # noqa: BLE001 PanicException is a BaseException, and no tick may end the thread
            if (problem := describe(error)) != self._problem:
                _LOGGER.warning("roll-outs cannot be followed: %s", problem)
            self._problem = problem
            return False
        return True

    def _follow(self, rollout: Rollout) -> None:
        counts = self._counts.setdefault(rollout.id, Counts())
        try:
            challenger = self._served(rollout, rollout.version)
            champion = self._served(rollout, rollout.champion_version)
        except BaseException as error:  # noqa: BLE001 as above: one model must not end the others
            self._failures.setdefault(rollout.id, []).append(describe(error))
            return
        self._failures.pop(rollout.id, None)
        sources = (rollout, challenger, champion)
        known = self._sources.get(rollout.model)
        if known is not None and known[0] == rollout and known[1] is challenger and known[2] is champion:
            return
        self._sources[rollout.model] = sources
        revision = rollout.base_revision + (rollout.state == "switched")
        self._splits[rollout.model] = Split(
            rollout, replace(challenger, revision=revision), replace(champion, revision=revision), counts
        )

    def _served(self, rollout: Rollout, version: int) -> Served:
        """Return a version of a roll-out, loaded once."""
        key, now = (rollout.model, version), time.monotonic()
        known = self._loaded.get(key)
        if known is None:
            current = self._champions.served(rollout.model)
            if current is None or current.version != version:
                champion = Champion(
                    rollout.model, version, rollout.base_revision, rollout.evidence_hash, rollout.started_at
                )
                current = load(self._platform, rollout.model, champion, rollout.base_revision)
            known = self._loaded[key] = Loaded(current, now, now + DATA_SECONDS)
        known.keep_until = now + KEEP_SECONDS
        return known.served

    def _refresh_data(self, loaded: Loaded, now: float) -> None:
        loaded.next_data = now + DATA_SECONDS
        served = loaded.served
        if served.history.table is None or latest_table(self._platform.datasets, served.spec) == (
            served.history.table
        ):
            return
        loaded.served = replace(served, history=read_history(self._platform.datasets, served.spec))

    def _report(self, ended: Sequence[Rollout] = ()) -> None:
        """Store the counts of active roll-outs, and of those that have just ended once more."""
        now, active = datetime.now(UTC), {one.id for one in self._active}
        for one in (*self._active, *(one for one in ended if one.id not in active)):
            failures = self._failures.get(one.id, [])
            observations = self._counts[one.id].observations(
                self._process,
                one.step,
                now,
                loaded=one.model in self._splits,
                problem=failures[-1] if len(failures) >= LOAD_ATTEMPTS else None,
            )
            self._platform.ledger.observe_rollout(one.id, observations)
            if one.id not in active:
                del self._counts[one.id]

    def _predict_waiting(self) -> None:
        """Predict one waiting request by the version that did not serve it, and store it under the same id."""
        self._arrived.acquire()
        if not self._waiting:
            return
        split, version, rows, prediction_id = self._waiting.popleft()
        document = split.predict_counterpart(version, rows)
        if document is not None:
            self._log.add(version, rows, {**document, "id": prediction_id})


def _ignore(_sentence: str) -> None:
    """Drop the sentences of a transition: the ledger has them."""
