"""What the staging target serves of a model: the newest challenger that passed its gates, else the champion.

Comes in: versions and their evidence. Goes out: a state that the API follows as it follows champions. Nothing moves.
"""

from __future__ import annotations

from dataclasses import replace

from mlops_assets.artifacts import Evidence, from_json
from mlops_assets.errors import EvidenceError
from mlops_assets.ledger import Champion, ChampionState
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.stages.promote import decision_on


def staging_state(platform: Platform, model: str, run: Run) -> ChampionState:
    """Return the champion state with the challenger that staging serves in the place of the champion.

    A challenger passed when its gates say promote, or when it only waits for a person; one that is rolled out did.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The state; that of production where no challenger newer than the champion has passed.
    """
    state = platform.ledger.champion_state(model)
    newest = state.champion.version if state.champion else 0
    challengers = [one for one in platform.ledger.versions(model, "challenger") if one.version > newest]
    for one in sorted(challengers, key=lambda version: -version.version):
        for record in platform.ledger.evidence_of(model, one.version)[:1]:
            evidence = from_json(Evidence, record.body)
            try:
                decision, waits = decision_on(None, platform, evidence, record.hash, run)
            except EvidenceError:  # altered, or of gates that this code does not have
                continue
            if decision.outcome == "promote" or waits:
                candidate = Champion(model, one.version, state.revision, record.hash, one.created_at)
                return replace(state, champion=candidate)
    return state
