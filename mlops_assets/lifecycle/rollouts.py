"""Roll-outs under way: judged from what serving processes counted and from labels, and moved on.

Comes in: the ledger's roll-outs. Goes out: transitions, with the champion's move, and alerts about those that need a
person. It is called every second or two by each serving process and every half minute by Dagster; of two that decide at
once, the ledger accepts one. How a roll-out starts is in `stages.promote`, its rules are in `rollout`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

from mlops_assets import evaluation, rollout
from mlops_assets.artifacts import Comparison
from mlops_assets.artifacts.rollouts import Rollout, RolloutVerdict, Transition
from mlops_assets.errors import BundleError, EvidenceError, LedgerError, LostRaceError
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.stages.promote import decision_on, stored_evidence, supersede
from mlops_assets.metrics import METRICS, Scored
from mlops_assets.model_file import ModelSpec, find_model

FIRST_LOOK: Final = 30
"""Labels at the first comparison."""
LOOK_FACTOR: Final = 1.5
"""Each later comparison has so many times the labels of the one before."""
CONFIDENCE: Final = 0.95
CLASSIFICATION_METRIC: Final = "accuracy"
NUMBER_METRIC: Final = "rmse"


@dataclass
class Judge:
    """Judges roll-outs, and remembers the comparisons it has computed.

    Args:
        platform: The open stores and settings.
    """

    platform: Platform
    _compared: dict[tuple[int, int], Comparison] = field(default_factory=dict)

    def verdict(self, current: Rollout, run: Run) -> RolloutVerdict:
        """Return the results of all checks of a roll-out.

        Args:
            current: The roll-out.
            run: The run: id, actor, clock, `as_of` and progress callback.

        Returns:
            The verdict.
        """
        observations = self.platform.ledger.rollout_observations(current.id)
        quality, labels = self._quality(current)
        return rollout.judge(current, observations, quality, labels, run.now())

    def advance(self, current: Rollout, run: Run) -> Rollout:
        """Carry out what a roll-out does next by itself.

        Args:
            current: The roll-out.
            run: The run: id, actor, clock, `as_of` and progress callback.

        Returns:
            The roll-out after it; unchanged while there is nothing to do or another process was first.
        """
        transition = rollout.next_transition(current, self.verdict(current, run), run.now())
        if transition is None:
            return current
        try:
            return carry_out(self.platform, current, transition, run)
        except LostRaceError:
            return current  # another process decided; the next look shows its decision

    def _quality(self, current: Rollout) -> tuple[Comparison | None, int]:
        """Return the comparison of the newest look, and how many labels there are.

        A comparison that is repeated at every label would find a difference in the end. Looks are at fixed numbers of
        labels, and the confidence is spent over them.
        """
        pairs = self.platform.ledger.rollout_pairs(current)
        if pairs.height < FIRST_LOOK:
            return None, pairs.height
        look = 1 + int(math.log(pairs.height / FIRST_LOOK) / math.log(LOOK_FACTOR))
        key = (current.id, look)
        if key not in self._compared:
            target = find_model(self.platform.settings.models, current.model)
            if target is None:
                return None, pairs.height
            rows = pairs.head(math.ceil(FIRST_LOOK * LOOK_FACTOR ** (look - 1)))
            self._compared[key] = compare_pairs(target[1], current.version, rows, look)
        return self._compared[key], pairs.height


def compare_pairs(spec: ModelSpec, version: int, pairs: pl.DataFrame, look: int) -> Comparison:
    """Compare both versions of a roll-out on rows that both predicted.

    Args:
        spec: The model file.
        version: The challenger.
        pairs: Result of `Ledger.rollout_pairs`.
        look: Number of this comparison, from 1.

    Returns:
        The comparison on the primary metric, or on one that predictions and labels alone can measure.
    """
    ordered = pairs.sort("at", "entity", maintain_order=True)
    if spec.problem != "classification":
        ordered = ordered.with_columns(pl.col("truth").cast(pl.Float64, strict=False)).drop_nulls(
            ["truth", "value", "other_value"]
        )
    serves = pl.col("version") == version
    column = "label" if spec.problem == "classification" else "value"
    ordered = ordered.with_columns(
        challenger=pl.when(serves).then(column).otherwise(f"other_{column}"),
        champion=pl.when(serves).then(f"other_{column}").otherwise(column),
    )
    usual = CLASSIFICATION_METRIC if spec.problem == "classification" else NUMBER_METRIC
    names = (spec.evaluation.primary, *spec.evaluation.also, usual)
    metric = next(name for name in names if METRICS[name].needs == "predictions")
    dependence = evaluation.dependence_of(
        ordered,
        "temporal" if spec.timestamp else "random",
        timestamp="at" if spec.timestamp else None,
        group=None,
        entity="entity" if spec.entity else None,
    )
    challenger, champion = (_scored(spec, ordered, arm) for arm in ("challenger", "champion"))
    return evaluation.compare(
        metric,
        challenger,
        champion,
        confidence=evaluation.spent_confidence(CONFIDENCE, look),
        dependence=dependence,
    )


def carry_out(platform: Platform, current: Rollout, transition: Transition, run: Run) -> Rollout:
    """Write a transition, after asking the gates again where it promotes.

    Args:
        platform: The open stores and settings.
        current: The roll-out that the transition was decided for.
        transition: The next state.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The roll-out after it. It is aborted where its version may not be promoted any more.

    Raises:
        LostRaceError: Another transition or another move of the champion came first; nothing was changed.
    """
    if transition.champion == "promote" and (problem := _not_promotable(platform, current, run)):
        transition = Transition("aborted", current.step, problem)
    after = platform.ledger.move_rollout(
        current.id, transition, expected_sequence=current.sequence, actor=run.actor, at=run.now()
    )
    run.progress(f"{after.model}: {after.sentence}")
    if transition.champion == "promote":
        supersede(platform, run, after.model, after.version)
    if after.state in ("aborted", "paused"):
        in_force = find_model(platform.settings.models, after.model)
        send_alert(
            platform,
            f"rollout_{after.state}",
            f"{after.model}: {after.sentence}; mlops rollout status {after.model} shows every check",
            key=f"rollout/{after.id}/{after.sequence}",
            spec=in_force[1] if in_force else None,
            model=after.model,
            at=run.now(),
            progress=run.progress,
        )
    return after


def request_transition(platform: Platform, model: str, action: str, run: Run, reason: str) -> Rollout:
    """Carry out what a person requests: pause, resume, abort or finish.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        action: A key of `rollout.PERSON_ACTIONS`.
        run: The run: id, actor, clock, `as_of` and progress callback.
        reason: Text for the record.

    Returns:
        The roll-out after it.

    Raises:
        LedgerError: There is no roll-out, or none that this is possible for.
        LostRaceError: Another transition came first; nothing was changed.
    """
    newest = next(iter(platform.ledger.rollouts_of(model, 1)), None)
    if newest is None:
        raise LedgerError(
            f"{model!r} never had a roll-out; 'rollout: {{strategy: canary}}' in its model file starts one at the next "
            "promotion"
        )
    return carry_out(platform, newest, rollout.requested(newest, action, reason), run)


def _not_promotable(platform: Platform, current: Rollout, run: Run) -> str | None:
    """Return why the challenger may not become champion any more: a rejection, an expired waiver, altered evidence."""
    try:
        evidence = stored_evidence(platform, current.evidence_hash, current.version)
        decision, _ = decision_on(None, platform, evidence, current.evidence_hash, run)
    except (EvidenceError, BundleError) as error:
        return str(error)
    return None if decision.outcome == "promote" else decision.reason


def _scored(spec: ModelSpec, rows: pl.DataFrame, arm: str) -> Scored:
    if spec.problem != "classification":
        truth, predicted = (rows[name].cast(pl.Float64, strict=False).to_numpy() for name in ("truth", arm))
        return Scored(truth, predicted, None, None)
    labels = {*rows["truth"], *rows["challenger"], *rows["champion"]} - {None}
    classes = tuple(sorted(labels))
    codes = {name: float(index) for index, name in enumerate(classes)}
    truth, predicted = (np.array([codes.get(value, -1.0) for value in rows[name]]) for name in ("truth", arm))
    return Scored(truth, predicted, None, None, classes)
