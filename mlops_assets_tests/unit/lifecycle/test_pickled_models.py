"""A life with a model stored as a pickle: it serves while its model file allows it, and everybody is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_assets.errors import BundleError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.predictor import open_bundle
from mlops_assets.lifecycle.stages.evaluate import stored_as
from mlops_assets_tests.unit.lifecycle.lives import Life, begin

ESTIMATOR = "mlops_assets_tests.stubborn:Stubborn"


def write(life: Life, *algorithms: Any) -> Path:
    """Put the model file in force where the platform looks for it."""
    body = life.spec.model_dump(mode="json", exclude_unset=True)
    file = life.platform.settings.models / "station.yaml"
    file.write_text(yaml.safe_dump({**body, "training": {"algorithms": list(algorithms)}}))
    return file


def allowed(pickle: bool = True) -> dict[str, Any]:
    return {"python": {"estimator": ESTIMATOR, "pickle": pickle}}


@pytest.fixture
def life(tmp_path: Path, ledger: Ledger) -> Life:
    return begin(tmp_path, ledger, training={"algorithms": [allowed()]})


def test_it_loads_exactly_while_the_model_file_in_force_allows_it(life: Life) -> None:
    assert life.train().algorithm == "python"
    with pytest.raises(BundleError, match=r"in force does not allow it: write 'pickle: true' beside .* in a"):
        load_version(life.platform, "station", 1)
    file = write(life, allowed())
    predictor, bundle = load_version(life.platform, "station", 1)
    assert predictor.algorithm == "python"
    [warning] = stored_as(bundle)
    assert f"stored as a pickle ({ESTIMATOR}): loading it runs code" in warning
    for withdrawn in (
        [allowed(pickle=False)],
        ["ridge"],
        [{"python": {"estimator": "mlops_assets_tests.faulty:Slow", "pickle": True}}],
    ):
        write(life, *withdrawn)
        with pytest.raises(BundleError, match=rf"{file.name}, or take the version out of production"):
            load_version(life.platform, "station", 1)
    file.write_text("name: station\n")  # no valid model file allows nothing
    with pytest.raises(BundleError, match="in force does not allow it"):
        load_version(life.platform, "station", 1)


def test_a_champion_serves_and_the_copy_for_mlflow_does_not(life: Life) -> None:
    write(life, allowed())
    assert life.challenge()[2].champion == 1
    assert life.predict() > 0
    with pytest.raises(BundleError, match="no hash from the ledger vouches for it"):
        open_bundle(life.bundle(1))
    write(life, allowed(pickle=False))
    with pytest.raises(BundleError, match="mlops retire station"):
        life.predict()


def test_other_models_need_no_model_file(tmp_path: Path, ledger: Ledger) -> None:
    life = begin(tmp_path, ledger)
    life.train()
    _, bundle = load_version(life.platform, "station", 1)
    assert stored_as(bundle) == ()
