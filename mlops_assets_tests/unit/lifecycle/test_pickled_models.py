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
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station, begin

ESTIMATOR = "mlops_assets_tests.unstorable_estimators:Unstorable"


def write(station: Station, *algorithms: Any) -> Path:
    """Put the model file in force where the platform looks for it."""
    body = station.spec.model_dump(mode="json", exclude_unset=True)
    file = station.platform.settings.models / "station.yaml"
    file.write_text(yaml.safe_dump({**body, "training": {"algorithms": list(algorithms)}}))
    return file


def allowed(pickle: bool = True) -> dict[str, Any]:
    return {"python": {"estimator": ESTIMATOR, "pickle": pickle}}


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    return begin(tmp_path, ledger, training={"algorithms": [allowed()]})


def test_it_loads_exactly_while_the_model_file_in_force_allows_it(station: Station) -> None:
    assert station.train().algorithm == "python"
    with pytest.raises(BundleError, match=r"in force does not allow it: write 'pickle: true' below .* in a"):
        load_version(station.platform, "station", 1)
    file = write(station, allowed())
    predictor, bundle = load_version(station.platform, "station", 1)
    assert predictor.algorithm == "python"
    [warning] = stored_as(bundle)
    assert f"stored as a pickle ({ESTIMATOR}): loading it runs code" in warning
    for withdrawn in (
        [allowed(pickle=False)],
        ["ridge"],
        [{"python": {"estimator": "mlops_assets_tests.faulty_estimators:Slow", "pickle": True}}],
    ):
        write(station, *withdrawn)
        with pytest.raises(BundleError, match=rf"{file.name}, or take the version out of production"):
            load_version(station.platform, "station", 1)
    file.write_text("name: station\n")  # no valid model file allows nothing
    with pytest.raises(BundleError, match="in force does not allow it"):
        load_version(station.platform, "station", 1)


def test_a_champion_serves_and_the_copy_for_mlflow_does_not(station: Station) -> None:
    write(station, allowed())
    assert station.challenge()[2].champion == 1
    assert station.predict() > 0
    with pytest.raises(BundleError, match="no hash from the ledger vouches for it"):
        open_bundle(station.bundle(1))
    write(station, allowed(pickle=False))
    with pytest.raises(BundleError, match="mlops retire station"):
        station.predict()


def test_other_models_need_no_model_file(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(tmp_path, ledger)
    station.train()
    _, bundle = load_version(station.platform, "station", 1)
    assert stored_as(bundle) == ()
