"""The trainings of all schedules, carried out by other processes before the replay needs them.

A scheduled training depends on its rows and its recipe, not on any decision before it. Each process builds the feature
table of an instant and fits it into the store that the replay reads. A training that only a report requests, or that
sees other rows, is carried out by the replay itself, so that the result is the same with any number of processes.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from mlops_assets import features, readings, validation
from mlops_assets.backtest.fit_store import FitStore, fit_key
from mlops_assets.backtest.policies import Policy
from mlops_assets.backtest.schedule import last_instant
from mlops_assets.datasets import content_hash, storable
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle.platform import Run
from mlops_assets.lifecycle.stages.candidates import Study
from mlops_assets.settings import Settings

START: Final = "spawn"
"""Forked processes would inherit the locks of threads that do not exist in them."""


def scheduled(
    policies: Sequence[Policy], instants: Sequence[datetime], first: int = 0
) -> Iterator[tuple[Policy, datetime]]:
    """Yield every training that a schedule will request, once per recipe, in order of time.

    Args:
        policies: The policies.
        instants: Instants of decisions, and the end.
        first: The first step that is left; step 0 trains every recipe.

    Yields:
        A policy with the recipe, and the instant.
    """
    known: set[tuple[str, datetime]] = set()
    for step, at in list(enumerate(instants[:-1]))[first:]:
        for policy in policies:
            schedules = policy.spec.schedules
            due = step == 0 or last_instant(schedules.retrain, schedules.timezone, instants[step - 1], at)
            if due and (policy.recipe_digest, at) not in known:
                known.add((policy.recipe_digest, at))
                yield policy, at


class FitsAhead:
    """Trainings in other processes; a context manager that ends them.

    Args:
        trainings: Policies and instants, in the order in which the replay needs them.
        history: The rows of the whole span.
        settings: The platform's settings.
        folder: Where fits are kept.
        jobs: Number of processes; none is started without trainings.
    """

    def __init__(
        self,
        trainings: Iterable[tuple[Policy, datetime]],
        history: readings.History,
        settings: Settings,
        folder: Path,
        jobs: int,
    ) -> None:
        self.carried_out: dict[str, float] = {}
        """Processor time of the fits that the replay waited for, by key."""
        self._pool = ProcessPoolExecutor(
            jobs,
            mp_context=multiprocessing.get_context(START),
            initializer=_begin,
            initargs=(history, settings, folder),
        )
        self._futures: dict[tuple[str, datetime], Future[tuple[str, float] | None]] = {
            (policy.recipe_digest, at): self._pool.submit(_fit_one, policy, at) for policy, at in trainings
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        """Finish the trainings that have begun and drop the others; after an error end them at once."""
        if exception[0] is not None:
            for process in multiprocessing.active_children():
                process.terminate()
        self._pool.shutdown(cancel_futures=True)

    def wait(self, policy: Policy, at: datetime) -> None:
        """Wait for a training, where a schedule requested it.

        Args:
            policy: The policy.
            at: The instant.
        """
        future = self._futures.get((policy.recipe_digest, at))
        if future is not None:
            with contextlib.suppress(BrokenExecutor):  # a process was killed: the replay fits it itself
                carried_out = future.result()
                self.carried_out.update([carried_out] if carried_out else [])


_state: dict[str, tuple[readings.History, Settings, FitStore, Path]] = {}
"""What every task of this process reads, sent once and not with each task."""


def _begin(history: readings.History, settings: Settings, folder: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the replay
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _state["all"] = history, settings, FitStore(folder), folder


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()  # a killed replay closes no pool
    os._exit(1)


def _fit_one(policy: Policy, at: datetime) -> tuple[str, float] | None:
    """Carry out one training; return its key and processor time, None where it was known or cannot be."""
    history, settings, fits, folder = _state["all"]
    spec = policy.spec
    try:
        raw = storable(readings.read(spec, as_of=at, settings=settings, history=history).frame)
        usable = validation.validate(spec, raw, as_of=at, reference=None)
        if not usable.passed:
            return None
        frame = storable(features.build(spec, storable(usable.valid)))
        key = fit_key(policy.recipe_digest, content_hash(frame))
        if fits.knows(key):
            return None
        run = Run(key, at, lambda: at, "backtest", "", lambda _sentence: None)
        fits.fit(key)(spec, frame, features.split(spec, frame), run, Study(folder / f"{key}.journal", key))
        return (key, fits.new[key]) if key in fits.new else None  # another process was faster
    except MlopsError:
        return None  # the replay meets the same, and records it with its step
