"""The demo: two weeks of pump_efficiency, on readings that the station's simulator writes to PostgreSQL.

Time is anchored once, at the first demo, and remembered below `home`: a second demo reads the same readings and says
that nothing changed.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import click

from mlops_assets.cli import story
from mlops_assets.cli.opening import actor
from mlops_assets.settings import Settings
from mlops_assets.spec import ModelSpec

WEEK = timedelta(days=7)


def two_weeks(settings: Settings, spec: ModelSpec, now: datetime) -> bool:
    """Run both weeks; True when both ended without a refusal."""
    anchor = _anchor(settings, now)
    click.secho("Week one: no champion yet, the absolute gates decide", bold=True)
    if not story.live(spec, anchor - WEEK, actor()):
        return False
    click.secho("\nWeek two: seven days of new readings, a challenger beside the champion", bold=True)
    if not story.live(spec, anchor, actor()):
        return False
    click.echo(
        "\nWhat next:\n"
        f"  mlops status                     champion, age, last decision\n"
        f"  mlops report {spec.name}      the gate report for code review (--html for the one with plots)\n"
        f"  mlops history {spec.name}     every decision, newest first\n"
        f"  mlops rollback {spec.name}    the version before, back in production\n"
        "  make up                          all services: Dagster's graph, MLflow, the prediction API\n"
        "The mlops command is .venv/bin/mlops."
    )
    return True


def _anchor(settings: Settings, now: datetime) -> datetime:
    """Midnight of the day of the first demo here; the demo's second week ends then."""
    file = settings.home / "demo.json"
    if file.exists():
        return datetime.fromisoformat(json.loads(file.read_text(encoding="utf-8"))["anchor"])
    anchor = now.replace(hour=0, minute=0, second=0, microsecond=0)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"anchor": anchor.isoformat()}) + "\n", encoding="utf-8")
    return anchor
