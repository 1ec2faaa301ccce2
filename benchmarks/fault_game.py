"""Faults injected into a running `mlops up`: detected after how long, cause right or wrong, remedy, verified, pages.

The platform has a home of its own below /tmp, its tables on a small file system where this user may mount one, a
champion and a backup. After some quiet looks each fault is injected, the diagnosis of `mlops heal` is asked every two
seconds until it names a cause, its remedy is carried out, and the symptom must go away. The waiting times of the table
of remedies are 5 seconds here. A fault that this diagnosis does not watch is tried with the command that does.

    python -m benchmarks.fault_game [--quiet 30] [--only NAME ...] [--seconds 150]
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
MODEL = "wine_classifier"
SERVICES = (
    "dagster-daemon",
    "dagster-webserver",
    "dagster-code",
    "mlflow",
    "api",
    "review",
    "front",
    "exporter",
)
DISK_BYTES = 48 * 2**20
VERIFY_AFTER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that breaks.

    Attributes:
        name: What people call it.
        component: The cause that the diagnosis must name.
        inject: Breaks it.
        restore: What a person does where no remedy acts.
    """

    name: str
    component: str
    inject: Callable[[], object]
    restore: Callable[[], object] = lambda: None


@dataclass(slots=True)
class Row:
    """One line of the table."""

    fault: str
    detected: float | None = None
    cause: str = ""
    right: bool = False
    remedy: str = ""
    recovered: float | None = None
    helped: str = ""
    pages: int = 0


class Game:
    """A running platform, and ways to break it."""

    def __init__(self, home: Path, seconds: float) -> None:
        self.home, self.seconds = home, seconds
        self.up: subprocess.Popen[bytes] | None = None

    def mlops(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Carry out one command as its user does."""
        command = [str(Path(sys.executable).parent / "mlops"), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Start `mlops up` and stop it in the end."""
        from mlops_assets.local import addresses

        with (self.home / "up.log").open("wb") as log:
            command = [str(Path(sys.executable).parent / "mlops"), "up", "--no-schedules"]
            self.up = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=REPOSITORY, start_new_session=True
            )
        try:
            while b"api" not in (self.home / "up.log").read_bytes() or "api" not in addresses.running(
                self.home
            ):
                if self.up.poll() is not None:
                    sys.exit((self.home / "up.log").read_text())
                time.sleep(1)
            yield
        finally:
            self.up.send_signal(signal.SIGINT)
            self.up.wait(120)

    def processes_of(self, service: str) -> list[psutil.Process]:
        """Return the processes of a service of this platform."""
        from mlops_assets.local import processes

        mine = []
        for one in processes.marked(self.home):
            with contextlib.suppress(psutil.Error):
                if one.environ().get(processes.SERVICE) == service:
                    mine.append(one)
        return mine

    def signal(self, service: str, number: signal.Signals) -> None:
        """Send a signal to every process of a service."""
        for one in self.processes_of(service):
            with contextlib.suppress(psutil.Error):
                one.send_signal(number)


def play(game: Game, faults: list[Fault], quiet: int) -> list[Row]:
    """Look at the quiet platform, then break it fault by fault.

    Args:
        game: The running platform.
        faults: What breaks, in order.
        quiet: Looks before the first fault.

    Returns:
        A row per fault; the first is the quiet time.
    """
    from mlops_assets.cli.context import open_platform, settings
    from mlops_assets.ledger import invariants
    from mlops_assets.local.exporter import platform_sources
    from mlops_assets.local.healing import run_pass, take_snapshot
    from mlops_assets.operations.healing import remedies

    remedies.REMEDIES = tuple(  # type: ignore[misc]
        replace(one, verify_after=VERIFY_AFTER, per_day=9) for one in remedies.REMEDIES
    )
    with open_platform() as platform:
        sources = platform_sources(settings(), platform.stores, game.home / "backups")

        def look(*, act: bool = False) -> dict[str, tuple[str, str]]:
            snapshot = take_snapshot(sources, datetime.now(UTC))
            if act:
                _, outcomes = run_pass(platform, snapshot, act=True)
            else:
                _, outcomes = run_pass(platform, snapshot, act=True, dry_run=True)
            return {one.cause.component: (one.step, one.sentence) for one in outcomes}

        def pages() -> int:
            kinds = ("platform_cause", "remedy_failed")
            return sum(one.kind in kinds for one in platform.ledger.alerts())

        false = [cause for _ in range(quiet) for cause in look()]
        rows = [Row(f"{quiet} quiet looks", cause=", ".join(sorted(set(false))), right=not false)]
        usual = set(false)
        for fault in faults:
            row, before, began = Row(fault.name), pages(), time.monotonic()
            fault.inject()
            causes: dict[str, tuple[str, str]] = {}
            while time.monotonic() - began < game.seconds:
                with contextlib.suppress(Exception):
                    causes = {name: one for name, one in look().items() if name not in usual}
                if causes:
                    row.detected = time.monotonic() - began
                    break
                time.sleep(2)
            if causes:
                row.cause, row.right = ", ".join(causes), next(iter(causes)) == fault.component
                with contextlib.suppress(Exception):
                    step, sentence = look(act=True).get(fault.component, ("gone by itself", ""))
                    row.remedy = f"{step}: {sentence}" if sentence else step
            fault.restore()
            while time.monotonic() - began < 2 * game.seconds and causes:
                time.sleep(2)
                with contextlib.suppress(Exception):
                    if fault.component not in look():
                        row.recovered = time.monotonic() - began
                        break
            time.sleep(VERIFY_AFTER.total_seconds())
            with contextlib.suppress(Exception):
                look(act=True)
                actions = platform.ledger.actions(datetime.now(UTC) - timedelta(hours=1))
                last = actions[-1] if actions and actions[-1].component == fault.component else None
                row.helped = "" if last is None else str(last.helped)
                row.pages = pages() - before
            rows.append(row)
            print_row(row)
        print(f"ledger: {invariants(platform.ledger) or 'every rule holds'}")
    return rows


def print_row(row: Row) -> None:
    """Print one line of the table."""
    seconds = [f"{one:.0f} s" if one is not None else "-" for one in (row.detected, row.recovered)]
    right = "right" if row.right else "wrong" if row.cause else "-"
    cells = (
        row.fault,
        seconds[0],
        row.cause or "-",
        right,
        row.remedy or "-",
        seconds[1],
        row.helped or "-",
        row.pages,
    )
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def faults_of(game: Game) -> list[Fault]:
    """Return the faults that the diagnosis watches."""
    from mlops_assets.settings import Settings

    def fill() -> None:
        (Path(settings.data_root) / "filler").write_bytes(b"x" * (DISK_BYTES - 2**20))

    def empty() -> None:
        (Path(settings.data_root) / "filler").unlink(missing_ok=True)

    settings = Settings.from_environment(os.environ)
    backups = game.home / "backups"
    killed = [
        Fault(f"{name} killed", f"service:{name}", partial(game.signal, name, signal.SIGKILL))
        for name in SERVICES
    ]
    stopped = [
        Fault(f"{name} stopped", f"service:{name}", partial(game.signal, name, signal.SIGSTOP))
        for name in SERVICES
    ]
    others = [
        Fault(
            "backups lost",
            "backup",
            partial(backups.rename, game.home / "away"),
            lambda: (game.home / "away").rename(backups),
        ),
    ]
    if os.path.ismount(settings.data_root):
        others.append(Fault("disk of the tables filled", "disk:data", fill, empty))
    return [*killed, *stopped, *others]


def watched_elsewhere(game: Game) -> None:
    """Break what other commands watch, and print which of them says so."""
    from mlops_assets.cli.context import open_platform

    with open_platform() as platform:
        champion = platform.ledger.champion(MODEL)
        assert champion is not None
        bundle = Path(str(platform.ledger.model_version(MODEL, champion.version).bundle_path))
    file = max(bundle.iterdir(), key=lambda one: one.stat().st_size)
    original = file.read_bytes()
    file.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
    report("bundle of the champion corrupted", game.mlops("doctor"), "altered")
    file.write_bytes(original)
    report("the same put back", game.mlops("doctor"), "altered", expected=False)
    expired = game.mlops("keys", "create", "--owner", "guest", "--role", "predict", "--expires", "2020-01-01")
    report("a key that has expired already", expired, "expire")
    report("every rule of the ledger after all", game.mlops("status"), "broken:", expected=False)


def report(name: str, done: subprocess.CompletedProcess[str], word: str, *, expected: bool = True) -> None:
    """Print whether a command named what is wrong."""
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if word in line]
    verdict = "as expected" if bool(lines) == expected else "NOT as expected"
    print(f"{name}: {verdict}, exit {done.returncode} {lines[:1]}", flush=True)


def main() -> None:
    """Play the game and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quiet", type=int, default=30)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=150.0)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="game", dir="/tmp"))
    data = root / "data"
    data.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(data)],
        check=False,
        capture_output=True,
    )
    home = root / "home"
    home.mkdir()
    models = root / "models"
    models.mkdir()
    shutil.copy(REPOSITORY / "models" / f"{MODEL}.yaml", models)
    for name in [name for name in os.environ if name.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_"))]:
        del os.environ[name]
    os.environ |= {"MLOPS_HOME": str(home), "MLOPS_MODELS": str(models), "MLOPS_DATA_ROOT": str(data)}
    game = Game(home, options.seconds)
    try:
        first = game.mlops("run", MODEL)
        if first.returncode:
            sys.exit(first.stdout + first.stderr)
        game.mlops("backup", "create")
        with game.running():
            print(
                "| fault | detected | cause | | remedy | recovered | helped | pages |",
                "| --- " * 8 + "|",
                sep="\n",
            )
            chosen = [one for one in faults_of(game) if not options.only or one.name in options.only]
            rows = play(game, chosen, options.quiet)
            print_row(rows[0])
            judged = rows[1:]
            print(
                f"{sum(one.detected is not None for one in judged)} of {len(judged)} detected, "
                f"{sum(one.right for one in judged)} causes right, "
                f"{sum(one.recovered is not None for one in judged)} recovered, "
                f"{sum(one.pages for one in judged)} pages"
            )
            watched_elsewhere(game)
    finally:
        if not mounted.returncode:
            subprocess.run(["umount", "-l", str(data)], check=False)
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
