"""What must be true of a ledger at every instant, checked across its tables in one snapshot.

Comes in: a ledger. Goes out: a sentence per broken rule, nothing when all hold. The database's own constraints make
most of these impossible; this is for what they cannot say, and for databases somebody has worked on by hand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, Text, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB

from mlops_assets.artifacts.rollouts import ACTIVE
from mlops_assets.ledger.engine import Store
from mlops_assets.ledger.moves import champion_state_of, entry
from mlops_assets.ledger.records import ChampionState, HistoryEntry, ModelVersion
from mlops_assets.ledger.schema import (
    champion,
    evidence,
    history,
    model_versions,
    rollout_events,
    rollouts,
)
from mlops_assets.ledger.versions import as_version

MOVES = ("promoted", "rolled_back", "retired")


def invariants(ledger: Store) -> list[str]:
    """Check the rules that link champion row, history, versions, bundles and evidence.

    Args:
        ledger: An open ledger; it is read in one snapshot.

    Returns:
        One sentence for each broken rule, by model; empty for a sound ledger.
    """
    with ledger._snapshot() as connection:
        versions: dict[str, list[ModelVersion]] = defaultdict(list)
        for row in connection.execute(select(model_versions).order_by(model_versions.c.version)):
            versions[row.model].append(as_version(row))
        lines: dict[str, list[HistoryEntry]] = defaultdict(list)
        for row in connection.execute(select(history).order_by(history.c.id)):
            lines[row.model].append(entry(row))
        models = sorted({*versions, *lines, *connection.scalars(select(champion.c.model))})
        broken: list[str] = []
        for model in models:
            champion_state = champion_state_of(connection, model)
            broken += _status_and_row(champion_state, versions[model])
            broken += _history_and_row(champion_state, lines[model])
            broken += _served_versions(lines[model], versions[model])
        return broken + list(_rollouts(connection)) + list(_bundles(connection)) + list(_evidence(connection))


def _status_and_row(champion_state: ChampionState, versions: Sequence[ModelVersion]) -> Iterator[str]:
    """Exactly the champion row's version has the status champion, and there is something to serve."""
    model = champion_state.model
    marked = [one.version for one in versions if one.status == "champion"]
    expected = [] if champion_state.champion is None else [champion_state.champion.version]
    if marked != expected:
        yield f"{model}: the champion row says {_names(expected)}, the status champion is on {_names(marked)}"
    for one in versions:
        if one.version in expected and (one.bundle_path is None or one.manifest_sha256 is None):
            yield f"{model}: champion version {one.version} has no recorded bundle"


def _history_and_row(champion_state: ChampionState, lines: Sequence[HistoryEntry]) -> Iterator[str]:
    """Yield the moves of the history lead, step by step and without a gap, to the champion row."""
    model, moves = champion_state.model, [one for one in lines if one.action in MOVES]
    revisions = [one.revision for one in moves]
    if revisions != list(range(1, champion_state.revision + 1)):
        yield (
            f"{model}: the champion's revision is {champion_state.revision}, "
            f"the history's moves have the revisions {revisions}"
        )
    before: int | None = None
    for one in moves:
        if one.from_version != before:
            yield (
                f"{model}: history line {one.id} moves away from version {one.from_version}, "
                f"but version {before} stood"
            )
        before = one.to_version
    if not moves:
        return
    last, now = moves[-1], champion_state.champion
    stands = None if now is None else (now.version, now.evidence_hash)
    says = None if last.to_version is None else (last.to_version, last.evidence_hash)
    if stands != says:
        yield f"{model}: the champion row says {stands}, the history's last move says {says} (version, evidence)"


def _served_versions(lines: Sequence[HistoryEntry], versions: Sequence[ModelVersion]) -> Iterator[str]:
    """Yield a version that was refused is marked so, and one that served is not a challenger any more."""
    status = {one.version: one.status for one in versions}
    refused = {one.version for one in lines if one.action == "refused"}
    decided = {one.version for one in lines}
    for one in versions:
        if one.version in refused and one.status != "refused":
            yield f"{one.model}: version {one.version} was refused but has the status {one.status}"
        elif one.version in decided and one.status == "challenger":
            yield f"{one.model}: version {one.version} was decided about but is still a challenger"
    for line in lines:
        if line.version not in status:
            yield f"{line.model}: history line {line.id} is about version {line.version}, which does not exist"


def _rollouts(connection: Connection) -> Iterator[str]:
    """Yield active roll-outs whose champion is not the one they say, and roll-outs with a gap in their record."""
    events = (
        select(rollout_events.c.rollout_id, func.count().label("number"))
        .group_by(rollout_events.c.rollout_id)
        .subquery()
    )
    joined = (
        select(rollouts, events.c.number, champion.c.version.label("current"), champion.c.revision)
        .select_from(rollouts)
        .outerjoin(events, events.c.rollout_id == rollouts.c.id)
        .outerjoin(champion, champion.c.model == rollouts.c.model)
    )
    for row in connection.execute(joined.order_by(rollouts.c.id)):
        name = f"{row.model}: roll-out {row.id}"
        if row.number != row.sequence + 1:
            yield f"{name} has {row.number} events for {row.sequence} transitions"
        switched = row.state == "switched"
        expected = (row.version if switched else row.champion_version, row.base_revision + switched)
        if row.state in ACTIVE and (row.current, row.revision) != expected:
            yield (
                f"{name} is {row.state} and expects version {expected[0]} as champion at revision {expected[1]}, it is "
                f"version {row.current} at revision {row.revision}"
            )


def _bundles(connection: Connection) -> Iterator[str]:
    """Yield versions that share another model's bundle, and those that were judged as another bundle."""
    other = model_versions.alias()
    shared = (
        select(model_versions.c.model, model_versions.c.version, other.c.model.label("other"))
        .join(other, other.c.bundle_path == model_versions.c.bundle_path)
        .where(other.c.model < model_versions.c.model)
    )
    for row in connection.execute(shared.order_by(model_versions.c.model, model_versions.c.version)):
        yield f"{row.model}: version {row.version} points to a bundle of the model {row.other}"
    judged = cast(evidence.c.body, JSONB)["manifest_sha256"].astext
    of_version = (evidence.c.model == model_versions.c.model) & (
        evidence.c.version == model_versions.c.version
    )
    differing = (
        select(evidence.c.model, evidence.c.version, evidence.c.hash)
        .join(model_versions, of_version)
        .where(judged.is_not(None), judged.is_distinct_from(model_versions.c.manifest_sha256))
    )
    for row in connection.execute(differing.order_by(evidence.c.model, evidence.c.version)):
        yield f"{row.model}: version {row.version} was judged as another bundle (evidence {row.hash[:12]})"


def _evidence(connection: Connection) -> Iterator[str]:
    """Every body has its hash (computed by the server), and decisions rest on evidence about their version."""
    body = func.convert_to(cast(evidence.c.body, Text), "UTF8")
    altered = select(evidence.c.hash, evidence.c.model).where(
        evidence.c.hash != func.encode(func.sha256(body), "hex")
    )
    for row in connection.execute(altered.order_by(evidence.c.hash)):
        yield f"{row.model}: evidence {row.hash} does not have the hash it is stored under: it was altered"
    joined = history.outerjoin(evidence, evidence.c.hash == history.c.evidence_hash)
    elsewhere = (
        select(history.c.id, history.c.model, history.c.evidence_hash)
        .select_from(joined)
        .where(
            history.c.evidence_hash.is_not(None),
            evidence.c.model.is_distinct_from(history.c.model)
            | evidence.c.version.is_distinct_from(history.c.version),
        )
    )
    for line in connection.execute(elsewhere.order_by(history.c.id)):
        yield f"{line.model}: history line {line.id} rests on evidence {line.evidence_hash} about something else"


def _names(versions: Sequence[int]) -> str:
    return ", ".join(f"version {version}" for version in versions) or "no version"
