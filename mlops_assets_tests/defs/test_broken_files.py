"""One broken model file is one asset that names its problems; the other models load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from mlops_assets_tests.unit.model_file.test_loader import GOOD, write

LOADED = """
import json
from mlops_assets.definitions import defs
assets = {asset.key.to_user_string(): asset.description for asset in defs.resolve_all_asset_specs()}
print(json.dumps(assets))
"""


def test_a_broken_file_is_an_asset_and_the_others_load(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD.replace("name: sales", "name: other").replace("target:", "tarjet:"), "other.yaml")
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        env={**os.environ, "MLOPS_MODELS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assets = json.loads(done.stdout.splitlines()[-1])
    assert "sales/production_model" in assets
    assert "other/production_model" not in assets
    assert "did you mean 'target'" in assets["broken_model_files/other_yaml"]
    assert "other.yaml:1: target: is required" in done.stderr
