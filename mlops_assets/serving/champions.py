"""Follows the champions in the ledger: each is loaded and verified next to the one that serves, then swapped.

A champion that cannot be loaded never replaces one that serves; a ledger that does not respond changes nothing. One
model or one tick that fails, however it fails, is named and tried again; it ends nothing.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from mlops_assets.artifacts import FeatureMatrix, Profile, from_json
from mlops_assets.errors import MlopsError
from mlops_assets.ledger import Champion, ChampionState
from mlops_assets.lifecycle.model_loading import (
    bundle_location,
    load_version,
    require_loadable,
    spec_of_bundle,
)
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec, find_model
from mlops_assets.serving.direct import DirectPath
from mlops_assets.serving.fallback import Ladder
from mlops_assets.serving.history import History, latest_table, read_history
from mlops_assets.serving.parity import Parity, parity
from mlops_assets.serving.served import Served
from mlops_assets.validation import SensorChecks

POLL_SECONDS: Final = 1.0
DATA_SECONDS: Final = 5.0
"""Between two looks at the stored readings of a model that looks back."""
DATA_COST: Final = 50.0
"""How many times as long as such a look took the next one waits at least: the looks stay below 2 % of one core."""
_LOGGER: Final = logging.getLogger(__name__)
LOAD_SECONDS: Final = 60.0
"""How long another process may take to load a bundle before it is loaded here."""
LOAD_BYTES: Final = 4 * 1024**3
"""Address space that loading may add to that process."""
MOST_LOADS: Final = 4
"""Champions that are loaded at the same time."""
TICK_SECONDS: Final = 2.0
"""How long a look at the ledger waits for loads; longer ones go on while the other models are followed."""
START_SECONDS: Final = 120.0
"""How long the start waits for them: what is not loaded then is loaded later."""
LONGEST_DELAY: Final = 60.0
"""Seconds after which a champion that could not be loaded is tried again, at the latest."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a revision of a model is not served, and when it is tried again."""

    revision: int
    reason: str
    attempts: int
    next_attempt: float


def end_process() -> None:
    """End this process as a supervisor would, so that it is started again."""
    os.kill(os.getpid(), signal.SIGTERM)


class Champions:
    """Follows the ledger in a thread of its own, so that a request never waits for a load.

    Args:
        platform: The stores.
        poll_seconds: Seconds between two looks at the ledger.
        on_end: Called when the thread ends without `stop`; by default it ends the process.
        last_states: Returns the champion states that the ledger gave last, which count while it does not respond and
            nothing is loaded yet.
        state_of: Returns what is followed of a model; by default its champion.
    """

    def __init__(
        self,
        platform: Platform,
        poll_seconds: float = POLL_SECONDS,
        on_end: Callable[[], None] = end_process,
        last_states: Callable[[], Mapping[str, ChampionState]] = dict,
        state_of: Callable[[str], ChampionState] | None = None,
    ) -> None:
        self._platform = platform
        self._poll = poll_seconds
        self._on_end = on_end
        self.warm: Callable[[str, int], Served | None] = lambda _model, _version: None
        """Returns a version that is in memory already, where a roll-out has loaded it."""
        self._last_states = last_states
        self._state_of = state_of or (lambda model: platform.ledger.champion_state(model))
        self._loads: dict[str, tuple[int, threading.Thread]] = {}
        self._slots = threading.Semaphore(MOST_LOADS)
        self._served: dict[str, Served] = {}
        self._failures: dict[str, Failure] = {}
        self._data_problems: dict[str, str] = {}
        self._next_data: dict[str, float] = {}
        self._parity: dict[str, Parity] = {}
        self._known: tuple[str, ...] = ()
        self._ledger_problem: str | None = None
        self._last_tick = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="champions", daemon=True)

    def start(self) -> None:
        """Load what is champion now, then keep following."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """End the following thread."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    def served(self, model: str) -> Served | None:
        """Return the champion that serves now.

        Args:
            model: Name of the model.

        Returns:
            The champion, or None when the model does not serve.
        """
        return self._served.get(model)

    def known(self) -> tuple[str, ...]:
        """Return the models that have a version, by name."""
        return self._known

    def is_known(self, model: str) -> bool:
        """Return whether the model has a version or a model file.

        Args:
            model: Name of the model.

        Returns:
            False for an unknown name, and when the models folder cannot be read.
        """
        if model in self._known or model in self._served:
            return True
        try:
            return find_model(self._platform.settings.models, model) is not None
        except Exception:  # noqa: BLE001 a folder that cannot be read must not turn a 404 into a 500
            return False

    def why_not(self, model: str) -> str:
        """Return why a model does not serve, in one sentence.

        Args:
            model: Name of the model.

        Returns:
            A sentence with the command that helps.
        """
        if model in self._failures:
            return self._failures[model].reason
        if self._ledger_problem:
            return f"the ledger does not respond: {self._ledger_problem}"
        return f"{model} has no champion yet; run 'mlops run {model}'"

    def status(self) -> dict[str, Any]:
        """Return what is served, and what is wrong."""
        problems = {name: failure.reason for name, failure in self._failures.items()}
        return {
            "models": {
                name: {"version": served.version, "revision": served.revision}
                for name, served in dict(self._served).items()
            },
            "problems": {**self._data_problems, **problems},
            "ledger": self._ledger_problem or "ok",
        }

    def loops(self) -> dict[str, Any]:
        """Return whether the following thread runs, and the seconds since it last looked."""
        alive = self._thread.is_alive() or self._thread.ident is None
        return {"champions": {"alive": alive, "seconds": round(time.monotonic() - self._last_tick, 1)}}

    def _follow(self) -> None:
        try:
            while not self._stop.wait(self._poll):
                self.refresh(TICK_SECONDS)
        finally:
            if not self._stop.is_set():
                self._on_end()

    @property
    def is_cached(self) -> bool:
        """Return whether the ledger does not respond, so that an earlier state serves."""
        return self._ledger_problem is not None

    def refresh(self, seconds: float = START_SECONDS) -> None:
        """Look at the ledger once, then at the stored readings of the models that look back.

        Args:
            seconds: How long to wait for champions that have to be loaded.
        """
        try:
            self._known = self._platform.ledger.models()
            states = {name: self._state_of(name) for name in self._known}
            self._ledger_problem = None
        except BaseException as error:  # noqa: BLE001 PanicException is a BaseException, and no tick may end the thread
            self._ledger_problem = describe(error)
            if self._served:
                return
            states = dict(self._last_states())
            self._known = tuple(states)
        finally:
            self._last_tick = time.monotonic()
        loads = [self._load(name, state) for name, state in states.items() if self._needs_load(name, state)]
        for name, state in states.items():
            self._refresh_model(name, state)
            self._last_tick = time.monotonic()
        end = time.monotonic() + seconds
        for load in loads:
            load.join(max(0.0, end - time.monotonic()))
            self._last_tick = time.monotonic()

    def _refresh_model(self, name: str, state: ChampionState) -> None:
        """Follow what a model needs besides a load."""
        if state.champion is None:
            self._served.pop(name, None)
            self._failures.pop(name, None)
            self._data_problems.pop(name, None)
            return
        try:
            self._follow_data(name)
            self._report_fallbacks(name)
        except BaseException as error:  # noqa: BLE001 as above: one model must not end the others
            self._fail(name, state.revision, f"{name} cannot be followed: {describe(error)}")

    def _needs_load(self, name: str, state: ChampionState) -> bool:
        current, failure = self._served.get(name), self._failures.get(name)
        loading, load = self._loads.get(name, (0, None))
        if state.champion is None:
            return False
        if current is not None and (current.revision, current.version) == (
            state.revision,
            state.champion.version,
        ):
            return False
        if load is not None and load.is_alive() and loading == state.revision:
            return False  # an older revision that takes its time does not keep a rollback waiting
        waits = failure and failure.revision == state.revision and time.monotonic() < failure.next_attempt
        return not waits

    def _load(self, name: str, state: ChampionState) -> threading.Thread:
        """Start to load a champion next to the one that serves."""

        def run() -> None:
            with self._slots:
                self._swap(name, state)

        load = threading.Thread(target=run, name=f"load-{name}", daemon=True)
        self._loads[name] = (state.revision, load)
        load.start()
        return load

    def _swap(self, name: str, state: ChampionState) -> None:
        assert state.champion is not None
        version = state.champion.version
        try:
            warm = self.warm(name, version)
            loaded = (
                load(self._platform, name, state.champion, state.revision)
                if warm is None
                else as_champion(self._platform, warm, state.champion, state.revision)
            )
            current = self._served.get(name)
            if current is not None and current.revision > state.revision:
                return
            self._served[name] = loaded
        except BaseException as error:  # noqa: BLE001 as above
            self._fail(
                name, state.revision, f"version {version} of {name} cannot be served: {describe(error)}"
            )
            return
        self._failures.pop(name, None)
        self._data_problems.pop(name, None)
        self._next_data[name] = time.monotonic() + DATA_SECONDS

    def _fail(self, name: str, revision: int, reason: str) -> None:
        before = self._failures.get(name)
        attempts = before.attempts + 1 if before and before.revision == revision else 1
        delay = min(self._poll * 2**attempts, LONGEST_DELAY)
        self._failures[name] = Failure(revision, reason, attempts, time.monotonic() + delay)

    def _follow_data(self, name: str) -> None:
        served, began = self._served.get(name), time.monotonic()
        if served is None or served.history.table is None or began < self._next_data.get(name, 0.0):
            return
        try:
            newest = latest_table(self._platform.datasets, served.spec)
            if newest != served.history.table:
                history = read_history(self._platform.datasets, served.spec)
                if self._served.get(name) is served:  # a load may have swapped the champion meanwhile
                    self._served[name] = replace(served, history=history)
                    self._compare(served.spec, history)
            self._data_problems.pop(name, None)
        except BaseException as error:  # noqa: BLE001 as above; what was read before keeps serving, and says its age
            self._data_problems[name] = describe(error)
        spent = time.monotonic() - began
        self._next_data[name] = time.monotonic() + max(DATA_SECONDS, DATA_COST * spent)

    def _compare(self, spec: ModelSpec, history: History) -> None:
        """Compare the features of the newest readings with those that the batch stored."""
        compared = parity(self._platform.datasets, spec, history)
        if compared is not None:
            self._parity[spec.name] = compared
            if compared.differing:
                _LOGGER.warning(
                    "%s: %d of %d rows have other features than in the batch, such as %s",
                    *(spec.name, compared.differing, compared.rows, compared.example),
                )

    def parities(self) -> dict[str, Parity]:
        """Return, by model, how the features of the API compare with those of the batch."""
        return dict(self._parity)

    def _report_fallbacks(self, name: str) -> None:
        served = self._served.get(name)
        if served is not None and served.ladder is not None:
            served.ladder.steps.report(self._platform, served.spec)


def load(platform: Platform, name: str, champion: Champion, revision: int) -> Served:
    """Load a champion for serving.

    Args:
        platform: The stores.
        name: The model.
        champion: Its champion.
        revision: The champion's revision.

    Returns:
        The champion, verified and replayed.

    Raises:
        BundleError: The bundle is damaged, of other code, or harms the process that loads it.
        DataError: The model looks back, and its readings are missing.
    """
    _try_elsewhere(platform, name, champion.version)
    predictor, bundle = load_version(platform, name, champion.version)
    spec = _with_serving_in_force(platform, spec_of_bundle(bundle))
    extra = {str(column) for table in bundle.manifest.data for column in table.get("columns", ())}
    served = Served(
        spec,
        champion.version,
        revision,
        predictor,
        read_history(platform.datasets, spec),
        frozenset(extra),
        champion.since,
        _verdicts(platform, champion),
    )
    served = replace(served, direct=direct_path(served, bundle.sample), sample=bundle.sample)
    if not spec.serving.fallback:
        return served
    profile = from_json(Profile, bundle.profile)
    keys = {spec.timestamp, spec.entity}
    inputs = [name for name in served.columns.needed if name not in keys]
    checks = SensorChecks.of(spec, profile, inputs, served.columns.text)
    return replace(served, ladder=Ladder(checks, profile, _previous(platform, served)))


def as_champion(platform: Platform, loaded: Served, champion: Champion, revision: int) -> Served:
    """Return a version that is in memory as the champion it has become.

    Args:
        platform: The stores.
        loaded: The version, verified when it was loaded.
        champion: The champion.
        revision: The champion's revision.

    Returns:
        The champion, ready.
    """
    served = replace(loaded, revision=revision, since=champion.since, gates=_verdicts(platform, champion))
    if loaded.ladder is None:
        return served
    return replace(served, ladder=replace(loaded.ladder, previous=_previous(platform, served)))


def _previous(platform: Platform, champion: Served) -> Served | None:
    """Return the version that a rollback would return to; None where there is none or it cannot be loaded."""
    name = champion.spec.name
    if "previous" not in champion.spec.serving.fallback:
        return None
    version = platform.ledger.rollback_target(name)
    if version is None:
        return None
    try:
        predictor, bundle = load_version(platform, name, version)
        spec = spec_of_bundle(bundle)
        previous = Served(
            spec, version, champion.revision, predictor, read_history(platform.datasets, spec), champion.extra
        )
        return replace(previous, direct=direct_path(previous, bundle.sample))
    except Exception as error:  # noqa: BLE001 a broken previous version must not keep the champion from serving
        _LOGGER.warning("%s has no previous version to fall back to: %s", name, describe(error))
        return None


def _try_elsewhere(platform: Platform, name: str, version: int) -> None:
    """Load a bundle in another process before it is loaded here, unless that went well on this machine before."""
    _, manifest = bundle_location(platform, name, version)
    mark = platform.settings.home / "serving" / "loaded" / manifest
    if mark.exists():
        return
    require_loadable(platform, name, version, LOAD_SECONDS, LOAD_BYTES)
    with suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _with_serving_in_force(platform: Platform, trained: ModelSpec) -> ModelSpec:
    """Return the model file as trained, with the section `serving` of the file in the models folder."""
    try:
        in_force = find_model(platform.settings.models, trained.name)
    except MlopsError:
        return trained
    return trained if in_force is None else trained.model_copy(update={"serving": in_force[1].serving})


def direct_path(served: Served, sample: FeatureMatrix) -> DirectPath | None:
    """Return the path of a champion for a few rows without a data frame, or None where its features need one.

    Args:
        served: The champion.
        sample: Rows of its bundle.

    Returns:
        The path, or None.
    """
    return DirectPath.of(served.spec, served.columns, served.predictor, sample)


def _verdicts(platform: Platform, champion: Champion) -> dict[str, str]:
    """Return the verdict of each gate in the evidence of the promotion."""
    body = platform.ledger.evidence(champion.evidence_hash).body
    return {str(result["gate"]): str(result["verdict"]) for result in body.get("gates", ())}


def describe(error: BaseException) -> str:
    """Return an error in one bounded line; its type where the message is not one of ours.

    Args:
        error: The error.

    Returns:
        At most 500 characters of message.
    """
    text = " ".join(str(error).split())[:500]
    return text if isinstance(error, MlopsError) else f"{type(error).__name__}: {text}"
