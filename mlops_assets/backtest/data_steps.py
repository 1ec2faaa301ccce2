"""What depends on the data of one instant alone, carried out once for all policies that share it.

The data stages, for policies that read, validate and build alike; the search for leakage, for those that train alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mlops_assets import features, readings, stages
from mlops_assets.artifacts import Split
from mlops_assets.backtest.policies import Policy
from mlops_assets.datasets import MemoryDatasets
from mlops_assets.errors import MlopsError
from mlops_assets.leakage import Finding
from mlops_assets.lifecycle.platform import Platform, Run, keep_record
from mlops_assets.lifecycle.records import FeaturesRecord, ReadingsRecord, ValidatedRecord
from mlops_assets.lifecycle.stages import data
from mlops_assets.lifecycle.stages.evidence import FindLeaks
from mlops_assets.model_file import ModelSpec

R = TypeVar("R", ReadingsRecord, ValidatedRecord, FeaturesRecord)


class DataSteps:
    """Readings, validated data and features of the present instant.

    Args:
        history: The rows of the whole span.
        datasets: Where the tables of the instant are.
    """

    def __init__(self, history: readings.History, datasets: MemoryDatasets) -> None:
        self._history = history
        self._datasets = datasets
        self._known: dict[tuple[str, ...], Any] = {}

    def next_instant(self) -> None:
        """Forget the tables of the instant before."""
        self._known.clear()
        self._datasets.forget()

    def prepare(self, policy: Policy, platform: Platform, run: Run, champion: str | None) -> FeaturesRecord:
        """Carry out the three data stages for a policy, or record what they gave for another one.

        Args:
            policy: The policy.
            platform: Its stores.
            run: The run, as of the present instant.
            champion: Key of the champion's fit, whose training rows validation may compare with.

        Returns:
            The feature table.

        Raises:
            SourceError: There are no readings yet.
            DataError: The readings did not pass validation.
        """
        spec, base = policy.spec, policy.data_digest

        def shared(stage: str, key: tuple[str, ...], carry_out: Callable[[], R]) -> R:
            if key not in self._known:
                try:
                    self._known[key] = carry_out()
                except MlopsError as error:
                    self._known[key] = error
            elif not isinstance(self._known[key], MlopsError):
                keep_record(platform, spec, stage, run, self._known[key])
            if isinstance(self._known[key], MlopsError):
                raise self._known[key]
            record: R = self._known[key]
            return record

        shared(
            stages.RAW_READINGS,
            (stages.RAW_READINGS, base),
            lambda: data.read_readings(spec, platform, run, self._history),
        )
        limits = spec.monitoring.model_dump_json()
        key = (stages.VALIDATED_DATA, base, champion or "", limits)
        is_shared = key in self._known
        validated = shared(stages.VALIDATED_DATA, key, lambda: data.validate_readings(spec, platform, run))
        if is_shared:
            platform.ledger.record_signals([data.quality_signal(spec, validated)], run.now())
        return shared(
            stages.FEATURES,
            (stages.FEATURES, base, validated.table.content_hash, str(validated.passed)),
            lambda: data.build_features(spec, platform, run),
        )

    def find_leaks(self, policy: Policy, built: FeaturesRecord) -> FindLeaks:
        """Return what looks for leakage in a split of a feature table, once for equal recipes.

        Args:
            policy: The policy.
            built: The feature table.

        Returns:
            The function; rows with columns that only a champion reads are looked at each time.
        """
        key = ("leakage", policy.recipe_digest, built.table.content_hash)

        def find(spec: ModelSpec, split: Split) -> tuple[Finding, ...]:
            if not set(split.train.columns) <= set(built.table.columns):
                return features.leakage_findings(spec, split)
            if key not in self._known:
                self._known[key] = features.leakage_findings(spec, split)
            known: tuple[Finding, ...] = self._known[key]
            return known

        return find
