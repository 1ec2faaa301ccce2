"""Train a version again from its recorded data, model file and seed, and compare every prediction.

Comes in: a model version. Goes out: a `Reproduction`: equal, equal within a tolerance, or not, because of X. Nothing is
registered and no champion moves; the retrained model is thrown away. Only the winner is trained again, with the
parameters its bundle holds: a search that found them is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets import features, stages, training
from mlops_assets.artifacts import Evidence, Predictor, Split, TableVersion, from_json, to_json
from mlops_assets.errors import BundleError, DataError, MlopsError, TrainingError
from mlops_assets.lifecycle.model_loading import load_version, spec_of_bundle
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.lifecycle.stages.candidates import best_of, fit_candidates
from mlops_assets.lifecycle.stages.refit import refit
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.training import AlgorithmChoice
from mlops_assets.training.bundles.manifest import environment_of, sha256
from mlops_assets.training.bundles.save import JUDGED

RECORD: Final = "reproduction"
TOLERANCE: Final = 1e-6
"""Largest relative difference that rounding explains on the processor that made the original."""
OTHER_PROCESSOR_TOLERANCE: Final = 1e-3
"""The same on another processor or with other BLAS kernels. Closed-form fits and trees differ there by 1e-14, but a
likelihood is maximized only as far as its gradient can be calculated: measured 2e-4 for `sarimax`."""
Verdict = Literal["equal", "within_tolerance", "not_equal", "not_possible"]


@dataclass(frozen=True, slots=True)
class Reproduction:
    """The result of a reproduction, as stored.

    largest_difference is relative, over `rows` predictions of sample and holdout (0 when equal, None when nothing could
    be compared). reasons: what differs from then, whether or not it mattered. trained_on: the machine that made the
    original, empty where its bundle does not say.
    """

    model: str
    version: int
    verdict: Verdict
    reasons: tuple[str, ...]
    largest_difference: float | None
    rows: int
    same_bytes: bool
    seconds: float
    at: datetime
    trained_on: str = ""

    @property
    def sentence(self) -> str:
        """One sentence."""
        name = f"{self.model} version {self.version}" + (
            f" (trained on {self.trained_on})" if self.trained_on else ""
        )
        because = f": {'; '.join(self.reasons)}" if self.reasons else ""
        if self.verdict == "not_possible":
            return f"{name} cannot be reproduced{because}"
        bytes_too = ", the stored model is equal byte for byte" if self.same_bytes else ""
        if self.verdict == "equal":
            although = f", although {'; '.join(self.reasons)}" if self.reasons else ""
            return f"{name}: all {self.rows:,} predictions are equal{bytes_too}{although}"
        within = self.verdict == "within_tolerance"
        how = "equal within the tolerance" if within else "NOT equal"
        unknown = "" if within or self.reasons else ": neither data, model file, code nor libraries differ"
        most = f"largest relative difference {self.largest_difference:.3g} in {self.rows:,} predictions"
        return f"{name}: {how} ({most}){because}{unknown}"


def reproduce(platform: Platform, model: str, version: int, run: Run) -> Reproduction:
    """Train a version again from its records and compare the predictions.

    A damaged or missing input gives the verdict `not_possible` with the reason, not an error.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        version: Number of the model version.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The verdict, the largest difference of predictions and its reasons; also stored in the ledger.

    Raises:
        LedgerError: When the version does not exist.
    """
    began = time.perf_counter()
    row = platform.ledger.model_version(model, version)
    reasons: list[str] = []
    trained_on, tolerance = "", TOLERANCE
    if row.code_commit != run.code_commit:
        reasons.append(f"the code differs: {_short(row.code_commit)} then, {_short(run.code_commit)} now")

    def conclude(
        verdict: Verdict, difference: float | None = None, rows: int = 0, same: bool = False
    ) -> Reproduction:
        made = Reproduction(
            model,
            version,
            verdict,
            tuple(reasons),
            difference,
            rows,
            same,
            time.perf_counter() - began,
            run.now(),
            trained_on,
        )
        platform.ledger.put_record(f"{model}/{RECORD}", run.id, to_json(made), run.now())
        return made

    try:
        original, bundle = load_version(platform, model, version, "judged")
        spec = spec_of_bundle(bundle)
        reasons += _other_libraries(bundle)
        then, now = bundle.manifest.environment, environment_of(())
        trained_on = _machine(then)
        if trained_on != _machine(now):
            tolerance = OTHER_PROCESSOR_TOLERANCE
        tables = {name: from_json(TableVersion, body) for name, body in row.data_versions.items()}
        frame, rebuilt = _features(spec, platform, tables)
        reasons += rebuilt
        split = features.split(spec, frame)
        reasons += _other_split(platform, model, version, split)
        again = _trained(spec, original.estimator, split, run)
        served = _refitted(spec, platform, bundle, version, (frame, split, again), run)
    except BundleError as error:
        reasons[:] = [str(error)]
        return conclude("not_possible")
    except MlopsError as error:
        reasons.append(str(error))
        return conclude("not_possible")
    pairs = [
        _predictions(original.estimator, again.estimator, bundle.sample),
        _predictions(original, again, split.test),
    ]
    if served is not None:
        pairs.append(_predictions(served[0], served[1], split.test))
    difference = max(_difference(ours, theirs) for ours, theirs in pairs)
    rows = sum(len(ours) for ours, _ in pairs)
    prefix = JUDGED if bundle.has_judged_fit else ""
    files = {prefix + name: sha256(body) for name, body in again.estimator.dump().items()}
    if served is not None:
        files |= {name: sha256(body) for name, body in served[1].estimator.dump().items()}
    same = all(bundle.manifest.files.get(name, ("",))[0] == digest for name, digest in files.items())
    verdict: Verdict = (
        "equal" if difference == 0.0 else "within_tolerance" if difference <= tolerance else "not_equal"
    )
    return conclude(verdict, difference, rows, same)


def _other_libraries(bundle: training.LoadedBundle) -> list[str]:
    then, now = bundle.manifest.environment, environment_of(bundle.manifest.packages)
    differences = [
        f"{name} {then.get(name)} then, {now[name]} now"
        for name in ("python", "platform", "processor", "blas")
        if name in then and then[name] != now[name]
    ]
    before = then.get("packages", {})
    return differences + [
        f"{name} {before.get(name)} then, {version} now"
        for name, version in now["packages"].items()
        if before.get(name) != version
    ]


def _machine(environment: Mapping[str, Any]) -> str:
    """Processor and BLAS kernels as a manifest records them; empty for a manifest that does not."""
    return ", ".join(str(environment[name]) for name in ("processor", "blas") if name in environment)


def _features(
    spec: ModelSpec, platform: Platform, tables: dict[str, TableVersion]
) -> tuple[pl.DataFrame, list[str]]:
    """Return the features as recorded, and whether today's code builds the same from the recorded readings."""
    for name in (stages.FEATURES, stages.VALIDATED_DATA):
        if name not in tables:
            raise DataError(f"it is not recorded which version of '{name}' it was trained on")
    frame = platform.datasets.read(tables[stages.FEATURES])
    rebuilt = features.build(spec, platform.datasets.read(tables[stages.VALIDATED_DATA]))
    if rebuilt.columns == frame.columns and rebuilt.equals(frame.cast(rebuilt.schema)):
        return frame, []
    return rebuilt, ["the features built from the recorded readings are not those it was trained on"]


def _other_split(platform: Platform, model: str, version: int, split: Split) -> list[str]:
    recorded = platform.ledger.evidence_of(model, version)
    if not recorded:
        return []
    then = from_json(Evidence, recorded[-1].body).split.get("digest")
    return [] if then == split.digest else ["other rows fell into the parts of the split"]


def _trained(spec: ModelSpec, winner: Any, split: Split, run: Run) -> BundlePredictor:
    choice = AlgorithmChoice(name=winner.name, params=winner.params)
    alone = spec.training.model_copy(update={"algorithms": (choice,), "search": None})
    unranked = spec.split.model_copy(update={"cross_validation": None})  # one candidate needs no rank
    only = spec.model_copy(update={"training": alone, "split": unranked})
    preparation = features.fit_preparation(only, split.train)
    return best_of(only, fit_candidates(only, split, preparation, time.monotonic(), run)).predictor


def _refitted(
    spec: ModelSpec,
    platform: Platform,
    bundle: training.LoadedBundle,
    version: int,
    trained: tuple[pl.DataFrame, Split, BundlePredictor],
    run: Run,
) -> tuple[BundlePredictor, BundlePredictor] | None:
    """Return the fit that is served, as stored and made again; None where the judged fit is served.

    Raises:
        TrainingError: If it cannot be made again.
    """
    if not bundle.has_judged_fit:
        return None
    frame, split, judged = trained
    original, _ = load_version(platform, spec.name, version)
    again = refit(spec, frame, split, judged, run.progress, spec.training.time_limit.total_seconds())
    if again.check.problem:
        raise TrainingError(again.check.problem)
    return original, again.served


def _predictions(ours: Any, theirs: Any, inputs: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return what both say to the same rows: probabilities for classes, else numbers."""
    if isinstance(ours, BundlePredictor) and isinstance(theirs, BundlePredictor):
        return _of(ours, inputs), _of(theirs, inputs)
    ask = "predict_proba" if ours.classes else "predict"
    return np.asarray(getattr(ours, ask)(inputs)), np.asarray(getattr(theirs, ask)(inputs))


def _of(predictor: Predictor, rows: pl.DataFrame) -> NDArray[Any]:
    shares = predictor.probabilities(rows)
    return predictor.predict(rows) if shares is None else shares


def _difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Largest difference, relative to the larger of 1 and the prediction itself; infinite when they do not compare."""
    if ours.shape != theirs.shape:
        return float("inf")
    if not ours.size:
        return 0.0
    gap = np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours))
    return float("inf") if not np.isfinite(gap).all() else float(gap.max())


def _short(commit: str | None) -> str:
    return (commit or "unknown")[:12] + ("-dirty" if (commit or "").endswith("-dirty") else "")
