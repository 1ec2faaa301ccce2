"""Loops over models and steps: what fails in one of them is named and stops no other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pytest

from mlops_assets.defs import housekeeping
from mlops_assets.defs.recovery import rollback_check_sensor
from mlops_assets.defs.resources import PlatformResource
from mlops_assets.lifecycle.recovery import bundles, rollback_check
from mlops_assets_tests.local_platform import LocalPlatform

pytestmark = [pytest.mark.slow, pytest.mark.integration]


class PanicException(BaseException):
    """What polars raises: no Exception, and caught by its name."""


def failing(*_: Any, **__: Any) -> Any:
    raise PanicException("index out of bounds")


def kinds(local_platform: LocalPlatform, text: str) -> list[str]:
    alerts = local_platform.platform.ledger.alerts()
    return [one.message for one in alerts if one.kind == "sensor_failed" and text in one.message]


@pytest.mark.parametrize(
    "broken", ["end_lost_runs", "sweep_leftovers", "report_missed_failures", "close_requests"]
)
def test_a_step_of_housekeeping_that_fails_stops_no_other(
    local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    steps: dict[str, object] = {
        "end_lost_runs": 0,
        "sweep_leftovers": ["removed 3 temporary folders of killed saves"],
        "report_missed_failures": 0,
        "close_requests": [],
    }
    called: list[str] = []

    def replaced(name: str) -> Callable[..., object]:
        def act(*_: object) -> object:
            called.append(name)
            return steps[name]

        return act

    for name in steps:
        monkeypatch.setattr(housekeeping, name, replaced(name))
    monkeypatch.setattr(housekeeping, broken, failing)
    spec = local_platform.model()
    with dg.DagsterInstance.ephemeral() as instance:
        _, sentences = housekeeping.keep_order(
            [spec], local_platform.platform, instance, datetime.now(UTC), lambda _: None
        )
    assert set(called) == set(steps) - {broken}
    assert [one for one in sentences if "PanicException: index out of bounds" in one]
    assert ("removed 3 temporary folders of killed saves" in sentences) == (broken != "sweep_leftovers")
    assert kinds(local_platform, "PanicException")


def test_leftovers_are_counted_in_words(
    local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "sweep_unfinished", lambda *_: (2, 50))
    assert housekeeping.sweep_leftovers(local_platform.platform, datetime.now(UTC)) == [
        "removed 2 temporary folders of killed saves",
        "archived 50 challengers that never got a bundle",
    ]


def test_a_model_whose_rollback_check_fails_stops_no_other(
    local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = local_platform.model(), local_platform.model()
    check, checked = rollback_check.check_rollback, []

    def check_rollback(platform: Any, model: str, run: Any) -> Any:
        if model == bad.name:
            failing()
        checked.append(model)
        return check(platform, model, run)

    monkeypatch.setattr(rollback_check, "check_rollback", check_rollback)
    monkeypatch.setattr(rollback_check, "is_due", lambda *_: True)
    with dg.DagsterInstance.ephemeral() as instance:
        resources = {"platform": PlatformResource()}
        with dg.build_sensor_context(instance=instance, resources=resources) as context:
            result = rollback_check_sensor([bad, good])(context)
    assert checked == [good.name]
    assert isinstance(result, dg.SkipReason)
    assert f"{bad.name}: PanicException" in str(result.skip_message)
    assert kinds(local_platform, bad.name)
