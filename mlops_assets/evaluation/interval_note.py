"""What a report says of the prediction interval, in one sentence."""

from __future__ import annotations

from mlops_assets.metrics import METRICS, Scored
from mlops_assets.model_file import ModelSpec


def interval_note(spec: ModelSpec, holdout: Scored) -> str | None:
    """Describe how many holdout rows lie inside the interval and how wide it is.

    Args:
        spec: The model file.
        holdout: Scored rows of the test part.

    Returns:
        The sentence; None for classes and where the model file names no interval.
    """
    level = spec.training.interval
    if spec.problem == "classification" or level is None:
        return None
    if holdout.bounds is None:
        return f"no {100 * level:g} % interval: the validation part has too few rows to learn one, or gaps"
    coverage, width = (METRICS[name].measure(holdout) for name in ("coverage", "interval_width"))
    return (
        f"{100 * level:g} % interval: {100 * coverage:.1f} % of {holdout.truth.size:,} holdout rows lie inside, "
        f"mean width {width:.4g}"
    )
