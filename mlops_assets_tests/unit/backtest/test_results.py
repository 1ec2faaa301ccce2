"""What is left of a backtest: the page, the pictures, the summary that a reviewer of exactly this change reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.backtest import BacktestResult, policies_of
from mlops_assets.backtest.page import write_result
from mlops_assets.backtest.summary import backtest_of_change, read_result
from mlops_assets.local.scratch_databases import ScratchLedgers
from mlops_assets.model_file import ModelSpec
from mlops_assets.settings import Settings
from mlops_assets_tests.backtest_platform import model, request_of, run, settings_of

GATES = [
    {"beats_champion": {"metric": "rmse", "by": 0.2}},
    {"metric_at_most": {"metric": "rmse", "limit": 2.0}},
]


@pytest.fixture
def settings(tmp_path: Path, postgres_server: str) -> Settings:
    return settings_of(tmp_path / "home", postgres_server)


@pytest.fixture
def ledgers(settings: Settings) -> Iterator[ScratchLedgers]:
    opened = ScratchLedgers(settings, "results")
    yield opened
    opened.drop()


def test_a_review_reads_the_backtest_of_exactly_its_change(
    tmp_path: Path, settings: Settings, ledgers: ScratchLedgers
) -> None:
    before: ModelSpec = model(tmp_path / "readings.parquet")
    after = model(tmp_path / "readings.parquet", gates=GATES)
    folder = settings.home / "backtests" / after.name / "key"
    request = request_of(after, settings, policies=policies_of({"main": before, "own": after}))
    result = run(request, settings, ledgers, folder)
    assert isinstance(result, BacktestResult)
    assert "No backtest was run for exactly this change" in backtest_of_change(
        settings.home, before, after, "main"
    )

    page = write_result(folder, result).read_text()
    assert read_result(folder).sentence == result.sentence
    assert page.count("data:image/png;base64,") == 2
    assert "<script" not in page
    for training in (one for policy in result.policies for one in policy.history):
        assert training.outcome in page
    text = (folder / "report.md").read_text()
    assert "![One point per policy" in text
    assert (folder / "error_and_cost.png").is_file()

    summary = backtest_of_change(settings.home, before, after, "main")
    assert summary.startswith("### Backtest of this change")
    assert result.sentence in summary
    assert "| main |" in summary

    other = model(tmp_path / "readings.parquet", gates=GATES[1:])
    assert "`mlops backtest station --against main`" in backtest_of_change(
        settings.home, before, other, "main"
    )
    renamed = before.model_copy(update={"description": "Another sentence"})
    assert backtest_of_change(settings.home, before, renamed, "main") == ""
    if result.recommended == "main":
        assert any(change.startswith("gates") for change in result.changes)
