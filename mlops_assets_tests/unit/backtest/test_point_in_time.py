"""What comes after an instant changes no decision before it: every later value is replaced by garbage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typing_extensions import override

from mlops_assets.backtest import Policy, Request, Span, policies_of
from mlops_assets.backtest import run as replaying
from mlops_assets.backtest.data_steps import DataSteps
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.local.scratch_databases import ScratchLedgers
from mlops_assets.model_file import ModelSpec
from mlops_assets.readings import History
from mlops_assets.settings import Settings
from mlops_assets_tests.backtest_platform import DAY, START, hourly, model, request_of, run, settings_of

SPAN = Span(START + 21 * DAY, START + 42 * DAY, 3 * DAY + DAY / 2)
_keys = count(1)


@pytest.fixture
def settings(tmp_path: Path, postgres_server: str) -> Settings:
    return settings_of(tmp_path / "home", postgres_server)


@pytest.fixture
def ledgers(settings: Settings) -> Iterator[ScratchLedgers]:
    opened = ScratchLedgers(settings, f"p{next(_keys)}")
    yield opened
    opened.drop()


def decisions(
    request: Request, settings: Settings, ledgers: ScratchLedgers, folder: Path, steps: int
) -> list[Any]:
    """What was kept of so many steps, without the processor time."""
    done: list[int] = []
    result = run(
        request,
        settings,
        ledgers,
        folder,
        progress=lambda step, _: done.append(step),
        stopped=lambda: done[-1] >= steps,
    )
    assert result is None
    records = [json.loads(line) for line in (folder / "steps.jsonl").read_text().splitlines()]
    for record in records:
        for one in record.values():
            if one["training"]:
                one["training"].pop("cpu_seconds")
    return records


def poisoned(history: History, after: datetime) -> History:
    """The history with every value after an instant replaced; only the timestamps stay."""
    frame, later = history.fetched.frame, history.instants > after
    assert later.any()
    assert not later.all()
    values = [
        pl.when(later).then(pl.lit(-1e6)).otherwise(pl.col(name)).alias(name)
        for name, dtype in frame.schema.items()
        if dtype.is_float()
    ]
    return replace(history, fetched=replace(history.fetched, frame=frame.with_columns(values)))


def own(spec: ModelSpec) -> Any:
    return policies_of({"own": spec})


class Garbage(DataSteps):
    """The data stages on a history in which every value after the present instant is garbage."""

    @override
    def prepare(self, policy: Policy, platform: Platform, run: Run, champion: str | None) -> FeaturesRecord:
        clean = self._history
        self._history = poisoned(clean, run.as_of)
        try:
            return super().prepare(policy, platform, run, champion)
        finally:
            self._history = clean


def test_garbage_after_each_of_twenty_instants_changes_no_decision(
    tmp_path: Path, settings: Settings, ledgers: ScratchLedgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitoring = {"window": "3d", "label_delay": "12h"}
    spec = model(
        tmp_path / "r.parquet",
        hourly(moves_at=25),
        monitoring=monitoring,
        validation={"max_missing": 0.1},
        schedules={"retrain": "0 0 * * 0,3", "drift": "0 0 * * 1,4"},
    )
    daily = Span(START + 21 * DAY, START + 42 * DAY, DAY)
    request = request_of(spec, settings, daily, own(spec))
    clean = decisions(request, settings, ledgers, tmp_path / "clean", 20)
    assert len(clean) == 20
    assert sum(record["own"]["training"] is not None for record in clean) >= 5
    assert len({record["own"]["champion"] for record in clean}) >= 2

    monkeypatch.setattr(replaying, "DataSteps", Garbage)
    (tmp_path / "poisoned").mkdir()
    shutil.copytree(tmp_path / "clean" / "fits", tmp_path / "poisoned" / "fits")
    assert decisions(request, settings, ledgers, tmp_path / "poisoned", 20) == clean


def test_a_label_that_has_not_arrived_is_not_known(
    tmp_path: Path, settings: Settings, ledgers: ScratchLedgers
) -> None:
    """Garbage in the labels of the last two days alone: with a delay of two days no decision knows them."""
    delayed: dict[str, Any] = {"monitoring": {"label_delay": "2d"}, "validation": {"max_missing": 0.2}}
    spec = model(tmp_path / "r.parquet", **delayed)
    request = request_of(spec, settings, SPAN, own(spec))
    clean = decisions(request, settings, ledgers, tmp_path / "clean", 3)
    assert clean[2]["own"]["champion"]
    frame = request.history.fetched.frame
    late = request.history.instants > SPAN.instants[2] - 2 * DAY
    garbage = frame.with_columns(y=pl.when(late).then(pl.lit(-1e6)).otherwise(pl.col("y")))
    changed = replace(
        request, history=replace(request.history, fetched=replace(request.history.fetched, frame=garbage))
    )
    assert decisions(changed, settings, ledgers, tmp_path / "changed", 3) == clean
