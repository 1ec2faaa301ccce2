"""A whole backtest: all policies step by step, then what each was worth.

Comes in: policies, a history, a span, scratch ledgers. Goes out: a `BacktestResult`. After every step the state is on
disk: a backtest that ends early goes on where it ended.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from mlops_assets import readings
from mlops_assets.artifacts import digest, from_json, to_json
from mlops_assets.backtest.data_steps import DataSteps
from mlops_assets.backtest.fit_store import FitStore
from mlops_assets.backtest.fits_ahead import FitsAhead, scheduled
from mlops_assets.backtest.measure import Measurements, whole_table
from mlops_assets.backtest.outcome import (
    Followed,
    common_steps,
    made_at,
    oracle_of,
    oracle_result,
    result_of,
    total_of,
)
from mlops_assets.backtest.policies import Policy, policies_of
from mlops_assets.backtest.processor_time import processor_seconds
from mlops_assets.backtest.recommendation import frontier, recommend
from mlops_assets.backtest.records import BacktestResult, Span, StepRecord
from mlops_assets.backtest.replay import Replay
from mlops_assets.backtest.span import require
from mlops_assets.datasets import MemoryDatasets, content_hash, storable
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.file_history import changes
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.metrics import METRICS
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.variants import Costs
from mlops_assets.registry import UntrackedRegistry
from mlops_assets.settings import Settings, Stores

STATE: Final = "state.json"
STEPS: Final = "steps.jsonl"


@dataclass(frozen=True, slots=True)
class Scratch:
    """Where a backtest works, separate from production.

    Attributes:
        folder: Fits, bundles and state of exactly this request.
        ledger: Returns the address of a scratch ledger by name; the second argument requests an empty one.
    """

    folder: Path
    ledger: Callable[[str, bool], str]


@dataclass(frozen=True, slots=True)
class Request:
    """What is backtested.

    Attributes:
        spec: The model file.
        policies: What is replayed.
        history: The rows of the whole span.
        span: The simulated time.
        costs: Costs in money, where they are known.
        code_commit: Commit of the running code.
        notes: What a reader of the result has to know.
    """

    spec: ModelSpec
    policies: tuple[Policy, ...]
    history: readings.History
    span: Span
    costs: Costs | None
    code_commit: str
    notes: tuple[str, ...] = ()

    def digest(self) -> str:
        """Return the sha256 of everything that the result depends on."""
        return digest(
            {
                "spec": self.spec.digest(),
                "policies": {one.name: one.spec.digest() for one in self.policies},
                "rows": content_hash(storable(self.history.fetched.frame)),
                "labels": [str(self.history.label_delay), self.history.arrival],
                "span": to_json(self.span),
                "code": self.code_commit,
            }
        )


def backtest(
    request: Request,
    settings: Settings,
    scratch: Scratch,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _steps: None,
    stopped: Callable[[], bool] = lambda: False,
) -> BacktestResult | None:
    """Replay every policy and measure it.

    Args:
        request: Policies, history and span.
        settings: The platform's settings, of which only the folder of model files is used.
        scratch: Where the replay works.
        jobs: Number of processes; those beyond the first carry out scheduled trainings ahead of the replay.
        progress: Called after each step with the number of steps done and of all.
        stopped: Whether to end after the present step.

    Returns:
        The result; None when it was stopped. The next call with the same request continues.

    Raises:
        BacktestError: The history is too short, or the step is shorter than the data's own.
    """
    require(request.spec, request.history, request.span)
    began, fits = processor_seconds(), FitStore(scratch.folder / "fits")
    done, datasets = _resume(scratch.folder, request), MemoryDatasets()
    replays = [
        _replay(request, index, settings, scratch, fits, datasets, fresh=not done)
        for index in range(len(request.policies))
    ]
    for replay in replays:
        replay.restore(done.get(replay.policy.name, []))
    first = max(map(len, done.values()), default=0)
    trainings = scheduled(request.policies, request.span.instants, first) if jobs > 1 else ()
    data = DataSteps(request.history, datasets)
    try:
        with FitsAhead(trainings, request.history, settings, fits.folder, max(1, jobs - 1)) as ahead:
            for replay in replays:
                replay.wait_for_fit = ahead.wait
            records = _advance(request, replays, data, scratch.folder, done, progress, stopped)
    finally:
        for replay in replays:
            replay.platform.ledger.close()
    if records is None:
        return None
    result = _measured(request, records, fits, settings)
    distinct = {one.fit: one.cpu_seconds for policy in result.policies for one in policy.history if one.fit}
    spent = processor_seconds() - began - sum({**fits.new, **ahead.carried_out}.values())
    return replace(
        result,
        distinct_trainings=len(distinct),
        distinct_cpu_seconds=sum(distinct.values()),
        replay_cpu_seconds=spent,
    )


def _replay(
    request: Request,
    index: int,
    settings: Settings,
    scratch: Scratch,
    fits: FitStore,
    datasets: MemoryDatasets,
    *,
    fresh: bool,
) -> Replay:
    policy, name = request.policies[index], f"p{index}"
    folder = scratch.folder / "policies" / name
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    own = replace(
        settings,
        home=folder,
        data_root="memory",
        model_root=folder / "bundles",
        embedded=False,
        environ={},  # nobody is told about what never happened
    )
    url = scratch.ledger(name, fresh)
    platform = Platform(
        settings=own,
        stores=Stores(url, "", "", ""),
        ledger=Ledger.open(url),
        datasets=datasets,
        registry=UntrackedRegistry(),
    )
    return Replay(policy, platform, fits, request.code_commit, request.spec.schedules.retrain)


def _advance(
    request: Request,
    replays: Sequence[Replay],
    data: DataSteps,
    folder: Path,
    done: Mapping[str, list[StepRecord]],
    progress: Callable[[int, int], None],
    stopped: Callable[[], bool],
) -> dict[str, list[StepRecord]] | None:
    """Replay the steps that are left; None when it was stopped."""
    records = {replay.policy.name: list(done.get(replay.policy.name, [])) for replay in replays}
    instants = request.span.instants
    first, steps = len(next(iter(records.values()))), len(instants) - 1
    progress(first, steps)
    for step in range(first, steps):
        if stopped():
            return None
        _write_state(folder, step, whole=False)
        data.next_instant()
        before = instants[step - 1] if step else None
        for replay in replays:
            records[replay.policy.name].append(replay.advance(step, before, instants[step], data))
        line = {name: to_json(of_policy[-1]) for name, of_policy in records.items()}
        with (folder / STEPS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        _write_state(folder, step + 1, whole=True)
        progress(step + 1, steps)
    return records


def _measured(
    request: Request,
    records: Mapping[str, Sequence[StepRecord]],
    fits: FitStore,
    settings: Settings,
) -> BacktestResult:
    spec, instants = request.spec, request.span.instants
    steps = len(instants) - 1
    followed = [Followed(one.name, one.spec, records[one.name]) for one in request.policies]
    digests = {one.name: one.data_digest for one in request.policies}
    made = made_at(followed, digests)
    by_digest = {one.data_digest: one.spec for one in request.policies}
    tables = {
        key: whole_table(one, request.history, instants[-1], settings) for key, one in by_digest.items()
    }
    measured = Measurements(spec, instants, tables, fits, made)
    common = common_steps(followed, measured, steps)
    oracle, metric = oracle_of(followed, measured, steps), spec.evaluation.primary
    bound = total_of(oracle, measured, common, measured_by=metric)
    results = [result_of(one, measured, request.span, common, bound, request.costs) for one in followed]
    champions = {one.name: one.champions for one in followed}
    currency = request.costs.currency if request.costs else ""
    recommended, pairs, sentence = recommend(results, champions, measured, common, metric, currency)
    return BacktestResult(
        model=spec.name,
        digest=request.digest(),
        spec_digest=spec.digest(),
        metric=metric,
        direction=METRICS[metric].direction,
        span=request.span,
        instants=instants,
        rows=measured.rows,
        policies=(*results, oracle_result(oracle, measured, common, metric)),
        pairs=pairs,
        recommended=recommended,
        frontier=frontier(results, {one.policy: measured.loss(one.total) for one in results}),
        changes=_changes(request, recommended),
        source_digests={one.name: one.source_digest for one in request.policies},
        sentence=sentence,
        distinct_trainings=0,
        distinct_cpu_seconds=0.0,
        replay_cpu_seconds=0.0,
        currency=currency,
        notes=request.notes,
    )


def _changes(request: Request, recommended: str) -> tuple[str, ...]:
    """Return the keys of the model file that lead to a policy."""
    [own] = policies_of({"own": request.spec})
    chosen = next((one.spec for one in request.policies if one.name == recommended), own.spec)
    return tuple(f"{one.key}: {one.before} -> {one.after}" for one in changes(own.spec, chosen))


def _resume(folder: Path, request: Request) -> dict[str, list[StepRecord]]:
    """Return the steps that an earlier call finished; none where it was killed within one."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        state: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
        lines = (folder / STEPS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        state, lines = {}, []
    if not state.get("whole") or len(lines) != state.get("steps"):
        (folder / STEPS).unlink(missing_ok=True)
        return {}
    bodies = [json.loads(line) for line in lines]
    return {one.name: [from_json(StepRecord, body[one.name]) for body in bodies] for one in request.policies}


def _write_state(folder: Path, steps: int, *, whole: bool) -> None:
    fresh = folder / f".{STATE}"
    fresh.write_text(json.dumps({"steps": steps, "whole": whole}), encoding="utf-8")
    fresh.replace(folder / STATE)
