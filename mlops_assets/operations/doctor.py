"""Checks of the whole installation: each says what is wrong, and what to do about it.

Comes in: checks by name, each a function without arguments. Goes out: one `Finding` per result, also for a check that
raises: nothing that could not be checked is called good.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from mlops_assets.errors import MlopsError
from mlops_assets.ledger import invariants
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import read_folder
from mlops_assets.operations import disks

State = Literal["good", "warning", "problem"]
LEAST_DISK: Final = 500_000_000
"""Free bytes below which a run may fail in the middle."""
LITTLE_DISK: Final = 2_000_000_000
SLOW_LEDGER: Final = 0.25
"""Seconds of a round trip from which the ledger is called slow."""
CLOCK_TOLERANCE: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. fix: the command or the change that puts it right; seconds: how long the check took."""

    check: str
    state: State
    sentence: str
    fix: str = ""
    seconds: float = 0.0


Check = Callable[[], Iterator[Finding]]


def examine(checks: Mapping[str, Check]) -> tuple[Finding, ...]:
    """Run every check; one that raises is a problem, and the others still run.

    Args:
        checks: Checks by name, in the order in which they run.

    Returns:
        At least one finding per check.
    """
    findings: list[Finding] = []
    for name, check in checks.items():
        begin = time.perf_counter()
        try:
            results = list(check())
        except MlopsError as error:
            results = [Finding(name, "problem", str(error))]
        except Exception as error:  # noqa: BLE001 - a check that breaks must not hide what the others find
            results = [Finding(name, "problem", f"the check raised {type(error).__name__}: {error}")]
        seconds = (time.perf_counter() - begin) / max(len(results), 1)
        findings += [replace(result, check=name, seconds=seconds) for result in results]
    return tuple(findings)


def platform_checks(platform: Platform, now: Callable[[], datetime]) -> dict[str, Check]:
    """Return the checks of model files, disk, ledger, clock, alerts and champions.

    Args:
        platform: The open stores and settings.
        now: The clock of this machine, with a zone.

    Returns:
        Checks by name.
    """
    return {
        "model files": lambda: _model_files(platform.settings.models),
        "disk": lambda: _disk(platform),
        "ledger": lambda: _ledger(platform),
        "clock": lambda: _clock(platform, now),
        "champions": lambda: _champions(platform),
        "alerts": lambda: _alerts(platform),
    }


def _model_files(models: Path) -> Iterator[Finding]:
    folder = read_folder(models)
    for broken in folder.broken:
        yield Finding(
            "", "problem", broken.sentence, f"correct the line, then mlops validate {broken.file.name}"
        )
    if not folder.specs and not folder.broken:
        yield Finding(
            "", "warning", f"no model file in {models}", "mlops new NAME --data FILE --target COLUMN"
        )
    elif not folder.broken:
        yield Finding("", "good", f"every model file is valid ({len(folder.specs)})")


def _disk(platform: Platform) -> Iterator[Finding]:
    folders = disks.folders_of(platform.settings).values()
    for folder, *_ in disks.by_disk(folder for folder in folders if folder.exists()):
        free = disks.space_of(folder).free
        sentence = f"{free / 1e9:,.1f} GB free at {folder}"
        if free >= LITTLE_DISK:
            yield Finding("", "good", sentence)
        else:
            state: State = "problem" if free < LEAST_DISK else "warning"
            yield Finding("", state, sentence, "free some space or move MLOPS_HOME to a larger disk")


def _ledger(platform: Platform) -> Iterator[Finding]:
    platform.ledger.models()  # the first call also connects
    begin = time.perf_counter()
    platform.ledger.models()
    seconds = time.perf_counter() - begin
    for sentence in invariants(platform.ledger):
        yield Finding("", "problem", sentence, "restore the ledger from its backup (docs/operations.md)")
    slow = seconds > SLOW_LEDGER
    fix = "look at the load of the database server and at the network between" if slow else ""
    yield Finding(
        "",
        "warning" if slow else "good",
        f"answers in {seconds * 1e3:,.1f} ms, at this release's schema",
        fix,
    )


def _clock(platform: Platform, now: Callable[[], datetime]) -> Iterator[Finding]:
    before = now()
    server = platform.ledger.server_time()
    after = now()
    off = max(before - server, server - after, timedelta(0))
    if off > CLOCK_TOLERANCE:
        sentence = f"this machine and the database differ by {off.total_seconds():,.0f} s"
        yield Finding(
            "", "problem", sentence, "synchronize both clocks (NTP); decisions and alerts are dated by them"
        )
    else:
        yield Finding("", "good", "this machine and the database agree")


def _champions(platform: Platform) -> Iterator[Finding]:
    serving = [
        (model, champion.version)
        for model in platform.ledger.models()
        if (champion := platform.ledger.champion(model)) is not None
    ]
    for model, version in serving:
        try:
            load_version(platform, model, version)
        except MlopsError as error:
            fix = f"mlops rollback {model}, or mlops reproduce {model}@{version}"
            yield Finding("", "problem", f"{model} v{version} cannot be loaded: {error}", fix)
        else:
            yield Finding("", "good", f"{model} v{version}: every file verified, loaded, its sample replayed")
    if not serving:
        yield Finding("", "good", "no model is in production yet")


def _alerts(platform: Platform) -> Iterator[Finding]:
    waiting = platform.ledger.alerts(None, open_only=True)
    if waiting:
        yield Finding("", "warning", f"open alerts: {len(waiting)}", "mlops alerts")
    else:
        yield Finding("", "good", "no alert is open")
