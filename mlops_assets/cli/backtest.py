"""The command that replays a model's policies over its history: backtest."""

from __future__ import annotations

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
from mlops_assets.cli.output import Column, print_json, print_records

if TYPE_CHECKING:
    from mlops_assets.backtest import BacktestResult, Policy, Request
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
    "--search", help="A grid, such as 'gates.beats_champion.by=0%|5%; schedules.retrain=weekly|never'."
)
@click.option("--against", "ref", help="Compare with the model file at this git ref, such as main.")
@click.option(
    "--readings",
    type=click.Path(exists=True, path_type=Path),
    help="A file of readings in place of the model's source.",
)
@click.option("--label-arrival", help="Column with the instant at which the label of a row arrived.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes; those beyond the first carry out scheduled trainings ahead of the replay.",
)
@click.option("--keep", is_flag=True, help="Keep the scratch ledgers and models for inspection.")
@JSON
def backtest(  # noqa: PLR0913 - one parameter per option
    model: str,
    start: datetime | None,
    end: datetime | None,
    step: str,
    policies: Path | None,
    search: str | None,
    ref: str | None,
    readings: Path | None,
    label_arrival: str | None,
    jobs: int,
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
    if sum(option is not None for option in (policies, search, ref)) > 1:
        raise click.UsageError("--policies, --search and --against exclude one another")
    chosen, costs = _policies(spec, policies, search, ref)
    prepare_stores()
    current = settings()
    history = fetch(spec, current, start, end or now(), file=readings, arrival=label_arrival)
    span = span_of(spec, history, start, end, length)
    click.echo(f"{model}: {span.sentence}, policies {', '.join(one.name for one in chosen)}", err=True)
    request = Request(spec, chosen, history, span, costs, code_commit(Path(__file__).parent))
    finished = _run(request, current, jobs=jobs, keep=keep)
    if finished is None:
        click.echo("stopped; the same command continues", err=True)
        sys.exit(130)
    folder, result = finished
    _print(result, as_json=as_json)
    click.echo(f"report: {folder / 'report.html'}", err=as_json)


def _policies(
    spec: ModelSpec, file: Path | None, search: str | None, ref: str | None
) -> tuple[tuple[Policy, ...], Costs | None]:
    from mlops_assets.backtest import built_in_policies, policies_of
    from mlops_assets.lifecycle.file_history import file_of, model_at
    from mlops_assets.model_file.search_space import grid
    from mlops_assets.model_file.variants import read_variants

    model_file = file_of(settings().models, spec.name)
    if search is not None:
        return policies_of(grid(search, model_file)), None
    if file is not None:
        variants = read_variants(file, model_file)
        return policies_of(variants.specs), variants.costs
    if ref is not None:
        before = model_at(model_file, ref)
        if before is None:
            raise click.UsageError(f"{model_file.name} is new since {ref}: there is nothing to compare with")
        return policies_of({ref: before, "own": spec}), None
    return built_in_policies(spec), None


def _run(request: Request, current: Settings, *, jobs: int, keep: bool) -> tuple[Path, BacktestResult] | None:
    from mlops_assets.backtest import Scratch
    from mlops_assets.backtest import backtest as replay
    from mlops_assets.backtest.page import write_result
    from mlops_assets.local import locks
    from mlops_assets.local.scratch_databases import ScratchLedgers, drop_others

    root = current.home / "backtests"
    key = request.digest()[:12]
    folder = root / request.spec.name / key
    folder.mkdir(parents=True, exist_ok=True)
    lock = locks.acquire(folder / "lock")
    if lock is None:
        raise click.ClickException("exactly this backtest is running in another process")
    try:
        (folder / "state.json").touch()  # from here on its ledgers are not taken for leftovers
        drop_others(current, [one.parent.name for one in root.glob("*/*/state.json")])
        ledgers = ScratchLedgers(current, key)
        with _interruptible() as stopped, _progress_bar() as progress:
            result = replay(
                request,
                current,
                Scratch(folder, lambda name, fresh: ledgers.open(name, fresh=fresh)),
                jobs=jobs,
                progress=progress,
                stopped=stopped,
            )
        if result is None:
            return None
        write_result(folder, result)
        if not keep:
            ledgers.drop()
            _remove_scratch(folder)
        return folder, result
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
    from mlops_assets.backtest import tables

    if as_json:
        print_json(to_json(result))
        return
    head = tables.policy_head(result)
    print_records(
        [dict(zip(head, row, strict=True)) for row in tables.policy_rows(result)],
        [Column.of(name, name) for name in head],
        as_json=False,
        title=f"{result.model}: {result.rows:,} rows with labels",
    )
    for one in result.policies:
        for problem in one.problems[:2]:
            click.echo(f"{one.policy}: {problem}")
        if one.history and not one.promotions:
            click.echo(f"{one.policy}: no challenger was promoted: {one.history[-1].reason}")
    click.echo(
        f"{result.distinct_trainings} distinct trainings took {result.distinct_cpu_seconds:.1f} CPU s, "
        f"the replay {result.replay_cpu_seconds:.1f}"
    )
    if len(result.policies) > 4:
        click.echo(f"frontier of error and cost: {'; '.join(result.frontier)}")
    click.echo(result.sentence)
    for change in result.changes:
        click.echo(f"  {change}")


COMMANDS = (backtest,)
