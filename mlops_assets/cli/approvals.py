"""Commands of human approval: approve, reject, defer, waive. They need only the ledger and the bundles."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING

import click

from mlops_assets.cli import tables
from mlops_assets.cli.context import (
    exit_with,
    model_folder,
    model_spec,
    new_run,
    now,
    open_platform,
    settings,
)
from mlops_assets.cli.options import EVALUATED_VERSION, EVIDENCE, GATE, JSON, MODEL, OPTIONAL_MODEL, Expiry
from mlops_assets.cli.output import print_json

if TYPE_CHECKING:
    from mlops_assets.ledger.records import Verdict


def _refusing_command(verdict: Verdict, description: str) -> click.Command:
    @click.command(name=verdict, help=description)
    @MODEL
    @EVALUATED_VERSION
    @EVIDENCE
    @click.option("--comment", default="", help="Recorded with the verdict; required.")
    def command(model: str, version: int | None, evidence: str | None, comment: str) -> None:
        from mlops_assets.lifecycle.approvals.verdicts import give_verdict

        spec = model_spec(model)
        with open_platform() as platform:
            result = give_verdict(
                spec, platform, new_run(), verdict, comment, version=version, evidence_hash=evidence
            )
        number, decision = result.record.version, result.record.decision
        click.echo(f"{model} version {number}: {decision.outcome}: {decision.reason}")
        click.echo(f"bound to evidence {result.approval.evidence_hash}")
        if result.request is not None:
            click.echo(f"a retrain was requested: {result.request.reason}")
        elif verdict == "defer":
            click.echo("no retrain was requested now: one is running, or this deferral requested one before")

    return command


reject = _refusing_command("reject", "Reject MODEL's waiting challenger. The champion stays.")
defer = _refusing_command(
    "defer",
    "Defer MODEL's waiting challenger. The champion stays and a retrain is requested that carries the comment.",
)


@click.command()
@OPTIONAL_MODEL
@EVALUATED_VERSION
@EVIDENCE
@click.option("--comment", default="", help="Recorded with the approval.")
@click.option(
    "--expires", type=Expiry(), help="When the approval lapses if it cannot be acted on; default 7d."
)
@click.option("--from-files", is_flag=True, help="Read every verdict in the approvals folder instead.")
def approve(
    model: str | None,
    version: int | None,
    evidence: str | None,
    comment: str,
    expires: datetime | None,
    from_files: bool,
) -> None:
    """Approve MODEL's waiting challenger and promote it at once if every other gate passes.

    The approval is bound to the hash of the evidence: when anything in it changes, a new approval is needed. Exits
    with 1 when the challenger was not promoted.
    """
    from mlops_assets.lifecycle.approvals.verdicts import give_verdict

    if from_files != (model is None):
        raise click.UsageError("name a model, or give --from-files")
    if model is None:
        _approve_from_files()
        return
    spec = model_spec(model)
    with open_platform() as platform:
        result = give_verdict(
            spec,
            platform,
            new_run(),
            "approve",
            comment,
            version=version,
            evidence_hash=evidence,
            expires_at=expires,
        )
    decision = result.record.decision
    click.echo(f"{model} version {result.record.version}: {decision.outcome}: {decision.reason}")
    click.echo(f"bound to evidence {result.approval.evidence_hash}")
    exit_with(decision.outcome == "promote")


def _approve_from_files() -> None:
    from mlops_assets.lifecycle.approvals.files import folder, verdicts_from_files

    with open_platform() as platform:
        results = verdicts_from_files(model_folder().specs, platform, new_run())
    for result in results:
        click.echo(f"{result.file.name}: {result.sentence}", err=not result.accepted)
    if not results:
        click.echo(f"no approval files in {folder(settings())}")
    exit_with(all(result.accepted for result in results))


@click.command()
@MODEL
@GATE
@click.option("--owner", required=True, help="The owner in the model file who is responsible for it.")
@click.option("--reason", required=True, help="Why the gate may be set aside; recorded with the waiver.")
@click.option(
    "--expires",
    required=True,
    type=Expiry(),
    help="An instant, or a duration from now such as 14d; at most 30d.",
)
def waive(model: str, gate: str, owner: str, reason: str, expires: datetime) -> None:
    """Waive a failed GATE of MODEL until a date. Recorded and listed for good.

    A gate that failed hard (something is wrong) cannot be waived, nor can an approval or a gate that asks whether the
    evidence can be trusted.
    """
    from mlops_assets.lifecycle.approvals.waivers import waive as record_waiver

    spec = model_spec(model)
    with open_platform() as platform:
        waiver = record_waiver(
            spec,
            platform,
            new_run(),
            gate,
            owner=owner,
            reason=reason,
            expires_at=expires,
        )
    click.echo(
        f"{model}: {gate} is waived by {owner} until {waiver.expires_at:%Y-%m-%d %H:%M} UTC; "
        f"'mlops promote {model}' decides about the newest challenger"
    )


@click.command()
@MODEL
@JSON
def waivers(model: str, as_json: bool) -> None:
    """List every waiver that MODEL ever had, newest first."""
    with open_platform() as platform:
        tables.print_waivers(platform.ledger.waivers(model), model, now(), as_json=as_json)


@click.command()
@JSON
def waiting(as_json: bool) -> None:
    """List challengers that wait for an approval, with the hash to approve. Exits with 1 when there are any."""
    from mlops_assets.lifecycle.approvals import verdicts

    with open_platform() as platform:
        subjects = verdicts.waiting(model_folder().specs, platform, new_run())
    if as_json:
        print_json([asdict(subject) for subject in subjects])
    else:
        for subject in subjects:
            click.echo(
                f"{subject.model} version {subject.evidence.version}, since {subject.since:%Y-%m-%d %H:%M} UTC: "
                f"{subject.problem or subject.decision.reason}"
            )
            if subject.waits:
                evidence = subject.evidence_hash[:16]
                click.echo(f"  mlops approve {subject.model} --evidence {evidence} --comment '...'")
        if not subjects:
            click.echo("nothing waits for an approval")
    sys.exit(1 if any(subject.waits for subject in subjects) else 0)


@click.command()
@click.option(
    "--port", default=8001, show_default=True, type=click.IntRange(1, 65_535), help="TCP port of the page."
)
def review(port: int) -> None:
    """Serve the review page on this machine: waiting challengers, their reports, three buttons. Ctrl-C ends it."""
    from mlops_assets.review.app import review_key, serve

    with open_platform() as platform:
        review_key(platform.settings)
        click.echo(
            f"http://127.0.0.1:{port}  (key: MLOPS_REVIEW_KEY, or {platform.settings.home / 'review_key'})"
        )
        serve(platform, new_run, port)


COMMANDS = (approve, reject, defer, waive, waivers, waiting, review)
