"""The asset `backtest_report`: no job selects it, and materializing it runs the backtest in a process of its own."""

from __future__ import annotations

import json

import dagster as dg
import pytest

from mlops_assets.defs.backtest_asset import BACKTEST_REPORT, backtest_report
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.model_file import load_model
from mlops_assets_tests.backtest_platform import body_of, hourly
from mlops_assets_tests.local_platform import LocalPlatform


@pytest.mark.slow
@pytest.mark.integration
def test_the_asset_shows_the_recommendation_and_the_pictures(
    local_platform: LocalPlatform, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_DATABASE_URL", postgres_server)  # may create databases
    readings = local_platform.file("in_dagster")
    hourly().write_parquet(readings)
    file = local_platform.settings.models / "in_dagster.yaml"
    file.write_text(json.dumps(body_of(readings, name="in_dagster")))
    try:
        spec = load_model(file)
        definitions = build_definitions([spec])
        key = dg.AssetKey([spec.name, BACKTEST_REPORT])
        assert key in definitions.resolve_asset_graph().get_all_asset_keys()
        selected = definitions.resolve_job_def(spec.name).asset_layer.selected_asset_keys
        assert key not in selected

        options = {"start": "2026-02-01", "step": "7d"}
        config = {"ops": {f"{spec.name}__{BACKTEST_REPORT}": {"config": options}}}
        done = dg.materialize([backtest_report(spec)], run_config=config)
        [materialization] = done.asset_materializations_for_node(f"{spec.name}__{BACKTEST_REPORT}")
        metadata = materialization.metadata
        assert "rmse" in str(metadata["recommendation"].value)
        assert str(metadata["report"].value).count("data:image/png;base64,") == 2
    finally:
        file.unlink()
