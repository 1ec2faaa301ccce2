"""What promotions promised and what they delivered, measured when labels of the following weeks have arrived.

Comes in: the ledger's history, evidence and bundles. Goes out: one `Delivery` record per champion. The former one's
stored bundle is scored on the same rows, long after it left production.
"""

from __future__ import annotations

from mlops_assets import evaluation, features
from mlops_assets.artifacts import Comparison, Delivery, Evidence, from_json, to_json
from mlops_assets.errors import BundleError, EvidenceError
from mlops_assets.ledger import HistoryEntry
from mlops_assets.lifecycle.champion_features import with_features_of
from mlops_assets.lifecycle.delivery import delivery_key
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.lifecycle.unseen_rows import FEWEST_LATER_ROWS, rows_after
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import BeatsChampion


def measure_delivery(spec: ModelSpec, platform: Platform, run: Run, built: FeaturesRecord) -> Delivery | None:
    """Score the champion and its predecessor on the rows that came after both, and record the result.

    Args:
        spec: The model file in force.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        built: The feature table with the newest labels.

    Returns:
        The record; None where there is nothing to measure: no promotion from another champion, no comparison in its
        evidence, too few later rows, or a bundle that is damaged or predicts something else.
    """
    promotion = promotion_of_champion(platform, spec.name)
    if promotion is None or promotion.from_version is None or promotion.evidence_hash is None:
        return None
    evidence = from_json(Evidence, platform.ledger.evidence(promotion.evidence_hash).body)
    promise = _promise(spec, evidence)
    if promise is None:
        return None
    former, version = promotion.from_version, promotion.version
    frame = platform.datasets.read(built.table)
    columns = frame.columns
    try:
        loaded = [load_version(platform, spec.name, number) for number in (former, version)]
        for predictor, bundle in loaded:
            frame = with_features_of(predictor, bundle, frame, spec=spec, platform=platform, run=run)
    except (BundleError, EvidenceError) as error:
        run.progress(f"what the promotion of v{version} delivered cannot be measured: {error}")
        return None
    rows = rows_after(spec, features.labeled(spec, frame, columns), [bundle for _, bundle in loaded])
    if rows.height < FEWEST_LATER_ROWS:
        return None
    predictors = loaded[0][0], loaded[1][0]
    measured = evaluation.delivery(spec, (former, version), predictors, rows, promise, run.now())
    platform.ledger.put_record(delivery_key(spec.name, version), run.id, to_json(measured), run.now())
    run.progress(measured.sentence)
    return measured


def promotion_of_champion(platform: Platform, model: str) -> HistoryEntry | None:
    """Return the entry that put the present champion in place of another by promotion.

    Args:
        platform: The open stores and settings.
        model: Name of the model.

    Returns:
        The newest entry that promoted this version; None without a champion or such an entry.
    """
    champion = platform.ledger.champion(model)
    if champion is None:
        return None
    moves = [one for one in platform.ledger.history(model, None) if one.to_version == champion.version]
    return next((one for one in moves if one.action == "promoted" and one.version == champion.version), None)


def _promise(spec: ModelSpec, evidence: Evidence) -> Comparison | None:
    """Return the comparison that promoted: of the first `beats_champion` gate, else of the primary metric."""
    metrics = [gate.metric for gate in spec.gates if isinstance(gate, BeatsChampion)]
    for metric in (*metrics, spec.evaluation.primary):
        for one in evidence.evaluation.comparisons:
            if one.metric == metric and one.part == "test":
                return one
    return None
