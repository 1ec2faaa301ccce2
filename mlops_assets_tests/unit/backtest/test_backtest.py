"""A model's governance replayed: what each policy does, what is shared, and what a stopped backtest keeps."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count as numbers
from pathlib import Path

import polars as pl
import pytest

from mlops_assets import training
from mlops_assets.artifacts import to_json
from mlops_assets.backtest import BacktestError, BacktestResult, Span, built_in_policies
from mlops_assets.backtest.fits_ahead import scheduled
from mlops_assets.backtest.outcome import money_of
from mlops_assets.local.scratch_databases import ScratchLedgers
from mlops_assets.model_file.variants import Costs
from mlops_assets.settings import Settings
from mlops_assets_tests.backtest_platform import (
    DAY,
    SPAN,
    START,
    by_name,
    hourly,
    model,
    request_of,
    run,
    settings_of,
)

_keys = numbers(1)


@pytest.fixture
def settings(tmp_path: Path, postgres_server: str) -> Settings:
    return settings_of(tmp_path / "home", postgres_server)


@pytest.fixture
def ledgers(settings: Settings) -> Iterator[ScratchLedgers]:
    opened = ScratchLedgers(settings, f"t{next(_keys)}")
    yield opened
    opened.drop()


def required(result: BacktestResult | None) -> BacktestResult:
    assert result is not None
    return result


def _refused(*_arguments: object) -> None:
    raise AssertionError("a replay registers nothing: no process needs to load its bundles first")


def test_policies_differ_as_their_names_say(
    tmp_path: Path, settings: Settings, ledgers: ScratchLedgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "verify", _refused)
    spec = model(tmp_path / "readings.parquet")
    request = replace(request_of(spec, settings), costs=Costs(training=5.0, error_day=2.0, currency="EUR"))
    result = required(run(request, settings, ledgers, tmp_path / "scratch"))
    policies = by_name(result)
    own, never, always, oracle = (policies[n] for n in ("own", "never_retrain", "always_promote", "oracle"))

    assert (never.trainings, never.promotions) == (1, 1)
    assert (always.trainings, always.promotions) == (5, 5)
    assert own.trainings == 5
    assert 2 <= own.promotions < 5  # the slope moved once
    assert own.total < never.total
    assert never.missed_promotions == 0
    assert never.days_worse == 0  # it has no other version at hand

    for policy in (own, never, always):
        assert oracle.total <= policy.total
        assert policy.regret == pytest.approx(policy.total - oracle.total)
    rows = [168, 168, 168, 168, 167]
    squares = sum(error**2 * count for error, count in zip(own.errors, rows, strict=True))
    assert own.total == pytest.approx(math.sqrt(squares / sum(rows)))

    assert own.money == pytest.approx(5 * 5.0 + 2.0 * 7 * sum(own.errors))
    assert oracle.money is None
    assert "EUR" in result.sentence

    assert result.distinct_trainings == 5  # all three share them, and each counts its own
    assert always.cpu_seconds == pytest.approx(result.distinct_cpu_seconds)
    assert never.cpu_seconds < always.cpu_seconds
    assert result.recommended in {"own", "always_promote"}
    assert "cannot be told (no interval: 5 steps are too few to judge)" in result.sentence


def test_a_stopped_backtest_goes_on_where_it_ended(
    tmp_path: Path, settings: Settings, ledgers: ScratchLedgers
) -> None:
    spec = model(tmp_path / "readings.parquet")
    request = request_of(spec, settings)
    whole = required(run(request, settings, ledgers, tmp_path / "whole"))

    done: list[int] = []
    stopped = run(
        request,
        settings,
        ledgers,
        tmp_path / "parts",
        progress=lambda step, _: done.append(step),
        stopped=lambda: len(done) > 2,
    )
    assert stopped is None
    assert done == [0, 1, 2]
    again: list[int] = []
    parts = required(
        run(request, settings, ledgers, tmp_path / "parts", progress=lambda step, _: again.append(step))
    )
    assert again[0] == 2

    def decisions(result: BacktestResult) -> list[tuple[str, int, str, str]]:
        return [
            (one.policy, each.step, each.outcome, each.reason)
            for one in result.policies
            for each in one.history
        ]

    assert decisions(parts) == decisions(whole)
    assert [one.errors for one in parts.policies] == [one.errors for one in whole.policies]


@pytest.mark.parametrize(
    "span, sentence",
    [
        (Span(START, START + 56 * DAY, 7 * DAY), "the history is too short"),
        (Span(START + 50 * DAY, START + 56 * DAY, 7 * DAY), "the history is too short"),
        (Span(START + 21 * DAY, START + 23 * DAY, timedelta(minutes=10)), "a step of 10m is shorter"),
    ],
    ids=["nothing before", "one step", "short step"],
)
def test_a_span_that_does_not_suit_the_data_is_refused(
    tmp_path: Path, settings: Settings, ledgers: ScratchLedgers, span: Span, sentence: str
) -> None:
    request = request_of(model(tmp_path / "readings.parquet"), settings, span)
    with pytest.raises(BacktestError, match=sentence):
        run(request, settings, ledgers, tmp_path / "scratch")


def test_labels_that_never_arrive_are_one_sentence(
    tmp_path: Path, settings: Settings, ledgers: ScratchLedgers
) -> None:
    frame = hourly().with_columns(y=pl.when(pl.col("at") <= SPAN.start).then(pl.col("y")))
    spec = model(tmp_path / "readings.parquet", frame, validation={"max_missing": 1.0})
    with pytest.raises(BacktestError, match="no label arrived between"):
        run(request_of(spec, settings), settings, ledgers, tmp_path / "scratch")


@pytest.mark.slow
def test_processes_that_train_ahead_change_no_decision(
    tmp_path: Path, settings: Settings, ledgers: ScratchLedgers
) -> None:
    """One process, and two that are stopped after a step and continue: the same history, and no fit made twice."""
    spec = model(tmp_path / "readings.parquet")
    request = request_of(spec, settings, Span(SPAN.start, SPAN.start + 21 * DAY, 7 * DAY))
    alone = required(run(request, settings, ledgers, tmp_path / "alone"))
    steps: list[int] = []
    folder, options = tmp_path / "ahead", {"jobs": 2, "progress": lambda step, _: steps.append(step)}
    assert run(request, settings, ledgers, folder, stopped=lambda: len(steps) > 1, **options) is None
    stamps = {one: one.stat().st_mtime_ns for one in folder.glob("fits/*/fit.json")}
    assert stamps
    ahead = required(run(request, settings, ledgers, folder, **options))
    assert steps == [0, 1, 1, 2, 3]
    assert {one: one.stat().st_mtime_ns for one in stamps} == stamps
    used = {one.fit for policy in ahead.policies for one in policy.history}
    assert {one.parent.name for one in folder.glob("fits/*/fit.json")} == used

    def decided(result: BacktestResult) -> bytes:
        """Everything but processor time."""
        policies = [
            replace(one, cpu_seconds=0, history=tuple(replace(each, cpu_seconds=0) for each in one.history))
            for one in result.policies
        ]
        return json.dumps(to_json([policies, result.pairs, result.rows])).encode()

    assert decided(ahead) == decided(alone)


def test_money_counts_each_training_and_each_unit_of_error() -> None:
    costs = Costs(training=5.0, cpu_hour=36.0, error_day=100.0)
    assert money_of(costs, "rmse", [(2.0, 7.0), (3.0, 1.0)], 4, 50.0) == pytest.approx(20 + 0.5 + 1700)
    assert money_of(costs, "bias", [(-2.0, 1.0)], 0, 0.0) == pytest.approx(200)
    better, worse = (money_of(costs, "accuracy", [(value, 1.0)], 0, 0.0) for value in (0.9, 0.8))
    assert better == pytest.approx(10)
    assert worse == pytest.approx(20)


def test_only_trainings_that_are_left_are_carried_out_ahead(tmp_path: Path) -> None:
    policies = built_in_policies(model(tmp_path / "readings.parquet"))
    every = [at for _, at in scheduled(policies, SPAN.instants)]
    assert every == list(SPAN.instants[:-1])  # one recipe, whatever the number of policies
    assert [at for _, at in scheduled(policies, SPAN.instants, 2)] == every[2:]
