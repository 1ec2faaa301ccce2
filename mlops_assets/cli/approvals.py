"""Commands for people's answers: approve, reject, defer, waive. They need the ledger and the bundles, nothing else."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.opening import now, platform, run, settings, spec_of
from mlops_assets.cli.running import Instant
from mlops_assets.model_file import load_models
from mlops_assets.model_file.values import parse_duration

if TYPE_CHECKING:
    from mlops_assets.ledger.records import Verdict


class Until(Instant):
    """An instant, or a duration from now such as 14d."""

    name = "instant or duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse, or fail with the accepted forms."""
        try:
            return now() + parse_duration(value)
        except ValueError:
            return super().convert(value, param, ctx)


def _answering(verdict: Verdict, words: str, effect: str) -> click.Command:
    @click.command(name=verdict, help=f"{words} MODEL's waiting challenger. {effect}")
    @click.argument("model")
    @click.option("--version", type=int, help="A version other than the newest.")
    @click.option(
        "--evidence", help="Hash of the evidence you read (12 characters suffice); default the newest."
    )
    @click.option("--comment", default="", help="Kept with the answer; needed to reject or defer.")
    def command(model: str, version: int | None, evidence: str | None, comment: str) -> None:
        from mlops_assets.lifecycle.approvals.answers import answer

        spec = spec_of(model)
        with platform() as opened:
            done = answer(spec, opened, run(), verdict, comment, version=version, evidence_hash=evidence)
        number, decision = done.record.version, done.record.decision
        click.echo(f"{model} version {number}: {decision.outcome}: {decision.reason}")
        click.echo(f"bound to evidence {done.approval.evidence_hash}")
        if done.request is not None:
            click.echo(f"a retrain was asked for: {done.request.reason}")
        elif verdict == "defer":
            click.echo("no retrain was asked for now: one is under way, or this deferral asked before")
        sys.exit(1 if verdict == "approve" and decision.outcome != "promote" else 0)

    return command


reject = _answering("reject", "Reject", "The champion stays.")
defer = _answering(
    "defer", "Defer", "The champion stays and a retrain is asked for that carries the comment."
)


@click.command()
@click.argument("model", required=False)
@click.option("--version", type=int, help="A version other than the newest.")
@click.option("--evidence", help="Hash of the evidence you read (12 characters suffice); default the newest.")
@click.option("--comment", default="", help="Kept with the answer.")
@click.option(
    "--expires", type=Until(), help="When the approval lapses if it cannot be acted on; default 7d."
)
@click.option(
    "--from-files", is_flag=True, help="Read every answer merged into the approvals folder instead."
)
def approve(
    model: str | None,
    version: int | None,
    evidence: str | None,
    comment: str,
    expires: datetime | None,
    from_files: bool,
) -> None:
    """Approve MODEL's waiting challenger and settle it at once.

    The approval is bound to the hash of the evidence: when anything in it changes, it has to be given again. Exits
    with 1 when the challenger was not promoted.
    """
    from mlops_assets.lifecycle.approvals.answers import answer

    if from_files != (model is None):
        raise click.UsageError("name a model, or give --from-files")
    if model is None:
        _from_files()
        return
    spec = spec_of(model)
    with platform() as opened:
        done = answer(
            spec,
            opened,
            run(),
            "approve",
            comment,
            version=version,
            evidence_hash=evidence,
            expires_at=expires,
        )
    decision = done.record.decision
    click.echo(f"{model} version {done.record.version}: {decision.outcome}: {decision.reason}")
    click.echo(f"bound to evidence {done.approval.evidence_hash}")
    sys.exit(0 if decision.outcome == "promote" else 1)


def _from_files() -> None:
    from mlops_assets.lifecycle.approvals.files import answer_from_files, folder

    with platform() as opened:
        read = answer_from_files(load_models(settings().models), opened, run())
    for one in read:
        click.echo(f"{one.file.name}: {one.sentence}", err=not one.accepted)
    if not read:
        click.echo(f"no approval files in {folder(settings())}")
    sys.exit(0 if all(one.accepted for one in read) else 1)


@click.command()
@click.argument("model")
@click.argument("gate")
@click.option("--owner", required=True, help="Who answers for it.")
@click.option("--reason", required=True)
@click.option(
    "--expires", required=True, type=Until(), help="An instant, or a duration from now such as 14d."
)
def waive(model: str, gate: str, owner: str, reason: str, expires: datetime) -> None:
    """Set a GATE of MODEL that failed aside until it expires. Recorded and shown for ever.

    A gate that failed hard (something is wrong) cannot be waived, nor can an approval.
    """
    from mlops_assets.lifecycle.approvals.answers import waive as record

    spec = spec_of(model)
    with platform() as opened:
        made = record(
            spec, opened, replace(run(), actor=owner), gate, owner=owner, reason=reason, expires_at=expires
        )
    click.echo(
        f"{model}: {gate} is waived by {owner} until {made.expires_at:%Y-%m-%d %H:%M} UTC; "
        f"'mlops promote {model}' settles the newest challenger"
    )


@click.command()
@click.argument("model")
def waivers(model: str) -> None:
    """Every waiver there ever was for MODEL, newest first."""
    from mlops_assets.cli import tables

    with platform() as opened:
        tables.waivers(opened.ledger.waivers(model), model, now())


@click.command()
def waiting() -> None:
    """Challengers that wait for a person, with the hash to approve. Exits with 1 when there are any."""
    from mlops_assets.lifecycle.approvals import answers

    with platform() as opened:
        found = answers.waiting(load_models(settings().models), opened, run())
    for one in found:
        what = f"{one.model} version {one.evidence.version}, since {one.since:%Y-%m-%d %H:%M} UTC"
        click.echo(f"{what}: {one.problem or one.decision.reason}")
        if one.waits:
            click.echo(f"  mlops approve {one.model} --evidence {one.evidence_hash[:16]} --comment '...'")
    if not found:
        click.echo("nothing waits for a person")
    sys.exit(1 if any(one.waits for one in found) else 0)


@click.command()
@click.option("--port", default=8001, show_default=True, type=click.IntRange(1, 65_535))
def review(port: int) -> None:
    """Serve the review page on this machine: waiting challengers, their reports, three buttons. Ctrl-C ends it."""
    from mlops_assets.review.app import review_key, serve

    with platform() as opened:
        review_key(opened.settings)
        click.echo(
            f"http://127.0.0.1:{port}  (key: MLOPS_REVIEW_KEY, or {opened.settings.home / 'review_key'})"
        )
        serve(opened, run, port)


COMMANDS = (approve, reject, defer, waive, waivers, waiting, review)
