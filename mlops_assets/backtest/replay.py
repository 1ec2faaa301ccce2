"""One policy, step by step: what its schedules, its governor and its gates would have done.

Comes in: an instant, the feature table known then. Goes out: a `StepRecord`. Every decision is made by the stages of
`lifecycle` on the policy's own ledger; the clock is the step's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from mlops_assets.artifacts import Signal
from mlops_assets.backtest.data_steps import DataSteps
from mlops_assets.backtest.fit_store import FitStore, fit_key
from mlops_assets.backtest.policies import Policy
from mlops_assets.backtest.records import StepRecord, Training
from mlops_assets.backtest.schedule import last_instant
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle import governing
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.records import FeaturesRecord, PromotionRecord
from mlops_assets.lifecycle.stages import evaluate, monitor, performance, predict, promote, train
from mlops_assets.retraining import RetrainRequest

ACTOR = "backtest"


@dataclass(slots=True)
class Replay:
    """A policy and its state.

    Attributes:
        policy: The policy.
        platform: Its scratch stores.
        fits: Fits that all policies share.
        code_commit: Commit of the running code.
        fit_of: Key of the fit of each version.
        cron: When a model without a champion is trained again: the model file's own schedule.
        wait_for_fit: Called before a training with the policy and the instant, in case another process carries it out.
    """

    policy: Policy
    platform: Platform
    fits: FitStore
    code_commit: str
    cron: str | None
    fit_of: dict[int, str] = field(default_factory=dict)
    wait_for_fit: Callable[[Policy, datetime], None] = lambda _policy, _at: None

    @property
    def champion(self) -> str | None:
        """Key of the champion's fit."""
        champion = self.platform.ledger.champion(self.policy.spec.name)
        return self.fit_of[champion.version] if champion else None

    def restore(self, records: list[StepRecord]) -> None:
        """Continue after these steps.

        Args:
            records: The steps that the ledger holds already.
        """
        for one in records:
            if one.training and one.training.version is not None and one.training.fit is not None:
                self.fit_of[one.training.version] = one.training.fit

    def advance(self, step: int, before: datetime | None, at: datetime, data: DataSteps) -> StepRecord:
        """Do everything that falls between the instant before and this one, at this one.

        Args:
            step: Index of the step, from 0.
            before: The instant before; None at the first.
            at: The present instant of the simulation.
            data: The data stages of this instant.

        Returns:
            The champion afterwards, and the challenger if one was trained.
        """
        spec, platform = self.policy.spec, self.platform
        run = Run(f"{step:06d}", at, lambda: at, ACTOR, self.code_commit, _ignore)
        problem = ""
        built: FeaturesRecord | None = None
        try:
            built = data.prepare(self.policy, platform, run, self.champion)
            if self.champion is not None:
                predict.predict_batch(spec, platform, run)
            if last_instant(spec.schedules.drift, spec.schedules.timezone, before, at):
                monitor.report_drift(spec, platform, run)
                performance.report_performance(spec, platform, run)
        except MlopsError as error:
            problem = str(error)
        ruling = self._ruling(step, before, at)
        training = None
        if ruling is not None and built is not None:
            training = self._lifecycle(step, run, built, ruling, data)
        elif ruling is not None:
            governing.finish_request(platform, spec.name, ruling.key, succeeded=False, now=at)
        return StepRecord(step, self.champion, training, problem)

    def _ruling(self, step: int, before: datetime | None, at: datetime) -> RetrainRequest | None:
        """Return the retrain that the governor grants at this instant; the first one is a person's wish."""
        spec, platform = self.policy.spec, self.platform
        zone = spec.schedules.timezone
        scheduled = last_instant(spec.schedules.retrain, zone, before, at)
        if self.champion is None and (
            step == 0 or (scheduled is None and last_instant(self.cron, zone, before, at))
        ):
            wish = Signal(spec.name, "manual", at, active=True, reason="the model goes live")
            return governing.request_retrain(spec, platform, wish, at).request
        if scheduled is not None:
            reason = f"schedule: {spec.schedules.retrain} at {scheduled:%Y-%m-%d %H:%M}"
            signal = Signal(spec.name, "schedule", scheduled, active=True, reason=reason)
            return governing.request_retrain(spec, platform, signal, at).request
        return governing.decide(governing.situation(spec, platform, at), platform, at).request

    def _lifecycle(
        self, step: int, run: Run, built: FeaturesRecord, request: RetrainRequest, data: DataSteps
    ) -> Training:
        spec, platform, at = self.policy.spec, self.platform, run.as_of
        champion = self.champion
        key = fit_key(self.policy.recipe_digest, built.table.content_hash)
        self.wait_for_fit(self.policy, at)
        version: int | None = None
        try:
            model = train.train_model(spec, platform, run, self.fits.fit(key))
            assert model is not None
            version = model.version
            self.fit_of[version] = key
            find_leaks = data.find_leaks(self.policy, built)
            judged = evaluate.judge_model(spec, platform, run, explain=False, find_leaks=find_leaks)
            outcome, reason = "refused", judged.decision.reason
            evaluate.keep_report(spec, platform, run, judged)
            promoted = promote.promote_model(spec, platform, run)
            outcome, reason = _outcome(promoted), promoted.decision.reason
            if self.champion is not None:
                predict.predict_batch(spec, platform, run)
        except MlopsError as error:
            outcome = "failed" if version is None else "refused"
            reason = str(error)
        governing.finish_request(
            platform, spec.name, request.key, succeeded=outcome in ("promoted", "kept"), now=at, run_id=run.id
        )
        known = self.fits.knows(key)
        cpu_seconds = self.fits.get(key).cpu_seconds if known else 0.0
        return Training(
            step, version, key if known else None, request.cause, outcome, reason, champion, cpu_seconds
        )


def _outcome(record: PromotionRecord) -> str:
    return {"promote": "promoted", "keep": "kept", "refuse": "refused"}[record.decision.outcome]


def _ignore(_sentence: str) -> None:
    """Ignore what stages report."""
