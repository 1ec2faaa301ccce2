"""The model files that ship, their schema for editors, and the catalogues behind the names they may use."""

from __future__ import annotations

from pathlib import Path

from mlops_assets.model_file import load_models, schema_text
from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE
from mlops_assets.model_file.gates import GATES as GATE_PARAMETERS
from mlops_assets.model_file.gates import Latency
from mlops_assets.promotion import GATES
from mlops_assets.training import ALGORITHMS

MODELS = Path(__file__).parents[3] / "models"


def test_shipped_models_are_valid() -> None:
    assert {"pump_efficiency", "wine_classifier"} <= {spec.name for spec in load_models(MODELS)}


def test_every_shipped_model_answers_in_time() -> None:
    for spec in load_models(MODELS):
        assert [gate.limit_ms for gate in spec.gates if isinstance(gate, Latency)] == [100], spec.name


def test_every_shipped_model_predicts_and_is_monitored_by_itself() -> None:
    for spec in load_models(MODELS):
        crons = spec.schedules
        assert None not in (crons.retrain, crons.data_quality, crons.drift, crons.predictions), spec.name


def test_the_schema_for_editors_is_fresh() -> None:
    assert (MODELS / "schema.json").read_text(encoding="utf-8") == schema_text(), (
        "run: mlops schema > models/schema.json"
    )


def test_every_name_a_model_file_may_use_has_code_behind_it() -> None:
    assert set(ALGORITHMS) == set(ALGORITHM_CATALOGUE)
    assert set(GATES) == set(GATE_PARAMETERS)
