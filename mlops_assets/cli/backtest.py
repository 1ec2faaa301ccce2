"""The command that replays a model's policies over its history: backtest."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.context import model_spec, now, prepare_stores, settings
from mlops_assets.cli.options import JSON, MODEL, Instant
from mlops_assets.cli.output import Column, number, print_json, print_records

if TYPE_CHECKING:
    from mlops_assets.backtest import BacktestResult, Policy
    from mlops_assets.model_file import ModelSpec
    from mlops_assets.model_file.variants import Costs
    from mlops_assets.settings import Settings


@click.command()
@MODEL
@click.option(
    "--from", "start", type=Instant(), help="First decision; default one window after the first row."
)
@click.option("--to", "end", type=Instant(), help="End of the simulated time; default the last row.")
@click.option(
    "--step", default="1d", show_default=True, help="Time between two decisions, such as 6h, 1d or 7d."
)
@click.option(
    "--policies",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML file of policies, each a few keys that differ from the model file; default the file's own policy, "
    "never_retrain and always_promote.",
)
@click.option(
    "--readings",
    type=click.Path(exists=True, path_type=Path),
    help="A file of readings in place of the model's source.",
)
@click.option("--label-arrival", help="Column with the instant at which the label of a row arrived.")
@click.option("--keep", is_flag=True, help="Keep the scratch ledgers and models for inspection.")
@JSON
def backtest(  # noqa: PLR0913 - one parameter per option
    model: str,
    start: datetime | None,
    end: datetime | None,
    step: str,
    policies: Path | None,
    readings: Path | None,
    label_arrival: str | None,
    keep: bool,
    as_json: bool,
) -> None:
    """Replay MODEL's gates, triggers and cadence over its history, and compare policies.

    Everything happens in scratch ledgers and folders; production is not touched. Ctrl-C keeps what is done: the same
    command continues.
    """
    from mlops_assets.backtest import Request
    from mlops_assets.backtest.span import fetch, span_of
    from mlops_assets.lifecycle.platform import code_commit
    from mlops_assets.model_file.values import parse_duration

    spec = model_spec(model)
    try:
        length = parse_duration(step)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--step") from None
    chosen, costs = _policies(spec, policies)
    prepare_stores()
    current = settings()
    history = fetch(spec, current, start, end or now(), file=readings, arrival=label_arrival)
    span = span_of(spec, history, start, end, length)
    click.echo(f"{model}: {span.sentence}, policies {', '.join(one.name for one in chosen)}", err=True)
    request = Request(spec, chosen, history, span, costs, code_commit(Path(__file__).parent))
    result = _run(request, current, keep=keep)
    if result is None:
        click.echo("stopped; the same command continues", err=True)
        sys.exit(130)
    _print(result, as_json=as_json)


def _policies(spec: ModelSpec, file: Path | None) -> tuple[tuple[Policy, ...], Costs | None]:
    from mlops_assets.backtest import built_in_policies, policies_of
    from mlops_assets.model_file import find_model
    from mlops_assets.model_file.variants import read_variants

    if file is None:
        return built_in_policies(spec), None
    known = find_model(settings().models, spec.name)
    assert known is not None
    variants = read_variants(file, known[0])
    return policies_of(variants.specs), variants.costs


def _run(request: object, current: Settings, *, keep: bool) -> BacktestResult | None:
    from mlops_assets.artifacts import to_json
    from mlops_assets.backtest import Request, Scratch
    from mlops_assets.backtest import backtest as replay
    from mlops_assets.local import locks
    from mlops_assets.local.scratch_databases import ScratchLedgers, drop_others

    assert isinstance(request, Request)
    root = current.home / "backtests"
    key = request.digest()[:12]
    folder = root / request.spec.name / key
    folder.mkdir(parents=True, exist_ok=True)
    lock = locks.acquire(folder / "lock")
    if lock is None:
        raise click.ClickException("exactly this backtest is running in another process")
    try:
        drop_others(current, [one.parent.name for one in root.glob("*/*/state.json")])
        ledgers = ScratchLedgers(current, key)
        with _interruptible() as stopped, _progress_bar() as progress:
            result = replay(
                request,
                current,
                Scratch(folder, lambda name, fresh: ledgers.open(name, fresh=fresh)),
                progress=progress,
                stopped=stopped,
            )
        if result is None:
            return None
        (folder / "result.json").write_text(json.dumps(to_json(result)), encoding="utf-8")
        if not keep:
            ledgers.drop()
            _remove_scratch(folder)
        return result
    finally:
        os.close(lock)


def _remove_scratch(folder: Path) -> None:
    for name in ("fits", "policies"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("state.json", "steps.jsonl"):
        (folder / name).unlink(missing_ok=True)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C end the backtest after the present step; a second one ends it at once."""
    requested = False

    def stop(_number: int, _frame: object) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True
        click.echo("\nending after this step; Ctrl-C again ends at once", err=True)

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield lambda: requested
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, int], None]]:
    """Show the steps that are done and the time left, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("steps"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("time left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("steps", total=None)
        yield lambda done, steps: bar.update(task, completed=done, total=steps)


def _print(result: BacktestResult, *, as_json: bool) -> None:
    from mlops_assets.artifacts import to_json

    if as_json:
        print_json(to_json(result))
        return
    records = [
        to_json(one) | {"regret_value": one.regret, "total_value": one.total} for one in result.policies
    ]
    columns = [
        Column.of("policy"),
        Column(result.metric, lambda record: number(record["total_value"])),
        Column("regret", lambda record: number(record["regret_value"])),
        Column.of("trainings"),
        Column("CPU s", lambda record: f"{record['cpu_seconds']:.1f}"),
        Column.of("promotions"),
        Column("wrong", lambda record: record["wrong_promotions"]),
        Column("missed", lambda record: record["missed_promotions"]),
        Column.of("false alarms"),
        Column("days on a worse champion", lambda record: f"{record['days_worse']:.0f}"),
        Column("days without", lambda record: f"{record['days_without']:.0f}"),
    ]
    if result.currency or any(one.money is not None for one in result.policies):
        columns.append(Column(f"cost {result.currency}".strip(), lambda record: number(record["money"])))
    print_records(records, columns, as_json=False, title=f"{result.model}: {result.rows:,} rows with labels")
    for one in result.policies:
        for problem in one.problems[:2]:
            click.echo(f"{one.policy}: {problem}")
        if one.history and not one.promotions:
            click.echo(f"{one.policy}: no challenger was promoted: {one.history[-1].reason}")
    click.echo(
        f"{result.distinct_trainings} distinct trainings took {result.distinct_cpu_seconds:.1f} CPU s, "
        f"the replay {result.replay_cpu_seconds:.1f}"
    )
    click.echo(result.sentence)


COMMANDS = (backtest,)
