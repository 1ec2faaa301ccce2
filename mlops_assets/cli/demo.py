"""The demo: two weeks of pump_efficiency, on readings that the station's simulator writes to PostgreSQL.

Time is anchored at the first demo and stored below `home`: a later demo reads the same readings and reports that
nothing changed.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.context import actor
from mlops_assets.cli.lifecycle_run import run_lifecycle

if TYPE_CHECKING:
    from mlops_assets.model_file import ModelSpec
    from mlops_assets.settings import Settings

WEEK = timedelta(days=7)
NEXT = """
What next (the mlops command is .venv/bin/mlops):
  mlops status               champion, age, last decision
  mlops report {name}        the gate report for code review; --html for the page with the plots
  mlops history {name}       every decision, newest first
  make up                    all services: Dagster's graph, MLflow, the prediction API"""


def run_two_weeks(settings: Settings, spec: ModelSpec, now: datetime) -> bool:
    """Run both weeks of the demonstration, or the second again when both were run before.

    Args:
        settings: Settings of the installation.
        spec: The model file.
        now: Present time, with a zone.

    Returns:
        False when a challenger was refused.
    """
    file = settings.home / "demo.json"
    state = (
        json.loads(file.read_text(encoding="utf-8"))
        if file.exists()
        else {"anchor": _midnight(now).isoformat()}
    )
    file.write_text(json.dumps(state) + "\n", encoding="utf-8")
    anchor = datetime.fromisoformat(state["anchor"])
    if "finished" not in state:
        click.secho("Week one: no champion yet, the absolute gates decide", bold=True)
        if not run_lifecycle(spec, anchor - WEEK, actor()):
            return False
        click.secho(
            "\nWeek two: seven days of new readings, a challenger compared with the champion", bold=True
        )
    else:
        click.secho(f"Both weeks were run here on {state['finished']}; running week two again", bold=True)
    if not run_lifecycle(spec, anchor, actor()):
        return False
    file.write_text(json.dumps(state | {"finished": f"{now:%Y-%m-%d}"}) + "\n", encoding="utf-8")
    click.echo(NEXT.format(name=spec.name))
    return True


def _midnight(now: datetime) -> datetime:
    """Return the second week ends at the midnight before the first demo."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
