"""What a change of model files leads to, before it is merged: what runs, how long, which decisions flip, who notices.

Comes in: the models folder and a git ref. Goes out: one `Plan` per model file that differs. Nothing is trained or
written; durations and columns are those of the model's latest run on this machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mlops_assets import features, stages
from mlops_assets.artifacts import TrainedModel
from mlops_assets.errors import SpecError
from mlops_assets.lifecycle.file_history import Change, changes, files_at, model_at
from mlops_assets.lifecycle.platform import Platform, known_record
from mlops_assets.lifecycle.records import ValidatedRecord
from mlops_assets.lifecycle.reports import Replay, replay
from mlops_assets.model_file import ModelSpec, Problem, read_folder

State = Literal["added", "changed", "renamed", "removed", "broken"]


@dataclass(frozen=True, slots=True)
class LastRun:
    """What the latest training on this machine took: version, seconds of wall time, bytes of the bundle."""

    version: int
    seconds: float
    bundle_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What one model file's change leads to.

    Attributes:
        file_before: The earlier name of a renamed file.
        stale: Assets that become out of date, in the order in which they run.
        columns_added: Columns of the readings that features read from now on; a caller of the API must send them.
        columns_removed: Columns that features no longer read.
        in_production: The champion of a model that no file declares any more.
        replay: Past decisions under the changed gates; None where the gates are the same.
    """

    model: str
    file: str
    state: State
    file_before: str | None = None
    changes: tuple[Change, ...] = ()
    stale: tuple[str, ...] = ()
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    last_run: LastRun | None = None
    in_production: int | None = None
    replay: Replay | None = None
    problems: tuple[Problem, ...] = ()


def plan(platform: Platform, ref: str) -> tuple[Plan, ...]:
    """Return a plan for each model file that differs from a git ref.

    Args:
        platform: The open stores and settings.
        ref: A commit, branch or tag.

    Returns:
        Broken files first, then by model.

    Raises:
        SpecError: When the ref is unknown.
    """
    folder = platform.settings.models
    before = {
        spec.name: (name, spec)
        for name in files_at(folder, ref)
        if (spec := _readable(folder / name, ref)) is not None
    }
    contents = read_folder(folder)
    broken = [Plan(one.name, one.file.name, "broken", problems=one.problems) for one in contents.broken]
    present = [
        planned
        for spec in contents.specs
        if (planned := _planned(spec, contents.files[spec.name], before.get(spec.name), platform)) is not None
    ]
    declared = {spec.name for spec in contents.specs} | {one.model for one in broken}
    removed = [
        Plan(model, name, "removed", in_production=_champion(platform, model))
        for model, (name, _) in before.items()
        if model not in declared
    ]
    return (*broken, *sorted((*present, *removed), key=lambda one: one.model))


def stale_stages(changed: tuple[Change, ...]) -> tuple[str, ...]:
    """Return the stages that a change makes out of date: the first that reads a changed section, and all after it.

    Args:
        changed: Changed keys of one model file.

    Returns:
        Stages in their order; empty when nothing changed.
    """
    sections = {change.key.partition("[")[0].partition(".")[0] for change in changed}
    for index, stage in enumerate(stages.STAGES):
        if sections & set(stages.SECTIONS[stage]):
            return stages.STAGES[index:]
    return ()


def _planned(
    spec: ModelSpec, file: Path, before: tuple[str, ModelSpec] | None, platform: Platform
) -> Plan | None:
    last = _last_run(spec, platform)
    if before is None:
        return Plan(spec.name, file.name, "added", stale=stages.STAGES, last_run=last)
    name, earlier = before
    changed = changes(earlier, spec)
    if not changed:
        return None if name == file.name else Plan(spec.name, file.name, "renamed", file_before=name)
    gates = any(change.key.startswith("gates") for change in changed)
    old, new = (_columns(one, platform) for one in (earlier, spec))
    return Plan(
        spec.name,
        file.name,
        "changed",
        file_before=name if name != file.name else None,
        changes=changed,
        stale=stale_stages(changed),
        columns_added=tuple(sorted(new - old)),
        columns_removed=tuple(sorted(old - new)),
        last_run=last,
        replay=replay(spec, platform, spec.name) if gates else None,
    )


def _champion(platform: Platform, model: str) -> int | None:
    champion = platform.ledger.champion(model)
    return champion.version if champion else None


def _readable(file: Path, ref: str) -> ModelSpec | None:
    """Return the file as it was; None where it was not there or this release cannot read it."""
    try:
        return model_at(file, ref)
    except SpecError:
        return None


def _columns(spec: ModelSpec, platform: Platform) -> frozenset[str]:
    """Return the columns of the readings that features read, as far as a first run has shown the columns."""
    validated = known_record(platform, spec, stages.VALIDATED_DATA, ValidatedRecord)
    present = validated.table.columns if validated else (spec.features.inputs or ())
    made = (*present, *features.computed_names(spec))
    return frozenset(source for one in features.catalogue(spec, made) for source in one.sources)


def _last_run(spec: ModelSpec, platform: Platform) -> LastRun | None:
    trained = known_record(platform, spec, stages.TRAINED_MODEL, TrainedModel)
    if trained is None:
        return None
    folder = Path(trained.bundle)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0
    return LastRun(trained.version, trained.seconds, size)
