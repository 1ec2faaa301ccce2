"""`mlops rollout ...`: how a promoted challenger takes over traffic, and a person's word about it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from mlops_assets.cli.context import new_run, open_platform
from mlops_assets.cli.options import JSON, MODEL, OPTIONAL_MODEL
from mlops_assets.cli.output import Column, minute, print_json, print_records
from mlops_assets.errors import LedgerError

if TYPE_CHECKING:
    from mlops_assets.artifacts.rollouts import Rollout
    from mlops_assets.lifecycle.platform import Platform

DESCRIPTIONS = {
    "pause": "Stop MODEL's roll-out where it is: the challenger keeps its share until 'resume', 'abort' or 'finish'.",
    "resume": "Let MODEL's paused roll-out go on; the time of its step begins again.",
    "abort": "End MODEL's roll-out: the champion of its start serves all requests again, the challenger is archived.",
    "finish": "Make the challenger of MODEL's roll-out champion now, if its evidence still passes the gates.",
}


@click.group(name="rollout")
def rollout() -> None:
    """Show and steer roll-outs: canary, blue_green, shadow."""


@rollout.command()
@OPTIONAL_MODEL
@JSON
def status(model: str | None, as_json: bool) -> None:
    """Show the active roll-outs, or MODEL's newest with every check and transition."""
    with open_platform(emergency=True) as platform:
        if model is None:
            records = [_record(platform, one) for one in platform.ledger.active_rollouts()]
        else:
            newest = platform.ledger.rollouts_of(model, 1)
            records = [_record(platform, one) for one in newest]
    if as_json:
        print_json(records)
    elif model is None or not records:
        print_records(records, COLUMNS, as_json=False, empty="no roll-out")
    else:
        _print_details(records[0])


def _record(platform: Platform, one: Rollout) -> dict[str, Any]:
    from mlops_assets.lifecycle.rollouts import Judge

    checks = Judge(platform).verdict(one, new_run()).checks if one.is_active else ()
    return {
        **{name: value for name, value in asdict(one).items() if name != "plan"},
        "strategy": one.plan.strategy,
        "share": one.share,
        "plan": one.plan.model_dump(mode="json"),
        "checks": [asdict(check) for check in checks],
        "events": [asdict(event) for event in platform.ledger.rollout_events(one.id)],
    }


COLUMNS = (
    Column.of("model"),
    Column.of("strategy"),
    Column("versions", lambda record: f"{record['champion_version']} -> {record['version']}"),
    Column.of("state"),
    Column("share", lambda record: f"{record['share']:.0%}"),
    Column("since", lambda record: minute(record["step_since"])),
    Column("checks", lambda record: ", ".join(f"{one['name']} {one['outcome']}" for one in record["checks"])),
)


def _print_details(record: dict[str, Any]) -> None:
    print_records([record], COLUMNS, as_json=False)
    for check in record["checks"]:
        click.echo(f"{check['name']}: {check['outcome']}: {check['reason']}")
    events = (
        Column("at", lambda event: minute(event["at"])),
        Column.of("who", "actor"),
        Column.of("state"),
        Column.of("step"),
        Column.of("why", "reason"),
    )
    print_records(record["events"], events, as_json=False)


def _command(action: str) -> click.Command:
    @rollout.command(name=action, help=DESCRIPTIONS[action])
    @MODEL
    @click.option("--reason", default=f"{action} by hand", show_default=True, help="Why; recorded.")
    @JSON
    def command(model: str, reason: str, as_json: bool) -> None:
        from mlops_assets.lifecycle.champions import mirror
        from mlops_assets.lifecycle.rollouts import request_transition

        with open_platform(emergency=True) as platform:
            after = request_transition(platform, model, action, new_run(), reason)
            mirror(platform, model, new_run())
            record = _record(platform, after)
        if as_json:
            print_json(record)
        if action == "finish" and after.state != "finished":
            raise LedgerError(f"{model}: version {after.version} was not promoted: {after.reason}")

    return command


for _action in DESCRIPTIONS:
    _command(_action)

COMMANDS = (rollout,)
