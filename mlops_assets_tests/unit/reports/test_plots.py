"""Plots of metrics: signs, values, and no bar where nothing was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mlops_assets.reports.plots import metric_bars, metrics

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

    monkeypatch.setattr(metrics, "png", keep)
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
