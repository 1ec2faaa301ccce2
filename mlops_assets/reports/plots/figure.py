"""The figure of every plot: one style, no screen, none of pyplot's global state, PNG bytes at the end.

Colors are those of Okabe & Ito, which people with color vision deficiencies can distinguish.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GRAY, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6B7280", "#56B4E9"
MAX_POINTS: Final = 1_200


def new_figure(title: str, width: float = 7.0, height: float = 4.2) -> tuple[Figure, Axes]:
    """Return a figure with one pair of axes under a title.

    Args:
        title: Title of the plot.
        width: Width in inches.
        height: Height in inches.

    Returns:
        Figure and axes, drawn without a display.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#E5E7EB", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def png(figure: Figure) -> bytes:
    """Return the drawn figure as PNG with 96 colors, which keeps it small.

    Args:
        figure: The figure.

    Returns:
        PNG file.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    agg = FigureCanvasAgg(figure)
    agg.draw()
    # The most frequent colors would drown the few points that a reader looks for; maximum coverage keeps rare ones.
    image = Image.fromarray(np.asarray(agg.buffer_rgba())).convert("RGB")
    image = image.quantize(96, method=Image.Quantize.MAXCOVERAGE)
    buffer = BytesIO()
    image.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def thinned(count: int, max_rows: int = MAX_POINTS) -> Any:
    """Return indices of at most `max_rows` of `count` rows, evenly spaced.

    Args:
        count: Number of rows.
        max_rows: Largest number of indices.

    Returns:
        Indices in ascending order, int64.
    """
    return np.arange(count) if count <= max_rows else np.linspace(0, count - 1, max_rows).astype(int)
