"""The gate report of a challenger as it stands now, and a model file compared with another version of it.

Comes in: a model, recorded evidence, a git ref. Goes out: Markdown. Everything comes from the ledger; the pictures are
linked where the evaluation left them. Needs neither Dagster nor MLflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mlops_assets import promotion, reports, stages
from mlops_assets.artifacts import Decision, Evidence, TrainedModel, from_json
from mlops_assets.errors import EvidenceError
from mlops_assets.lifecycle.approvals.verdicts import Subject, with_verdicts
from mlops_assets.lifecycle.approvals.waivers import waived_gate
from mlops_assets.lifecycle.delivery import history_with_delivery
from mlops_assets.lifecycle.file_history import Change, changes, file_of, model_at
from mlops_assets.lifecycle.platform import Platform, Run, known_record
from mlops_assets.model_file import ModelSpec
from mlops_assets.promotion import Flip
from mlops_assets.reports.markdown_text import code_markdown, plain_markdown


@dataclass(frozen=True, slots=True)
class Replay:
    """A changed model file replayed on the past: decisions that would flip, and how many could be replayed."""

    flips: tuple[Flip, ...]
    evaluated: int
    unreadable: tuple[str, ...]


def report(spec: ModelSpec, platform: Platform, run: Run, result: Subject) -> tuple[str, Decision]:
    """Return the report as Markdown with approvals and waivers in it, and the decision that it shows.

    Evidence that lapsed (for example, the model file changed) is reported by its own gates, with the reason
    on top.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        result: The evidence that is reported.

    Returns:
        Markdown and the decision.
    """
    decision, lapsed = result.decision, result.problem
    if lapsed is not None:
        decision = promotion.recheck(None, result.evidence)
    folder = platform.reports(spec.name, result.evidence.version)
    waivers = platform.ledger.waivers(spec.name, run.now())
    trained = known_record(platform, spec, stages.TRAINED_MODEL, TrainedModel)
    theirs = trained is not None and trained.manifest_sha256 == result.evidence.manifest_sha256
    text = reports.markdown(
        with_verdicts(platform, result, run.now()),
        decision,
        result.evidence_hash,
        history=history_with_delivery(platform, spec.name, 10),
        plots=[file.name for file in sorted(folder.glob("*.png"))],
        waivers=[waived_gate(one) for one in waivers],
        candidates=trained.candidates if trained is not None and theirs else (),
        primary=spec.evaluation.primary,
    )
    return (f"> This evidence has lapsed: {lapsed}\n\n{text}" if lapsed else text), decision


def replay(changed: ModelSpec, platform: Platform, model: str) -> Replay:
    """Apply the gates of `changed` to stored evidence and compare with the past decisions.

    Args:
        changed: Model file with the gates to try.
        platform: The open stores and settings.
        model: Model whose evidence is replayed.

    Returns:
        Decisions that would differ, the number evaluated, and evidence that cannot be read.
    """
    flips: list[Flip] = []
    unreadable: list[str] = []
    evaluated = 0
    for row in reversed(platform.ledger.versions(model)):
        for stored in platform.ledger.evidence_of(model, row.version)[:1]:
            try:
                evidence = from_json(Evidence, stored.body)
                flips += promotion.what_if(changed, (evidence,))
                evaluated += 1
            except (EvidenceError, ValueError) as error:
                unreadable.append(f"v{row.version}: {str(error).splitlines()[0]}")
    return Replay(tuple(flips), evaluated, tuple(unreadable))


def against(spec: ModelSpec, platform: Platform, ref: str) -> str:
    """Compare the model file with a git ref, and replay past decisions if its gates changed.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        ref: A commit, branch or tag.

    Returns:
        Markdown: changed keys, then decisions that would differ.

    Raises:
        SpecError: When the ref is unknown or the file there cannot be read.
    """
    file = file_of(platform.settings.models, spec.name)
    before = model_at(file, ref)
    lines = [f"### Model file against `{ref}`", ""]
    if before is None:
        return "\n".join([*lines, f"`{file.name}` is new.", ""])
    result = changes(before, spec)
    if not result:
        return "\n".join([*lines, f"`{file.name}` means the same as there.", ""])
    lines += change_table(result)
    if any(one.key.partition("[")[0].partition(".")[0] == "gates" for one in result):
        lines += ["", *replay_lines(replay(spec, platform, spec.name))]
    return "\n".join([*lines, ""])


def change_table(changed: Sequence[Change]) -> list[str]:
    """Return changed keys as a table in Markdown.

    Args:
        changed: The changes.

    Returns:
        Lines without line ends.
    """
    rows = [
        f"| {code_markdown(one.key)} | {plain_markdown(one.before)} | {plain_markdown(one.after)} |"
        for one in changed
    ]
    return ["| key | there | here |", "|---|---|---|", *rows]


def replay_lines(result: Replay) -> list[str]:
    """Return a replay as lines of Markdown.

    Args:
        result: The replay.

    Returns:
        Lines without line ends.
    """
    if not result.evaluated and not result.unreadable:
        return ["No past decision is recorded here, so none can be replayed."]
    count = f"{len(result.flips)} of {result.evaluated} past decisions would flip under these gates"
    lines = [f"**{count}**"]
    lines += [f"- {plain_markdown(str(flip))}" for flip in result.flips]
    return lines + [f"- not replayed: {plain_markdown(str(one))}" for one in result.unreadable]
