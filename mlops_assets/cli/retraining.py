"""Commands about retraining: ask for one, defer it, and read why one was or was not started."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.context import actor, model_spec, now, open_platform
from mlops_assets.cli.options import JSON, MODEL
from mlops_assets.cli.output import Column, minute, print_json, print_records
from mlops_assets.cli.receipts import print_receipt

if TYPE_CHECKING:
    from mlops_assets.artifacts import Signal
    from mlops_assets.retraining import Ruling


@click.command()
@MODEL
@click.option("--reason", required=True, help="Why; stands in the decision and in the run's request.")
@click.option("--defer", help="Hold retrains back for so long, such as 3d, instead of requesting one.")
def retrain(model: str, reason: str, defer: str | None) -> None:
    """Ask the retrain governor to retrain MODEL, or with --defer to wait.

    The governor decides within a minute while 'mlops up' runs; a person's wish waits only for a retrain under way.
    """
    from mlops_assets.artifacts import Signal
    from mlops_assets.lifecycle import governing
    from mlops_assets.model_file.values import parse_duration

    spec, at, who = model_spec(model), now(), actor()
    try:
        until = at + parse_duration(defer) if defer else None
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--defer") from None
    wish = Signal(
        model=spec.name,
        cause="defer" if defer else "manual",
        at=at,
        active=True,
        subject=who if defer is None else "",
        reason=f"{who}: {reason}",
        until=until,
    )
    with open_platform() as platform:
        platform.ledger.record_signals([wish], at)
        ruling = governing.preview(spec, platform, at)
    click.echo(f"{spec.name}: {_sentence(ruling)}")


@click.command()
@MODEL
@click.option("--prediction", help="Explain this prediction of the API instead: the id in its response.")
@click.option(
    "--row",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Row of the request, with --prediction.",
)
@click.option(
    "--limit", default=10, show_default=True, type=click.IntRange(1, 1_000), help="Decisions to list."
)
@JSON
def why(model: str, prediction: str | None, row: int, limit: int, as_json: bool) -> None:
    """Explain why MODEL is or is not retrained: what the governor would decide now, its signals, its last decisions.

    With --prediction: print the receipt of one prediction of the API, with version, values, features, SHAP values,
    gate results, approval and label.
    """
    if prediction is not None:
        from mlops_assets.lifecycle.receipts import receipt

        with open_platform() as platform:
            print_receipt(receipt(platform, model, prediction, row), as_json=as_json)
        return
    from mlops_assets.lifecycle import governing

    spec = model_spec(model)
    with open_platform() as platform:
        ruling = governing.preview(spec, platform, now())
        signals = governing.newest_of_each(governing.situation(spec, platform, now()))
        decisions = platform.ledger.retrain_decisions(spec.name, limit)
    if as_json:
        print_json(
            {
                "now": {"verdict": ruling.verdict, "rule": ruling.rule, "reason": ruling.reason},
                "signals": [asdict(signal) for signal in signals],
                "decisions": [asdict(decision) for decision in decisions],
            }
        )
        return
    click.echo(f"{spec.name}: {_sentence(ruling)}")
    _print_signals(spec.name, signals)
    print_records(
        [asdict(decision) for decision in decisions],
        (
            Column("at", lambda record: minute(record["at"])),
            Column.of("verdict"),
            Column("rule", lambda record: record["rule"].replace("_", " ")),
            Column.of("reason"),
        ),
        as_json=False,
        title="decisions",
        empty="no decision yet",
    )


def _print_signals(model: str, signals: list[Signal]) -> None:
    print_records(
        [asdict(signal) for signal in signals],
        (
            Column("signal", lambda record: record["cause"].replace("_", " ")),
            Column("until", lambda record: minute(record["at"])),
            Column("state", lambda record: "active" if record["active"] else "quiet"),
            Column.of("reason"),
        ),
        as_json=False,
        title=f"signals of {model}",
        empty="no signal yet: no report was made",
    )


def _sentence(ruling: Ruling) -> str:
    if ruling.verdict == "retrain":
        return f"will be retrained at the next tick of the retrain governor ({ruling.reason})"
    word = "waits" if ruling.verdict == "wait" else "is not retrained"
    return f"{word}: {ruling.reason}"


COMMANDS = (retrain, why)
