"""docs/algorithms.md says of every algorithm what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE
from mlops_assets.training import ALGORITHMS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "algorithms.md"
SHAP = {"tree": "exact tree", "linear": "exact linear", "other": "permutations"}
PROBLEMS = {
    ("regression", "forecasting"): "numbers",
    ("classification",): "classes",
    ("regression", "classification", "forecasting"): "numbers, classes",
    ("forecasting",): "forecasts",
}


def table() -> dict[str, list[str]]:
    """The first table of the page: by name, the cells after it."""
    lines = PAGE.read_text().splitlines()
    begin = lines.index("| algorithm | problems | extra | missing values | history | SHAP | stored as |")
    rows_of = {}
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        rows_of[name.strip("`")] = cells
    return rows_of


def test_every_algorithm_is_in_the_table() -> None:
    assert list(table()) == list(ALGORITHMS)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_table_says_what_the_code_says(name: str) -> None:
    problems, extra, gaps, past, shap, stored = table()[name]
    info, kind = ALGORITHM_CATALOGUE[name], ALGORITHMS[name]
    assert problems == PROBLEMS[info.problems]
    assert extra.strip("`") == (info.extra or "")
    assert (gaps == "yes", past == "yes") == (kind.handles_missing, kind.uses_history)
    assert shap.startswith(SHAP[kind.explain])
    assert stored
