"""What a linear state space model with fixed parameters makes of a window of its series: an affine function of it.

Comes in: the matrices of a model. Goes out: one weight per point of the window and per state it begins with. The gains
of the Kalman filter depend on which points are known, not on what they are, so that filtering and forecasting once
gives the forecast of every row (Durbin and Koopman, Time Series Analysis by State Space Methods, 2012, chapter 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StateSpace:
    """y = design . state; state' = transition . state + noise. Shapes (k,), (k, k), (k, k) for the covariance of the
    noise."""

    design: Floats
    transition: Floats
    noise: Floats

    def later(self, spread: Floats) -> Floats:
        """The covariance of a state one step later."""
        moved: Floats = self.transition @ spread @ self.transition.T + self.noise
        return moved


@dataclass(frozen=True, slots=True)
class Forecast:
    """Weights of the window's points, oldest first, and of the state expected at its first point, (window,) and (k,);
    the variance of the forecast's error."""

    points: Floats
    start: Floats
    variance: float


def forecast(system: StateSpace, spread: Floats, known: NDArray[np.bool_], ahead: int) -> Forecast:
    """How the point `ahead` steps after the window is forecast from its known points, and from a state before the first
    of them whose covariance is `spread`."""
    size, width = known.size, system.design.size
    design: Floats = system.design
    transition: Floats = system.transition
    state: Floats = np.zeros((width, size + width))  # the state as weights of points and of the first state
    state[:, size:] = np.eye(width)
    for point in range(size):
        if known[point]:
            seen = spread @ design
            variance = float(design @ seen)
            if variance > 1e-12:
                gain = seen / variance
                surprise = -design @ state
                surprise[point] += 1.0
                state = state + np.outer(gain, surprise)
                rest = np.eye(width) - np.outer(gain, design)
                spread = rest @ spread @ rest.T
        state = transition @ state
        spread = system.later(spread)
    for _ in range(ahead - 1):
        state = transition @ state
        spread = system.later(spread)
    weights = design @ state
    return Forecast(weights[:size], weights[size:], float(design @ spread @ design))
