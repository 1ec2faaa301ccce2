"""What a finished backtest says about exactly one change of a model file, for code review.

Comes in: the model file before and after, the folder of results. Goes out: Markdown; the command to run where no
backtest of this change was run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from mlops_assets.artifacts import from_json
from mlops_assets.backtest import tables
from mlops_assets.backtest.records import BacktestResult
from mlops_assets.lifecycle.file_history import changes
from mlops_assets.model_file import ModelSpec

RESULT: Final = "result.json"
GOVERNANCE: Final = ("gates", "monitoring", "retraining", "schedules")


def backtest_of_change(home: Path, before: ModelSpec, after: ModelSpec, ref: str) -> str:
    """Return the summary of the newest backtest that compared exactly these two model files.

    Args:
        home: The platform's folder.
        before: The model file at the git ref.
        after: The model file now.
        ref: The git ref.

    Returns:
        Markdown; empty where the change concerns no policy.
    """
    sections = {one.key.partition("[")[0].partition(".")[0] for one in changes(before, after)}
    if not sections & set(GOVERNANCE):
        return ""
    wanted = {before.digest(), after.digest()}
    for result in finished_backtests(home, after.name):
        if wanted <= set(result.source_digests.values()):
            return "\n".join(["### Backtest of this change", "", *summary_lines(result), ""])
    return (
        f"No backtest was run for exactly this change: `mlops backtest {after.name} --against {ref}` "
        "shows what it would have led to.\n"
    )


def finished_backtests(home: Path, model: str) -> list[BacktestResult]:
    """Return the results of finished backtests that this release can read.

    Args:
        home: The platform's folder.
        model: Name of the model.

    Returns:
        Results, newest first.
    """
    files = sorted((home / "backtests" / model).glob(f"*/{RESULT}"), key=lambda file: -file.stat().st_mtime)
    results = []
    for file in files:
        try:
            results.append(read_result(file.parent))
        except (OSError, ValueError, ValidationError):
            continue  # written by another release, or half written
    return results


def read_result(folder: Path) -> BacktestResult:
    """Return the result that a finished backtest left in its folder.

    Args:
        folder: The folder of the backtest.

    Returns:
        The result.
    """
    return from_json(BacktestResult, json.loads((folder / RESULT).read_text(encoding="utf-8")))


def summary_lines(result: BacktestResult) -> list[str]:
    """Return span, table of policies and recommendation as Markdown.

    Args:
        result: The result.

    Returns:
        Lines without line ends.
    """
    head = tables.policy_head(result)
    rows = [f"| {' | '.join(row)} |" for row in tables.policy_rows(result)]
    table = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *rows]
    return [result.span.sentence, "", *table, "", result.sentence, *(f"- `{one}`" for one in result.changes)]
