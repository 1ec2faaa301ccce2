"""Flips: right predictions that become wrong, the reverse, and how far predictions move, overall and by slice."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from mlops_assets import promotion
from mlops_assets.artifacts import Flips, from_json, to_json
from mlops_assets.evaluation import flips
from mlops_assets.metrics import Scored
from mlops_assets.reports import draw_flips
from mlops_assets.reports.flips import flip_note, flip_rows
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of, spec_with

CLASSES = ("a", "b")
GATE: dict[str, Any] = {"max_flips": {"limit": 0.1, "slice_limit": 0.2}}


def classified(predicted: list[int], truth: list[int], share: float = 0.8) -> Scored:
    probabilities = np.array([[share, 1 - share] if code == 0 else [1 - share, share] for code in predicted])
    return Scored(np.array(truth, float), np.array(predicted, float), probabilities, None, CLASSES)


def test_classes_flip_by_label_and_move_by_probability() -> None:
    spec = spec_with([], problem="classification", evaluation={"primary": "accuracy", "slices": ["shop"]})
    truth = [0, 0, 1, 1, 0]
    older, newer = classified([0, 0, 1, 0, 1], truth), classified([0, 1, 1, 1, 1], truth, 0.9)
    rows = pl.DataFrame({"shop": ["x", "x", "x", "y", None]})
    everything, *slices = flips(spec, rows, newer, older)
    assert (everything.rows, everything.right_to_wrong, everything.wrong_to_right) == (5, 1, 1)
    assert everything.moved == pytest.approx(2 / 5)
    assert everything.moved_most == pytest.approx(0.7)
    assert everything.tolerance is None
    counted = {one.value: (one.rows, one.right_to_wrong, one.wrong_to_right) for one in slices}
    assert counted == {"missing": (1, 0, 0), "x": (3, 1, 0), "y": (1, 0, 1)}
    assert from_json(Flips, to_json(everything)) == everything


def test_numbers_flip_by_the_champions_own_error_and_what_is_not_finite_is_wrong() -> None:
    spec = spec_with([])
    truth = np.array([0.0, 1.0, 2.0, 3.0])
    older = Scored(truth, truth + np.array([0.0, 0.0, 0.0, 2.0]), None, None)
    newer = Scored(truth, truth + np.array([0.0, 5.0, np.nan, 0.5]), None, None)
    [everything] = flips(spec, pl.DataFrame({"row": range(4)}), newer, older)
    assert everything.tolerance == pytest.approx(1.0)
    assert (everything.right_to_wrong, everything.wrong_to_right) == (2, 1)
    assert not np.isfinite(everything.moved)


def test_nothing_flips_between_a_model_and_itself() -> None:
    truth = np.arange(50, dtype=np.float64) / 50.0
    same = Scored(truth, truth + 0.1 * np.sin(40 * truth), None, None)
    [everything] = flips(spec_with([]), pl.DataFrame({"row": range(50)}), same, same)
    assert (everything.right_to_wrong, everything.wrong_to_right, everything.moved) == (0, 0, 0.0)


def counts(everything: int, slice_flips: int, slice_rows: int = 40) -> tuple[Flips, ...]:
    return (
        Flips("", "", 100, everything, 3, 0.2, 0.5, 1.0),
        Flips("unit", "p1", slice_rows, slice_flips, 0, 0.2, 0.5, 1.0),
    )


@pytest.mark.parametrize(
    ("recorded", "verdict", "reason"),
    [
        (counts(10, 8), "pass", "10 % of 100 rows were right and become wrong"),
        (
            counts(11, 0),
            "fail",
            "11 % of 100 rows of the holdout were right and become wrong, more than 10 %",
        ),
        (counts(0, 9), "fail", "22.5 % of 40 rows of unit p1 were right"),
        (counts(0, 9, 29), "pass", "at most 10 %"),
        ((), "fail", "were not counted"),
        ((Flips("", "", 0, 0, 0, 0.0, 0.0),), "fail", "no finite number"),
    ],
)
def test_the_gate_limits_what_is_lost(recorded: tuple[Flips, ...], verdict: str, reason: str) -> None:
    spec = spec_with([GATE])
    [result] = promotion.evaluate_gates(spec, evidence_of(evaluation_of(0.9, 1.0, flips=recorded), spec))
    assert result.verdict == verdict, result.reason
    assert reason in result.reason
    assert result.hard == ("not counted" in reason or "finite" in reason)


def test_few_rows_are_not_enough_evidence_about_flips() -> None:
    spec = spec_with([GATE])
    few = evaluation_of(0.9, 1.0, flips=counts(0, 0), comparable_rows=19)
    assert promotion.evaluate_gates(spec, evidence_of(few, spec))[0].verdict == "not_enough_evidence"


def test_the_table_names_the_worst_slice_first_and_the_picture_is_a_png() -> None:
    rows = flip_rows((*counts(5, 1), Flips("unit", "p2", 40, 30, 0, 0.2, 0.5, 1.0)))
    assert [row[0] for row in rows] == ["all rows", "unit p2", "unit p1"]
    assert "champion's root mean square error" in flip_note(counts(0, 0))
    truth = np.arange(20, dtype=np.float64)
    numbers = Scored(truth, truth, None, None), Scored(truth, truth + 1.0, None, None)
    classes = classified([0, 1], [0, 0]), classified([1, 1], [0, 0])
    for newer, older in (numbers, classes):
        assert draw_flips(newer, older, "y", 3, 4).startswith(b"\x89PNG")


def test_one_flip_among_many_rows_is_in_the_picture() -> None:
    truth = np.arange(50_000, dtype=np.float64)
    newer = truth.copy()
    newer[31_111] += 5_000.0
    older = truth + np.where(np.arange(truth.size) % 2, 1.0, -1.0)
    png = draw_flips(Scored(truth, newer, None, None), Scored(truth, older, None, None), "y", 3, 4)
    pixels = np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)
    axes = pixels[: int(0.8 * len(pixels))]  # the legend is below
    is_red = (axes[..., 0] > 180) & (axes[..., 2] < 130) & (axes[..., 0] > axes[..., 1] + 50)
    assert is_red.any()
