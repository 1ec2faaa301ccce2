"""Runs of one model are never two at once, whoever launches them: every asset of a model is in the model's pool."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import yaml
from dagster._core.instance.config import PoolGranularity

from mlops_assets.defs.backtest_asset import BACKTEST_REPORT
from mlops_assets.defs.model_defs import assets_of
from mlops_assets.defs.resources import pool_of
from mlops_assets.local.environment import CODE, DAGSTER_CONFIGURATION
from mlops_assets.model_file import read_folder

SPECS = read_folder(Path(CODE) / "models").specs


def test_every_asset_is_in_the_pool_of_its_model() -> None:
    for spec in SPECS:
        for steps in (False, True):
            for asset in assets_of(spec, None, candidate_steps=steps):
                # a backtest works on stores of its own and may take hours: it keeps no run of its model waiting
                if isinstance(asset, dg.AssetsDefinition) and asset.key.path[-1] != BACKTEST_REPORT:
                    assert asset.node_def.pools == {pool_of(spec.name)}
    assert len({pool_of(spec.name) for spec in SPECS}) == len(SPECS) > 1


def test_the_instance_lets_one_run_into_a_pool_and_tries_a_launch_again() -> None:
    settings = yaml.safe_load(DAGSTER_CONFIGURATION.read_text())
    pools = settings["concurrency"]["pools"]
    assert (PoolGranularity(pools["granularity"]), pools["default_limit"]) == (PoolGranularity.RUN, 1)
    coordinator = settings["run_coordinator"]["config"]
    assert coordinator["max_user_code_failure_retries"] == 2
    assert 2 * coordinator["user_code_failure_retry_delay"] <= 300
