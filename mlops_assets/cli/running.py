"""Commands that run the graph or the services: run, demo, up."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from mlops_assets.cli import story
from mlops_assets.cli.opening import actor, make_ready, now, settings, spec_of


class Instant(click.ParamType[datetime]):
    """An ISO 8601 instant; without an offset it is UTC."""

    name = "instant"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse, or fail with the accepted form."""
        if isinstance(value, datetime):
            return value
        try:
            parsed = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is not an instant; write 2026-01-31 or 2026-01-31T12:00:00+00:00", param, ctx
            )
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


@click.command(name="run")
@click.argument("model")
@click.option("--as-of", type=Instant(), help="Look at the world from this instant; default now.")
@click.option(
    "--force", is_flag=True, help="Train again even when nothing changed since the last challenger."
)
def run_model(model: str, as_of: datetime | None, force: bool) -> None:
    """Live MODEL's whole life once: readings, validation, features, training, gates, promotion, predictions.

    Exits with 0 when the challenger was promoted or the champion kept, with 1 when it was refused or a step failed.
    """
    spec = spec_of(model)
    make_ready()
    finished = story.live(spec, as_of or now(), actor(), force=force)
    sys.exit(0 if finished else 1)


@click.command()
def demo() -> None:
    """Live the first two weeks of pump_efficiency on simulated readings and say what happened."""
    from mlops_assets.cli.demo import two_weeks

    make_ready()
    sys.exit(0 if two_weeks(settings(), spec_of("pump_efficiency"), now()) else 1)


@click.command()
def up() -> None:
    """Start everything here and stay: PostgreSQL, MLflow, Dagster, the prediction API. Ctrl-C stops all of it."""
    from mlops_assets.local.up import run_up

    sys.exit(run_up(settings(), echo=click.echo))


@click.command()
def migrate() -> None:
    """Bring every database to the version this program needs; other commands do it by themselves."""
    make_ready()
    click.echo("every database is at the version this program needs")


COMMANDS = (run_model, demo, up, migrate)
