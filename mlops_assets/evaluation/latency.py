"""How long a prediction takes, preparation included. The only module of the package that reads a clock.

The load of the machine must not decide about a model: a prediction of 2 ms took 180 ms on a busy machine. Each round
runs a fixed calibration loop first, whose wall time equals its processor time on a quiet machine. Wall time counts if
one round was quiet; otherwise processor time counts, which other processes hardly change.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import polars as pl

from mlops_assets.artifacts import QUIET_LOAD, Predictor

ROUNDS: Final = 5
CALLS: Final = 5
MAX_SECONDS: Final = 2.0
CALIBRATION_STEPS: Final = 40_000


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where time is read from; tests have their own.

    Attributes:
        wall: Seconds that pass.
        process: Processor seconds of this process, all threads.
        thread: Processor seconds of this thread.
    """

    wall: Callable[[], float] = time.perf_counter
    process: Callable[[], float] = time.process_time
    thread: Callable[[], float] = time.thread_time


@dataclass(frozen=True, slots=True)
class Latency:
    """What one call takes.

    Attributes:
        milliseconds: The best round.
        load: Wall time of the calibration loop by its processor time in the quietest round; 1 on a quiet machine.
    """

    milliseconds: float
    load: float


def calibrate() -> int:
    """Run a fixed amount of work: a few milliseconds on one core."""
    total = 0
    for step in range(CALIBRATION_STEPS):
        total += step & 7
    return total


def measure_latency(
    predictor: Predictor,
    frame: pl.DataFrame,
    rows: int = 1,
    *,
    clocks: Clocks | None = None,
    calibration: Callable[[], object] = calibrate,
) -> Latency | None:
    """Measure one call with `rows` rows, after one call that warms up.

    Args:
        predictor: The model.
        frame: Feature rows; the first are predicted.
        rows: Rows per call.
        clocks: Where time is read from.
        calibration: The work whose wall and processor time are compared.

    Returns:
        The best of several rounds, and the load of the machine; None if there are fewer rows.
    """
    if frame.height < rows:
        return None
    clock, sample = clocks or Clocks(), frame.head(rows)
    predictor.predict(sample)
    loads: list[float] = []
    wall_times: list[float] = []
    cpu_times: list[float] = []
    started = clock.wall()
    while len(loads) < ROUNDS and (not loads or clock.wall() - started < MAX_SECONDS):
        wall, cpu = _timed(calibration, clock.wall, clock.thread)
        loads.append(wall / cpu if cpu > 0 else 1.0)
        for _ in range(CALLS):
            wall, cpu = _timed(lambda: predictor.predict(sample), clock.wall, clock.process)
            wall_times.append(wall)
            cpu_times.append(cpu)
            if clock.wall() - started >= MAX_SECONDS:
                break
    load = min(loads)
    seconds = min(wall_times) if load <= QUIET_LOAD else min(*wall_times, *cpu_times)
    return Latency(1000.0 * seconds, load)


def _timed(
    call: Callable[[], object], wall: Callable[[], float], cpu: Callable[[], float]
) -> tuple[float, float]:
    before = wall(), cpu()
    call()
    return wall() - before[0], cpu() - before[1]
