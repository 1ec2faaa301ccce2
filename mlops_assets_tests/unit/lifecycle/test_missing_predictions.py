"""A batch of predictions that does not come is one alert, closed when the next one comes."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import cast

from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.missing_predictions import report_missing_predictions
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.settings import Settings
from mlops_assets_tests.local_platform import START
from mlops_assets_tests.unit.lifecycle.test_alerts import spec_with
from mlops_assets_tests.unit.lifecycle.test_governing import first_champion

HOUR = timedelta(hours=1)
OLDEST = {"pump": 2 * HOUR}


def looked_at(ledger: Ledger, hours: float) -> int:
    settings = Settings.from_environment({})
    platform = cast(Platform, SimpleNamespace(ledger=ledger, settings=settings))
    return report_missing_predictions([spec_with()], platform, OLDEST, START + hours * HOUR)


def states(ledger: Ledger) -> list[bool]:
    """Whether each alert is open, oldest first."""
    return [one.closed_at is None for one in reversed(ledger.alerts("pump"))]


def test_an_outage_is_one_alert_and_ends_with_the_next_batch(ledger: Ledger) -> None:
    assert looked_at(ledger, 50) == 0  # without a champion nothing can predict
    first_champion(ledger)
    assert looked_at(ledger, 2) == 0
    assert [looked_at(ledger, hours) for hours in (3, 3.5, 9)] == [1, 1, 1]
    assert states(ledger) == [True]
    ledger.put_record("pump/predictions", "r1", {}, START + 9 * HOUR)
    assert looked_at(ledger, 10) == 0
    assert states(ledger) == [False]
    assert looked_at(ledger, 12) == 1
    assert states(ledger) == [False, True]
    assert "no batch of predictions since 2026-01-01 09:00 UTC" in ledger.alerts("pump")[0].message
