"""Plots of metrics: signs, values, and no bar where nothing was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from mlops_assets.reports.plots import leakage, metric_bars, metrics, suspected_columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Axes]:
    """The axes of every plot drawn."""
    axes: list[Axes] = []

    def keep(figure: Figure) -> bytes:
        axes.extend(figure.axes)
        return b""

    for module in (metrics, leakage):
        monkeypatch.setattr(module, "png", keep)
    return axes


def test_bars_have_the_sign_of_their_metric_and_say_its_value(drawn: list[Axes]) -> None:
    metric_bars({"rmse": 1.0, "r2": -0.4}, {"rmse": 2.0, "r2": 0.8}, {"rmse": 9.0, "r2": -0.2})
    lengths = [[bar.get_width() for bar in bars] for bars in drawn[0].containers]
    assert lengths == [[0.5, -0.5], [1.0, 1.0], [2.5, -0.25]], (
        "challenger, champion, baseline; the longest is cut"
    )
    assert [text.get_text() for text in drawn[0].texts] == ["1", "-0.4", "2", "0.8", "9", "-0.2"]


def test_a_negative_reference_stays_negative(drawn: list[Axes]) -> None:
    metric_bars({"r2": 0.5, "rmse": float("nan")}, None, {"r2": -0.5, "rmse": 1.0})
    ours, floor = ([bar.get_width() for bar in bars] for bars in drawn[0].containers)
    assert (ours[0], floor) == (1.0, [-1.0, 1.0])
    assert [text.get_text() for text in drawn[0].texts] == ["0.5", "", "-0.5", "1"]


def test_each_suspected_column_is_drawn_against_the_target(drawn: list[Axes]) -> None:
    rows = pl.DataFrame(
        {"y": [1.0, 2.0, 3.0, None], "next": [2.0, None, 4.0, 5.0], "grade": ["a", "b", None, "b"]}
    )
    suspected_columns(rows, ["next", "grade"], "y")
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in drawn] == [("y", "next"), ("y", "grade")]
    assert [label.get_text() for label in drawn[1].get_yticklabels()] == ["b", "a"], (
        "the most frequent value first"
    )
