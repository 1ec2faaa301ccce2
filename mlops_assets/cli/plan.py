"""`mlops plan`: what a change of model files leads to, as Markdown for a pull request. Needs ledger and git."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.context import open_platform
from mlops_assets.cli.options import JSON
from mlops_assets.cli.output import print_json

if TYPE_CHECKING:
    from mlops_assets.lifecycle.plan import Plan


@click.command()
@click.option("--against", "ref", required=True, help="The git ref that the change is compared with.")
@click.option(
    "--annotations", is_flag=True, help="Print problems of broken files as annotations for GitHub Actions."
)
@JSON
def plan(ref: str, annotations: bool, as_json: bool) -> None:
    """Say what the changed model files lead to once they are merged; nothing is trained or written.

    For each changed file: the changed keys, what becomes out of date and runs, how long the last training took, which
    past decisions would flip, which columns callers of the prediction API must add. Exits with 1 when a file is broken.
    """
    from mlops_assets.lifecycle.plan import plan as plan_of

    with open_platform() as platform:
        plans = plan_of(platform, ref)
    if as_json:
        print_json([asdict(one) for one in plans])
    elif not plans:
        click.echo(f"No model file differs from {ref}.")
    for one in () if as_json else plans:
        if annotations:
            for problem in one.problems:
                click.echo(
                    f"::error file={problem.file},line={problem.line}::{problem.key}: {problem.message}"
                )
        click.echo("\n".join(_lines(one, ref)) + "\n")
    sys.exit(1 if any(one.state == "broken" for one in plans) else 0)


def _lines(one: Plan, ref: str) -> Iterator[str]:
    """Yield one plan as lines of Markdown."""
    from mlops_assets.lifecycle.reports import change_table, replay_lines
    from mlops_assets.reports.markdown_text import plain_markdown

    yield f"### `{one.model}`: {one.state} ({one.file})"
    yield ""
    if one.file_before:
        yield f"- The file was {one.file_before} at `{ref}`; the model keeps its versions and its champion."
    yield from (f"- {plain_markdown(str(problem))}" for problem in one.problems)
    if one.state == "removed":
        yield _without_file(one)
    if one.changes:
        yield from (*change_table(one.changes), "")
    if one.state in ("added", "changed"):
        yield f"- Runs again: {', '.join(one.stale)}." if one.stale else "- Nothing becomes out of date."
    if "trained_model" in one.stale:
        yield _cost(one)
    if one.columns_added:
        added = plain_markdown(", ".join(one.columns_added))
        yield f"- Callers of the prediction API must send {added} from the next champion on."
    if one.columns_removed:
        yield f"- Callers of the prediction API may leave out {plain_markdown(', '.join(one.columns_removed))}."
    if one.replay is not None:
        yield from ("", *replay_lines(one.replay))


def _without_file(one: Plan) -> str:
    if one.in_production is None:
        return "- No file declares this model any more; it has no champion."
    return (
        f"- No file declares this model any more, and version {one.in_production} is in production: nothing will watch "
        f"or retrain it. Take it out first: `mlops retire {one.model}`."
    )


def _cost(one: Plan) -> str:
    last = one.last_run
    if last is None:
        return "- How long a training takes is not known: the model has not run here."
    return (
        f"- The last training here (version {last.version}) took {last.seconds:,.0f} s, and its bundle "
        f"{last.bundle_bytes / 1e6:,.1f} MB."
    )


COMMANDS = (plan,)
