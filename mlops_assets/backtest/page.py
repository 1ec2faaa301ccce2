"""The result of a backtest as one self-contained HTML page: the recommendation, the pictures, the tables.

Comes in: a `BacktestResult`. Goes out: HTML and PNG files. Style and layout are those of the gate report.
"""

from __future__ import annotations

import json
import math
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from mlops_assets.artifacts import to_json
from mlops_assets.backtest import tables
from mlops_assets.backtest.policies import ORACLE
from mlops_assets.backtest.records import BacktestResult, PolicyResult
from mlops_assets.backtest.summary import RESULT, summary_lines
from mlops_assets.reports.plots.figure import BLUE, GRAY, GREEN, ORANGE, RED, SKY, new_figure, png
from mlops_assets.reports.rendering import render

COLORS: Final = (BLUE, ORANGE, GREEN, RED, SKY)
MARKERS: Final = ("o", "s", "^", "D", "v")
ALT_TEXTS: Final = {
    "error_and_cost": "One point per policy: its error against the processor time of its trainings; a line joins the "
    "policies that no other one beats in both, a broken line is the oracle's error; the numbers are in the table",
    "error_over_time": "One line per policy: the error of each step over time; the oracle in gray",
}


def write_result(folder: Path, result: BacktestResult) -> Path:
    """Write the result as JSON, the page, and the summary in Markdown with its pictures.

    Args:
        folder: The folder of the backtest.
        result: The result.

    Returns:
        Path of the page.
    """
    drawn = pictures(result)
    for name, picture in drawn.items():
        (folder / f"{name}.png").write_bytes(picture)
    images = [f"![{ALT_TEXTS[name]}]({name}.png)\n" for name in drawn]
    text = "\n".join([f"# {result.model}: backtest", "", *summary_lines(result), "", *images])
    (folder / "report.md").write_text(text, encoding="utf-8")
    file = folder / "report.html"
    file.write_text(page(result, drawn), encoding="utf-8")
    (folder / RESULT).write_text(json.dumps(to_json(result)), encoding="utf-8")
    return file


def page(result: BacktestResult, drawn: Mapping[str, bytes]) -> str:
    """Return the whole page.

    Args:
        result: The result.
        drawn: Its pictures, PNG files by name.

    Returns:
        HTML with style sheet and pictures inside.
    """
    return render(
        "backtest.html",
        title=f"{result.model}: backtest of {len(result.policies) - 1} policies",
        result=result,
        span=result.span.sentence,
        plots=[
            (ALT_TEXTS[name], f"data:image/png;base64,{b64encode(picture).decode()}")
            for name, picture in drawn.items()
        ],
        policy_head=tables.policy_head(result),
        policies=tables.policy_rows(result),
        pair_head=tables.PAIR_HEAD,
        pairs=tables.pair_rows(result),
        training_head=tables.TRAINING_HEAD,
        trainings=tables.training_rows(result),
    )


def pictures(result: BacktestResult) -> dict[str, bytes]:
    """Return the pictures of the page.

    Args:
        result: The result.

    Returns:
        PNG files by name; those that can be drawn.
    """
    drawn = {"error_and_cost": _error_and_cost(result), "error_over_time": _error_over_time(result)}
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _error_and_cost(result: BacktestResult) -> bytes | None:
    known = [one for one in result.policies if one.policy != ORACLE and math.isfinite(one.total)]
    if not known:
        return None
    has_money = all(one.money is not None for one in known)
    unit = f"cost in {result.currency or 'money'}" if has_money else "processor time of trainings, s"
    figure, axes = new_figure("Error against cost, with the frontier")
    lower = result.direction != "higher"
    at = {one.policy: (_cost(one, has_money), one.total) for one in known}
    axes.plot(
        *zip(*(at[name] for name in result.frontier), strict=True),
        color=GRAY,
        linewidth=1,
        zorder=1,
        label="frontier",
    )
    for index, one in enumerate(known):
        color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
        chosen = one.policy == result.recommended
        axes.scatter(*at[one.policy], color=color, marker=marker, s=90 if chosen else 45, zorder=2)
        label = f"{one.policy} (recommended)" if chosen else one.policy
        axes.annotate(label, at[one.policy], xytext=(6, 5), textcoords="offset points", fontsize=8)
    axes.axhline(_oracle(result).total, color=GRAY, linestyle="--", linewidth=1, label="oracle")
    axes.margins(0.18)
    axes.set_xlabel(unit, fontsize=8)
    axes.set_ylabel(f"{result.metric}, {'lower' if lower else 'higher'} is better", fontsize=8)
    axes.legend(fontsize=8, frameon=False, loc="center left")
    return png(figure)


def _error_over_time(result: BacktestResult) -> bytes | None:
    figure, axes = new_figure("Error of each step", 7.0, 3.8)
    instants = np.array([one.replace(tzinfo=None) for one in result.instants[:-1]], dtype="datetime64[s]")
    drawn = False
    others = [one for one in result.policies if one.policy != ORACLE]
    for index, one in enumerate([*others, _oracle(result)]):
        errors = np.array(one.errors)
        if not np.isfinite(errors).any():
            continue
        drawn = True
        is_oracle = one.policy == ORACLE
        color = GRAY if is_oracle else COLORS[index % len(COLORS)]
        axes.plot(
            instants,
            errors,
            color=color,
            linewidth=1.2,
            linestyle="--" if is_oracle else "-",
            label=one.policy,
        )
    if not drawn:
        return None
    axes.set_ylabel(result.metric, fontsize=8)
    axes.tick_params(labelsize=8)
    axes.legend(fontsize=8, frameon=False)
    return png(figure)


def _oracle(result: BacktestResult) -> PolicyResult:
    return next(one for one in result.policies if one.policy == ORACLE)


def _cost(one: PolicyResult, has_money: bool) -> float:
    return one.money if has_money and one.money is not None else one.cpu_seconds
