"""Forecast weights of a linear state space model with fixed parameters.

A forecast is an affine function of the window of the series.

Comes in: the matrices of a model. Goes out: one weight per point of the window and per state it begins with. The
gains of the Kalman filter depend on which points are known, not on what they are, so that filtering and forecasting
once gives the forecast of every row (Durbin and Koopman, Time Series Analysis by State Space Methods, 2012, chapter
4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StateSpace:
    """y = design . state; state' = transition . state + noise.

    Shapes (k,), (k, k), (k, k) for the covariance of the noise.
    """

    design: Floats
    transition: Floats
    process_covariance: Floats

    def predict_covariance(self, covariance: Floats) -> Floats:
        """Return the covariance of a state one step later.

        Args:
            covariance: Covariance of the state, shape (states, states).

        Returns:
            F P F' + Q, the same shape.
        """
        moved: Floats = self.transition @ covariance @ self.transition.T + self.process_covariance
        return moved

    def predict_covariance_after(self, covariance: Floats, steps: int) -> Floats:
        """Return the covariance of a state many steps later, in as many products as `steps` has binary digits.

        Args:
            covariance: Covariance of the state, shape (states, states).
            steps: Number of steps, at least 0.

        Returns:
            The covariance, the same shape.
        """
        transition, process = self.transition, self.process_covariance
        while steps:
            if steps % 2:
                covariance = transition @ covariance @ transition.T + process
            process = transition @ process @ transition.T + process
            transition = transition @ transition
            steps //= 2
        return covariance


@dataclass(frozen=True, slots=True)
class Forecast:
    """A forecast as an affine function of a window.

    points, start: weights of the window's points, oldest first, (window,), and of the state expected at its first
    point, (k,). variance: of the forecast's error.
    """

    points: Floats
    start: Floats
    variance: float


def forecast(system: StateSpace, covariance: Floats, known: NDArray[np.bool_], horizon: int) -> Forecast:
    """Return the weights by which a window's known points, and the state before them, forecast a later point.

    Args:
        system: The model.
        covariance: Covariance (k, k) of the state before the first point.
        known: Which points of the window are known, oldest first.
        horizon: Steps from the last point of the window to the forecast.

    Returns:
        Weights of the points and of the state, and the forecast's variance.
    """
    size, width = known.size, system.design.size
    design: Floats = system.design
    transition: Floats = system.transition
    state: Floats = np.zeros((width, size + width))  # the state as weights of points and of the first state
    state[:, size:] = np.eye(width)
    for point in range(size):
        if known[point]:
            covariance_of_point = covariance @ design
            variance = float(design @ covariance_of_point)
            if variance > 1e-12:
                gain = covariance_of_point / variance
                innovation = -design @ state
                innovation[point] += 1.0
                state = state + np.outer(gain, innovation)
                rest = np.eye(width) - np.outer(gain, design)
                covariance = rest @ covariance @ rest.T
        state = transition @ state
        covariance = system.predict_covariance(covariance)
    for _ in range(horizon - 1):
        state = transition @ state
        covariance = system.predict_covariance(covariance)
    weights = design @ state
    return Forecast(weights[:size], weights[size:], float(design @ covariance @ design))
