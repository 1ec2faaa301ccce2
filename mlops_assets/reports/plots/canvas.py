"""What all pictures are drawn on: one look, no screen, none of pyplot's global state, PNG bytes at the end.

Colours are those of Okabe & Ito, told apart by people with colour vision deficiencies.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, GREY, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#6B7280", "#56B4E9"
MOST_POINTS: Final = 1_200


def canvas(title: str, width: float = 7.0, height: float = 4.2) -> tuple[Figure, Axes]:
    """A figure with one pair of axes under a title; width and height in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#E5E7EB", linewidth=0.8)
    axes.set_axisbelow(True)
    return figure, axes


def png(figure: Figure) -> bytes:
    """The drawn figure in 96 colours, which keeps a picture small."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    drawing = FigureCanvasAgg(figure)
    drawing.draw()
    drawn = Image.fromarray(np.asarray(drawing.buffer_rgba())).convert("RGB").quantize(96)
    buffer = BytesIO()
    drawn.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


def thinned(count: int, most: int = MOST_POINTS) -> Any:
    """Places of at most so many of `count` rows, evenly spread."""
    return np.arange(count) if count <= most else np.linspace(0, count - 1, most).astype(int)
