"""The exporter as a program: `mlops exporter` in a deployment, a service of `mlops up` on one machine.

Comes in: settings, stores, a socket. Goes out: `/metrics` until a signal. What this machine knows about itself (disks,
backups, memory, the services of `mlops up`) is sampled here; the databases are read in `operations.exporter`.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Final

import psutil

from mlops_assets import logs
from mlops_assets.errors import ServiceError
from mlops_assets.ledger import Ledger
from mlops_assets.ledger.platform_history import EVERY
from mlops_assets.ledger.reader import Reader
from mlops_assets.local import addresses, backup, processes
from mlops_assets.local.probes import responds
from mlops_assets.operations import disks
from mlops_assets.operations.exporter import families
from mlops_assets.operations.exporter.collector import PlatformCollector, Rows, Source, database_sources
from mlops_assets.operations.exporter.queries import Database
from mlops_assets.operations.exporter.server import TOKEN, MetricsApp, MetricsServer, token_for
from mlops_assets.settings import Settings, Stores

DESCRIPTOR: Final = "MLOPS_EXPORTER_FD"
"""Environment variable with the socket that `mlops up` hands down."""
NAMES: Final = "MLOPS_SERVICES"
"""Environment variable with the names of all services of `mlops up`."""
PORT: Final = 9464
HEALING: Final = "MLOPS_HEALING"
"""Environment variable: off (default), recommend or act."""


def platform_sources(settings: Settings, stores: Stores, backups: Path) -> tuple[Source, ...]:
    """Return everything that the exporter reads.

    Args:
        settings: Settings of the installation.
        stores: URLs of the databases.
        backups: Folder of backups.

    Returns:
        Sources for a `PlatformCollector`; nothing is connected yet.
    """
    readers: dict[Database, Reader] = {
        "ledger": Reader.open(stores.ledger_url),
        "dagster": Reader.open(stores.dagster_url),
    }
    return (
        Source("databases up", families.DATABASE_UP, 10, partial(_databases_up, readers)),
        *database_sources(readers),
        Source("disks", families.DISKS, 10, partial(_disks, settings)),
        Source("backups", families.BACKUPS, 60, partial(_backups, backups)),
        Source("services", families.SERVICES, 30, partial(_services, settings)),
        Source("machine", families.MACHINE, 10, _machine),
    )


class Watch:
    """Stores a sample of the platform every five minutes; with MLOPS_HEALING also diagnoses it.

    Args:
        settings: Settings of the installation; `MLOPS_HEALING` is `recommend` (alerts only) or `act` (remedies too).
        stores: URLs of the databases.
        sources: What is read.
    """

    def __init__(self, settings: Settings, stores: Stores, sources: Sequence[Source]) -> None:
        self._settings, self._stores, self._sources = settings, stores, sources
        self._ledger: Ledger | None = None
        self._told = False

    def run(self) -> None:
        """Take samples until the process ends; one that fails is missing, and the next is taken."""
        while True:
            try:
                self.sample(datetime.now(UTC))
            except Exception:
                logging.getLogger(__name__).exception("a sample of the platform could not be taken")
            time.sleep(EVERY.total_seconds())

    def sample(self, at: datetime) -> None:
        """Take one sample.

        Args:
            at: The present instant, with a zone.
        """
        from mlops_assets.lifecycle.platform import Platform
        from mlops_assets.local import healing

        snapshot = healing.take_snapshot(self._sources, at)
        mode = self._settings.environ.get(HEALING, "off")
        try:
            self._ledger = self._ledger or Ledger.open(self._stores.ledger_url)
            if mode != "off":
                platform = Platform.open(self._settings, self._stores)
                try:
                    healing.run_pass(platform, snapshot, act=mode == "act")
                finally:
                    platform.ledger.close()
            self._ledger.put_samples(
                at, {(one.metric, one.label): value for one, value in snapshot.values.items()}
            )
            self._told = False
        except ServiceError:
            if mode != "off" and not self._told:
                self._told = not healing.tell_without_ledger(self._settings, snapshot)


def serve(collector: PlatformCollector, listener: socket.socket, token: str | None) -> None:
    """Serve the metrics until the process is told to stop.

    Args:
        collector: What is served.
        listener: A socket that listens.
        token: What scrapers must send; None for no check.
    """
    with MetricsServer(listener, MetricsApp(collector.text, token)) as server:
        server.serve_forever()


def run(settings: Settings, stores: Stores, host: str, port: int, ready: Callable[[str], None]) -> None:
    """Listen on an address, or on the socket that `mlops up` handed down, and serve.

    Args:
        settings: Settings of the installation.
        stores: URLs of the databases.
        host: The address to listen on; one that others can reach needs a token.
        port: The port; 0 for any.
        ready: Called with the address.

    Raises:
        ServiceError: The port is taken, or the address needs a token.
    """
    token = token_for(host, settings.environ.get(TOKEN))
    inherited = settings.environ.get(DESCRIPTOR)
    try:
        listener = socket.socket(fileno=int(inherited)) if inherited else socket.create_server((host, port))
    except OSError as error:
        raise ServiceError(f"the exporter cannot listen on {host}:{port}: {error.strerror}") from error
    ready("http://{}:{}/metrics".format(*listener.getsockname()[:2]))
    sources = platform_sources(settings, stores, settings.home / "backups")
    watch = Watch(settings, stores, sources)
    Thread(target=watch.run, daemon=True).start()
    serve(PlatformCollector(sources), listener, token)


def _databases_up(readers: dict[Database, Reader]) -> Rows:
    def is_up(reader: Reader) -> bool:
        try:
            return bool(reader.rows("select 1 as one"))
        except ServiceError:
            return False

    return [{"database": name, "up": int(is_up(reader))} for name, reader in readers.items()]


def _disks(settings: Settings) -> Rows:
    spaces = {name: disks.space_of(folder) for name, folder in disks.folders_of(settings).items()}
    return [{"folder": name, "free": space.free, "size": space.total} for name, space in spaces.items()]


def _backups(folder: Path) -> Rows:
    finished = backup.known(folder)
    newest = finished[0][1].created_at.timestamp() if finished else None
    return [{"value": len(finished), "newest": newest}]


def _services(settings: Settings) -> Rows:
    """Return the services of `mlops up`; none in a deployment, where their platform restarts them."""
    names = settings.environ.get(NAMES, "")  # `mlops heal` is no service: it learns the names from one
    memory: dict[str, int] = {}
    works: set[str] = set()
    for process in [*processes.marked(settings.home), psutil.Process()]:
        try:
            environ = process.environ()
            service = environ.get(processes.SERVICE)
            if service is None:
                continue
            names = names or environ.get(NAMES, "")
            memory[service] = memory.get(service, 0) + process.memory_info().rss
            if process.status() != psutil.STATUS_STOPPED:
                works.add(service)
        except (psutil.Error, OSError):
            continue  # ended meanwhile
    api = addresses.running(settings.home).get("api")
    if api is not None and not responds(f"{api}/health"):
        works.discard("api")
    return [
        {"service": name, "up": int(name in works), "memory": memory.get(name, 0)}
        for name in filter(None, names.split(","))
    ]


def _machine() -> Rows:
    memory = psutil.virtual_memory()
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    return [{"load": load, "available": memory.available, "memory": memory.total}]


def main() -> None:
    """Run the exporter as a service of `mlops up`: everything comes from the environment."""
    logs.configure(os.environ)
    settings = Settings.from_environment(os.environ)
    run(settings, Stores.from_environment(os.environ), settings.host, PORT, lambda _: None)


if __name__ == "__main__":
    main()
