"""Readings from a simulator, without a database."""

from __future__ import annotations

from datetime import timedelta

from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import SimulatedSource
from mlops_assets.readings.request import Fetched, Request
from mlops_assets.simulators import SIMULATORS


def read_simulated(source: SimulatedSource, request: Request) -> Fetched:
    """Read the simulator's rows of the window.

    Args:
        source: Simulator, seed and parameters.
        request: The window.

    Returns:
        The readings with their origin.

    Raises:
        SourceError: There is no window, or the simulator does not know a parameter.
    """
    if request.start is None:
        raise SourceError(
            f"model {request.model!r}: a simulated source has no end; declare source.window, such as 30d"
        )
    tick = timedelta(microseconds=1)
    try:
        frame = SIMULATORS[source.simulator](
            request.start + tick, request.as_of + tick, seed=source.seed, **source.params
        )
    except (TypeError, ValueError, KeyError) as error:
        raise SourceError(
            f"model {request.model!r}: simulator {source.simulator!r} refuses source.params: {error}"
        ) from None
    return Fetched(frame, f"simulated {source.simulator}, seed {source.seed}")
