"""The demo: two weeks of pump_efficiency, on readings that the station's simulator writes to PostgreSQL.

Time is anchored at the first demo and remembered below `home`: a later demo reads the same readings and says that
nothing changed.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import click

from mlops_assets.cli import story
from mlops_assets.cli.opening import actor
from mlops_assets.model_file import ModelSpec
from mlops_assets.settings import Settings

WEEK = timedelta(days=7)
NEXT = """
What next (the mlops command is .venv/bin/mlops):
  mlops status               champion, age, last decision
  mlops report {name}        the gate report for code review; --html for the page with the plots
  mlops history {name}       every decision, newest first
  make up                    all services: Dagster's graph, MLflow, the prediction API"""


def two_weeks(settings: Settings, spec: ModelSpec, now: datetime) -> bool:
    """Run both weeks, or look at the second again when both were lived before. True unless one was refused."""
    file = settings.home / "demo.json"
    known = (
        json.loads(file.read_text(encoding="utf-8"))
        if file.exists()
        else {"anchor": _midnight(now).isoformat()}
    )
    file.write_text(json.dumps(known) + "\n", encoding="utf-8")
    anchor = datetime.fromisoformat(known["anchor"])
    if "lived" not in known:
        click.secho("Week one: no champion yet, the absolute gates decide", bold=True)
        if not story.live(spec, anchor - WEEK, actor()):
            return False
        click.secho("\nWeek two: seven days of new readings, a challenger beside the champion", bold=True)
    else:
        click.secho(f"Both weeks were lived here on {known['lived']}; looking at week two again", bold=True)
    if not story.live(spec, anchor, actor()):
        return False
    file.write_text(json.dumps(known | {"lived": f"{now:%Y-%m-%d}"}) + "\n", encoding="utf-8")
    click.echo(NEXT.format(name=spec.name))
    return True


def _midnight(now: datetime) -> datetime:
    """The second week ends at the midnight before the first demo."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)
