"""Latency: a busy machine never makes a model slow, a slow model never hides behind one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl
import pytest

from mlops_assets import promotion
from mlops_assets.evaluation.latency import Clocks, measure_latency
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of, spec_with

FRAME = pl.DataFrame({"x": [1.0] * 100})


@dataclass
class Machine:
    """Clocks of a machine where wall time is `load` times processor time."""

    load: float = 1.0
    quiet_after: float = float("inf")
    wall: float = 0.0
    cpu: float = 0.0

    def work(self, seconds: float) -> None:
        self.cpu += seconds
        self.wall += seconds * (self.load if self.wall < self.quiet_after else 1.0)

    @property
    def clocks(self) -> Clocks:
        return Clocks(lambda: self.wall, lambda: self.cpu, lambda: self.cpu)


@dataclass
class Model:
    """Takes `seconds` of processor time for a call."""

    machine: Machine
    seconds: float
    calls: list[int] = field(default_factory=list)

    def predict(self, features: pl.DataFrame) -> Any:
        self.calls.append(features.height)
        self.machine.work(self.seconds)


def measured(machine: Machine, seconds: float, rows: int = 1) -> Any:
    model: Any = Model(machine, seconds)
    return measure_latency(model, FRAME, rows, clocks=machine.clocks, calibration=lambda: machine.work(0.004))


def test_a_quiet_machine_measures_wall_time() -> None:
    latency = measured(Machine(), 0.002)
    assert latency.milliseconds == pytest.approx(2.0)
    assert latency.load == pytest.approx(1.0)


def test_a_busy_machine_measures_processor_time_and_says_so() -> None:
    latency = measured(Machine(load=90.0), 0.002)
    assert latency.milliseconds == pytest.approx(2.0)
    assert latency.load == pytest.approx(90.0)


def test_one_quiet_round_is_enough() -> None:
    latency = measured(Machine(load=10.0, quiet_after=0.2), 0.002)
    assert (latency.milliseconds, latency.load) == (pytest.approx(2.0), pytest.approx(1.0))


def test_a_model_of_seconds_is_not_called_for_ever() -> None:
    machine = Machine()
    model: Any = Model(machine, 3.0)
    latency = measure_latency(model, FRAME, clocks=machine.clocks, calibration=lambda: machine.work(0.004))
    assert latency is not None
    assert latency.milliseconds == pytest.approx(3000.0)
    assert model.calls == [1, 1]


def test_fewer_rows_than_a_call_needs_are_not_measured() -> None:
    assert measured(Machine(), 0.002, rows=101) is None


@pytest.mark.parametrize(
    ("milliseconds", "load", "verdict"),
    [
        (99.9, 1.0, "pass"),
        (100.0, 1.0, "fail"),
        (100.0, 1.2, "fail"),
        (100.0, 9.0, "not_enough_evidence"),
        (2.0, 90.0, "pass"),
        (100.0, None, "fail"),
        (100.0, float("nan"), "fail"),
    ],
)
def test_a_busy_machine_is_no_verdict_on_the_model(
    milliseconds: float, load: float | None, verdict: str
) -> None:
    spec = spec_with(["latency"])
    evaluation = replace(evaluation_of(0.9, 1.0), latency_ms=milliseconds, machine_load=load)
    [gate] = promotion.evaluate_gates(spec, evidence_of(evaluation, spec))
    assert gate.verdict == verdict
    if verdict == "not_enough_evidence":
        assert "the machine was busy" in gate.reason
