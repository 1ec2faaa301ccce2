"""Healing on this machine: take a sample, diagnose it, carry out what the table of remedies allows, tell a person.

Comes in: settings and stores. Goes out: actions in the ledger, one alert per cause. While the ledger itself is down
nothing can be recorded: then one message goes straight to the addresses in MLOPS_ALERTS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import partial
from typing import Final

import psutil

from mlops_assets.errors import ServiceError
from mlops_assets.ledger.platform_history import KEPT
from mlops_assets.lifecycle.alerts import close_alert, send_alert
from mlops_assets.lifecycle.alerts.apprise import send
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.local import addresses, processes
from mlops_assets.operations.exporter.collector import Source, values_of
from mlops_assets.operations.healing.heal import Diagnosis, Outcome, diagnose, heal
from mlops_assets.operations.healing.remedies import Action, service_of
from mlops_assets.operations.healing.snapshot import Series, Snapshot
from mlops_assets.operations.retention import RetentionStores, collect
from mlops_assets.settings import Settings

ADDRESSES: Final = "MLOPS_ALERTS"
GRACE: Final = 10.0
"""Seconds between TERM and KILL of a service that is restarted."""


def take_snapshot(sources: Iterable[Source], at: datetime) -> Snapshot:
    """Read the platform's series now.

    Args:
        sources: The exporter's sources.
        at: The present instant, with a zone.

    Returns:
        The values that could be read.
    """
    return Snapshot(at, {Series(*key): value for key, value in values_of(sources).items()})


def run_pass(
    platform: Platform, snapshot: Snapshot, *, act: bool, dry_run: bool = False
) -> tuple[Diagnosis, tuple[Outcome, ...]]:
    """Diagnose a snapshot against the recorded history, and treat what is wrong.

    Args:
        platform: The open stores and settings.
        snapshot: The newest values.
        act: Carry out remedies; otherwise only recommend them.
        dry_run: Change, record and send nothing.

    Returns:
        The diagnosis, and an outcome for each cause.
    """
    at = snapshot.at
    samples = platform.ledger.samples(at - KEPT, at)
    diagnosis = diagnose(snapshot, {Series(*key): points for key, points in samples.items()})
    outcomes = heal(diagnosis, platform.ledger, _actions(platform, at), act=act, dry_run=dry_run)
    if not dry_run:
        _alert(platform, outcomes, at)
    return diagnosis, outcomes


def tell_without_ledger(settings: Settings, snapshot: Snapshot) -> tuple[str, ...]:
    """Send one message about the likeliest cause, past the ledger, which is down.

    Args:
        settings: The platform's settings.
        snapshot: The newest values.

    Returns:
        A sentence for each address that was not reached; empty also when nothing is wrong.
    """
    causes = diagnose(snapshot, {}).causes
    if not causes or not settings.environ.get(ADDRESSES, "").strip():
        return ()
    return send((ADDRESSES,), settings.environ, causes[0].sentence, "\n".join(causes[0].reasons), "critical")


def _actions(platform: Platform, at: datetime) -> Mapping[Action, Callable[[str], str]]:
    return {"collect": partial(_collect, platform, at), "restart": partial(_restart, platform.settings)}


def _collect(platform: Platform, at: datetime, _component: str) -> str:
    stores = RetentionStores.open(platform.settings, platform.stores)
    done = [one for one in collect(stores, at, dry_run=False) if one.count]
    if not done:
        raise ServiceError("nothing is old enough to be removed; free space by hand (mlops gc --dry-run)")
    freed = sum(one.size or 0 for one in done)
    removed = ", ".join(f"{one.count:,} {one.unit} of {one.what}" for one in done)
    return f"removed {removed} ({freed / 1e6:,.1f} MB)"


def _restart(settings: Settings, component: str) -> str:
    """End the processes of a service; `mlops up` starts it again."""
    name = service_of(component)
    mine = [one for one in processes.marked(settings.home) if _service(one) == name]
    if not mine and addresses.running(settings.home):
        return f"{name} has ended, 'mlops up' starts it again"
    if not mine:
        raise ServiceError(f"no process of {name} runs here; 'mlops up' starts it, or gives up and says why")
    for process in mine:
        process.terminate()
    _, alive = psutil.wait_procs(mine, GRACE)
    for process in alive:
        process.kill()
    return f"{name} was ended ({len(mine)} processes), 'mlops up' starts it again"


def _service(process: psutil.Process) -> str:
    try:
        return process.environ().get(processes.SERVICE, "")
    except (psutil.Error, OSError):
        return ""


def _alert(platform: Platform, outcomes: Iterable[Outcome], at: datetime) -> None:
    """Record one alert per cause and day; all are closed when nothing is wrong any more."""
    several = list(outcomes)
    for outcome in several:
        kind = "remedy_failed" if outcome.step in ("limit", "failed") else "platform_cause"
        component = outcome.cause.component
        message = f"{'; '.join(outcome.cause.reasons)}. {outcome.step}: {outcome.sentence}"
        key = f"{kind}/{component}/{at:%Y-%m-%d}"
        send_alert(platform, kind, message, key=key, at=at, group=f"{kind}/{component}")
    for kind in ("platform_cause", "remedy_failed") if not several else ():
        close_alert(platform, kind, None, at)
