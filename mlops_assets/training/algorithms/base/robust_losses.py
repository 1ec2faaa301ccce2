"""Losses that far outliers hardly move.

Huber's (1964) and log-cosh, squared near the truth and linear far from it.

Where they bend is one spread of the training target (its interquartile range over 1.349, which is the standard
deviation of a normal one): the same name means the same thing whatever the units, and a target in thousands is
learned as well as one in fractions. That is why the boosting libraries' own versions are not taken as they are:
they bend at 1, and with a target of 700 +- 200 they end up nowhere near it.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from mlops_assets.training.algorithms.base.losses import CustomObjective, Floats

NORMAL: Final = 1.349
"""Interquartile range of the standard normal distribution."""


def robust_scale(target: Floats) -> float:
    """Return a robust scale of the target: the interquartile range over 1.349.

    Args:
        target: Training target, shape (rows,).

    Returns:
        The scale; the standard deviation where it is 0, and 1 where both are.
    """
    low, high = np.quantile(target, [0.25, 0.75])
    return float((high - low) / NORMAL) or float(target.std()) or 1.0


def robust_loss(name: str, target: Floats) -> CustomObjective:
    """Return a robust loss as a custom objective that starts at the median of the training target.

    Args:
        name: `huber` or `log_cosh`.
        target: Training target, shape (rows,); its robust scale sets where the loss becomes linear.

    Returns:
        Objective with gradient, Hessian and loss.
    """
    scale = robust_scale(target)
    derivatives, losses = {"huber": (_huber_steps, _huber), "log_cosh": (_log_cosh_steps, _log_cosh)}[name]
    return CustomObjective(
        name,
        lambda scores, truth: derivatives(scores - truth, scale),
        lambda scores, truth: float(losses(scores - truth, scale).mean()),
        float(np.median(target)),
    )


def _huber(residual: Floats, scale: float) -> Floats:
    far = np.abs(residual)
    return np.where(far <= scale, residual**2 / 2.0, scale * (far - scale / 2.0))


def _huber_steps(residual: Floats, scale: float) -> tuple[Floats, Floats]:
    return np.clip(residual, -scale, scale), scale / np.maximum(np.abs(residual), scale)


def _log_cosh(residual: Floats, scale: float) -> Floats:
    far = np.abs(residual) / scale
    return np.asarray(scale**2 * (far + np.log1p(np.exp(-2.0 * far)) - np.log(2.0)))


def _log_cosh_steps(residual: Floats, scale: float) -> tuple[Floats, Floats]:
    # The curvature of the parabola that touches the loss and lies nowhere below it: its Newton step goes to the truth
    # from afar, where the second derivative itself is almost 0 and would send the step to infinity.
    far = residual / scale
    near = np.abs(far) < 1e-4
    return scale * np.tanh(far), np.where(near, 1.0, np.tanh(far) / np.where(near, 1.0, far))
