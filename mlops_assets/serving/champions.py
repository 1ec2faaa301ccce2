"""The champions as served: followed in the ledger, loaded and verified beside the old one, then swapped in one step.

A champion that cannot be loaded never replaces one that serves; a ledger that does not answer changes nothing.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import polars as pl

from mlops_assets import features, stages
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle.model_loading import load_version, spec_of_bundle
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.model_file import ModelSpec

POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Served:
    """One champion, ready: its model file as trained, the predictor, and recent readings for lags and windows."""

    spec: ModelSpec
    version: int
    revision: int
    predictor: BundlePredictor
    recent: pl.DataFrame

    def predict(self, rows: pl.DataFrame) -> dict[str, Any]:
        """Predictions for new readings, in their order; numbers with the bounds between which the truth lies with the
        probability `level`, where the model has an interval. Raises DataError when a column is missing or wrong."""
        built = features.online(self.spec, self.recent, rows)
        found = self.predictor.predict(built)
        answer: dict[str, Any] = {
            "model": self.spec.name,
            "version": self.version,
            "algorithm": self.predictor.algorithm,
            "predictions": found.tolist(),
        }
        if (bounds := self.predictor.bounds(built, found)) is not None:
            sides = {"low": bounds.low, "high": bounds.high}
            answer["level"] = bounds.level
            answer |= {name: pl.Series(side).fill_nan(None).to_list() for name, side in sides.items()}
        shares = self.predictor.probabilities(built)
        if shares is not None:
            answer |= {"classes": list(self.predictor.classes), "probabilities": shares.tolist()}
        return answer


class Champions:
    """Follows the ledger in a thread of its own, so that a request never waits for a load."""

    def __init__(self, platform: Platform, poll_seconds: float = POLL_SECONDS) -> None:
        self._platform = platform
        self._poll = poll_seconds
        self._served: dict[str, Served] = {}
        self._problems: dict[str, str] = {}
        self._ledger_problem: str | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="champions", daemon=True)

    def start(self) -> None:
        """Load what is champion now, then keep following."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """End the following thread."""
        self._stop.set()
        self._thread.join(timeout=10)

    def served(self, model: str) -> Served | None:
        """The champion that answers now."""
        return self._served.get(model)

    def why_not(self, model: str) -> str:
        """Why a model does not answer, in one sentence."""
        if model in self._problems:
            return self._problems[model]
        if self._ledger_problem:
            return f"the ledger does not answer: {self._ledger_problem}"
        return f"{model} has no champion yet; run 'mlops run {model}'"

    def status(self) -> dict[str, Any]:
        """What is served, and what is wrong."""
        return {
            "models": {
                name: {"version": one.version, "revision": one.revision} for name, one in self._served.items()
            },
            "problems": dict(self._problems),
            "ledger": self._ledger_problem or "ok",
        }

    def _follow(self) -> None:
        while not self._stop.wait(self._poll):
            self.refresh()

    def refresh(self) -> None:
        """One look at the ledger."""
        try:
            champion_states = {
                name: self._platform.ledger.champion_state(name) for name in self._platform.ledger.models()
            }
        except MlopsError as error:
            self._ledger_problem = str(error)
            return
        self._ledger_problem = None
        for name, champion_state in champion_states.items():
            if champion_state.champion is None:
                self._served.pop(name, None)
            elif (now := self._served.get(name)) is None or now.revision != champion_state.revision:
                self._load(name, champion_state.champion.version, champion_state.revision)

    def _load(self, name: str, version: int, revision: int) -> None:
        try:
            predictor, bundle = load_version(self._platform, name, version)
            spec = spec_of_bundle(bundle)
            recent = recent_readings(self._platform, spec)
            self._served[name] = Served(spec, version, revision, predictor, recent)
            self._problems.pop(name, None)
        except MlopsError as error:
            self._problems[name] = f"version {version} of {name} cannot be served: {error}"


def recent_readings(platform: Platform, spec: ModelSpec) -> pl.DataFrame:
    """What lags and windows of the next readings may look back at."""
    latest = platform.datasets.latest(spec.name, stages.VALIDATED_DATA)
    return features.recent(spec, platform.datasets.read(latest)) if latest else pl.DataFrame()
