"""`mlops up`: the whole platform on this machine until Ctrl-C.

Comes in: `Settings` and a place to write sentences to. Goes out: an exit code, and no process of ours left.
"""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from mlops_assets import key_files
from mlops_assets.errors import ServiceError
from mlops_assets.local import addresses, cluster, databases, locks, orphan_reaper, postgres, processes, runs
from mlops_assets.local.environment import PRIVATE, environment, make_home
from mlops_assets.local.next_retrain import schedules_sentence
from mlops_assets.local.services import Listeners, Ports, code_socket, services
from mlops_assets.local.supervised import Policy
from mlops_assets.local.supervisor import Supervisor
from mlops_assets.model_file import read_folder
from mlops_assets.settings import Settings, Stores

Echo = Callable[[str], None]
DATABASE_CHECK = 2.0  # seconds between two looks at PostgreSQL


def run_up(
    settings: Settings, *, echo: Echo, wanted: Ports | None = None, policy: Policy | None = None
) -> int:
    """Start everything, watch it, stop it on Ctrl-C, SIGTERM or SIGHUP.

    Call it from the main thread: it receives the signals.

    Args:
        settings: The platform's settings.
        echo: Receives each sentence for the person.
        wanted: Preferred ports.
        policy: When to restart what dies.

    Returns:
        The exit code: 0, or 1 when a service was given up.

    Raises:
        ServiceError: It runs already on this home, or the database cannot be started.
    """

    def say(line: str) -> None:
        # nobody may be reading any more; that is no reason to leave processes behind
        with suppress(OSError):
            echo(line)

    os.umask(PRIVATE)
    make_home(settings.home)
    # one name for it, by which leftovers are found
    settings = replace(settings, home=settings.home.resolve())
    with _alone(settings.home), _signals() as signals:
        if left := processes.sweep(settings.home, grace=5):
            say(f"Ended {left} processes that an earlier 'mlops up' had left behind")
        try:
            stores = postgres.prepare(settings, say)
            say(f"PostgreSQL is ready: {databases.shown(stores.ledger_url)}")
            _fail_orphans(settings, stores, say)
            well = signals.stop_requested() or _run(settings, stores, signals, say, wanted or Ports(), policy)
            _fail_orphans(settings, stores, say)
        finally:
            if not postgres.release(settings):
                say("PostgreSQL keeps running: another command uses it, and its end will stop it")
        say("Everything has stopped")
        return 0 if well else 1


def _run(
    settings: Settings, stores: Stores, signals: Signals, echo: Echo, wanted: Ports, policy: Policy | None
) -> bool:
    key = key_files.create_key(settings.home, key_files.API)
    listeners = listen_on(wanted, echo)
    parts = services(settings, stores, listeners)
    session = key_files.read_key(settings, key_files.FRONT)

    def ready() -> None:
        listening = {part.name: part.address for part in parts if part.address}
        addresses.write(settings.home, listening)
        for name, title in addresses.SIGNED.items():
            if name in listening:
                echo(f"{title}: {addresses.link(name, listening[name], session)}")
        echo("These links sign this browser in; nobody else on this machine can use any of them without")
        echo(f"The key of the prediction API is in {key}. Try it:")
        echo(f'  curl -H "x-api-key: $(cat {shlex.quote(str(key))})" {listening["api"]}/models')
        specs = read_folder(settings.models).specs
        echo(schedules_sentence(specs, settings.automatic, datetime.now(UTC)))
        key_file = key_files.key_file(settings.home, key_files.EXPORTER)
        echo(f"Metrics for Prometheus: {listening['exporter']}/metrics, with the bearer token in {key_file}")
        echo("Ctrl-C stops everything")

    reaper = orphan_reaper.start(settings.home, environment(settings, stores))
    try:
        supervisor = Supervisor(parts, echo, policy)
        watch = _database_watch(settings, echo)
        return supervisor.run(
            signals.stop_requested, hurry=signals.hurry_requested, all_ready=ready, watch=watch
        )
    finally:
        processes.sweep(settings.home, grace=2)  # what left its service's group
        addresses.remove(settings.home)
        listeners.close()
        orphan_reaper.dismiss(reaper)


def _fail_orphans(settings: Settings, stores: Stores, echo: Echo) -> None:
    """Fail runs without a process. An error here must not keep anybody from starting or stopping."""
    try:
        ended = runs.fail_orphans(
            settings, stores, code_socket(settings), "its process ended with 'mlops up'"
        )
    except ServiceError as error:
        echo(str(error))
        return
    if ended:
        echo(f"Marked {ended} runs as failed: their processes ended with 'mlops up'")


def listen_on(wanted: Ports, echo: Echo) -> Listeners:
    """Listen on the ports, or on the next free ones, and report each port that differs.

    Args:
        wanted: Ports to listen on; 0 for any.
        echo: Receives the sentences.

    Returns:
        Open sockets.
    """
    listeners = Listeners.on(wanted)
    ports = listeners.ports
    for title, before, after in (
        ("Dagster", wanted.dagster, ports.dagster),
        ("MLflow", wanted.mlflow, ports.mlflow),
        ("the API", wanted.api, ports.api),
        ("the review page", wanted.review, ports.review),
        ("the exporter", wanted.exporter, ports.exporter),
    ):
        if before and after != before:
            echo(f"Port {before} is in use; {title} listens on {after}")
    return listeners


def _database_watch(settings: Settings, echo: Echo) -> Callable[[], None]:
    """Return a function that restarts the embedded server; a server elsewhere is supervised elsewhere."""
    if settings.database_url is not None:
        return lambda: None
    last = time.monotonic()

    def watch() -> None:
        nonlocal last
        if time.monotonic() - last < DATABASE_CHECK:
            return
        if not (settings.home / "postgres" / "data").exists():
            raise ServiceError(f"{settings.home} was removed while 'mlops up' ran on it")
        if not locks.is_held(settings.home / "postgres" / "server.lock"):
            echo("PostgreSQL ended; starting it again")
            try:
                cluster.start(settings.home / "postgres")
                echo("PostgreSQL is ready again")
            except ServiceError as error:
                echo(str(error))
        last = time.monotonic()

    return watch


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    path = home / addresses.LOCK
    lock = locks.acquire(path)
    if lock is None:
        raise ServiceError(
            f"'mlops up' already runs on {home} (process {locks.signature(path)}): use it, stop it, or set MLOPS_HOME "
            "to another folder"
        )
    locks.sign(lock)
    try:
        yield
    finally:
        os.close(lock)


class Signals:
    """Counts the signals that mean 'stop'. No Event: setting one in a handler can deadlock with waiting for it."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Count a signal."""
        self._count += 1

    def stop_requested(self) -> bool:
        """Return whether a signal has arrived."""
        return self._count > 0

    def hurry_requested(self) -> bool:
        """Return whether a second signal has arrived."""
        return self._count > 1


@contextmanager
def _signals() -> Iterator[Signals]:
    signals = Signals()
    signs = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()  # nohup
    before = {sign: signal.signal(sign, signals) for sign in signs if sign not in ignored}
    try:
        yield signals
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
