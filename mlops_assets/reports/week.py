"""The weekly report as a page and as the text of a mail.

Comes in: a `WeekReport`. Goes out: text. Every value is escaped in the page; the mail is plain text.
"""

from __future__ import annotations

from typing import Final

from mlops_assets.artifacts import RunCost, WeekReport
from mlops_assets.reports.rendering import render

VERDICTS: Final = {"yes": "yes", "no": "no", "not_known": "not known"}
TONES: Final = {"yes": "good", "no": "bad", "not_known": "none"}


def week_html(report: WeekReport) -> str:
    """Return the page.

    Args:
        report: The report.

    Returns:
        HTML with the style sheet inside.
    """
    verdicts = {one.still_best for one in report.models}
    return render(
        "week.html",
        title=f"Week to {report.end:%Y-%m-%d}",
        report=report,
        tone="refuse" if "no" in verdicts else "promote" if verdicts == {"yes"} else "keep",
        models=[
            (
                one,
                VERDICTS[one.still_best],
                TONES[one.still_best],
                one.health.replace("_", " "),
                cost_text(one.cost),
            )
            for one in report.models
        ],
        total=cost_text(total_cost(report)),
    )


def week_text(report: WeekReport) -> str:
    """Return the report as plain text, one line per model.

    Args:
        report: The report.

    Returns:
        Lines without markup.
    """
    lines = [f"Week to {report.end:%Y-%m-%d}. {report.sentence}.", ""]
    for one in report.models:
        champion = f"version {one.version}" if one.version else "no champion"
        verdict = VERDICTS[one.still_best]
        lines.append(f"{one.model} ({champion}): still the best available? {verdict}, because {one.reason}.")
        lines += [f"  {one.delivery}."] if one.delivery else []
    lines += ["", f"Cost of the week: {cost_text(total_cost(report))}."]
    lines += [f"{report.calibration}."] if report.calibration else []
    if report.alerts:
        lines += ["", "Nobody acknowledged:"]
        for alert in report.alerts:
            times = f", {alert.times} times" if alert.times > 1 else ""
            about = f", {alert.model}" if alert.model and alert.model not in alert.message else ""
            lines.append(f"  {alert.number} since {alert.since:%Y-%m-%d}{times}{about}: {alert.message}")
        lines.append("  acknowledge with: mlops alerts ack NUMBER")
    return "\n".join(lines)


def total_cost(report: WeekReport) -> RunCost:
    """Return the cost of all models.

    Args:
        report: The report.

    Returns:
        The sum.
    """
    costs = [one.cost for one in report.models]
    return RunCost(
        sum(one.runs for one in costs),
        sum(one.failed for one in costs),
        sum(one.seconds for one in costs),
        sum(one.trainings for one in costs),
        sum(one.training_seconds for one in costs),
        sum(one.cpu_seconds for one in costs),
        sum(one.cpu_runs for one in costs),
    )


def cost_text(cost: RunCost) -> str:
    """Return a cost in words.

    Args:
        cost: Runs, trainings and their time.

    Returns:
        Text such as '31 runs (1 failed) in 42 min, 8 min CPU, 2 trainings in 12 s'.
    """
    failed = f" ({cost.failed} failed)" if cost.failed else ""
    runs = f"{cost.runs} run{'' if cost.runs == 1 else 's'}{failed} in {_duration(cost.seconds)}"
    trainings = (
        f"{cost.trainings} training{'' if cost.trainings == 1 else 's'} in {_duration(cost.training_seconds)}"
    )
    of_runs = "" if cost.cpu_runs == cost.runs else f" (of {cost.cpu_runs} runs)"
    processor = f", {_duration(cost.cpu_seconds)} CPU{of_runs}" if cost.cpu_runs else ""
    return f"{runs}{processor}, {trainings}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
