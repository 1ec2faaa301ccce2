"""The public API of the package: light to import, documented by examples that run, and without side effects."""

from __future__ import annotations

import doctest
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mlops_assets
from mlops_assets import api

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = """
import json, os, sys
before = dict(os.environ)
import mlops_assets
mlops_assets.load_model_file, mlops_assets.run
print(json.dumps([before == dict(os.environ), sorted({name.split(".")[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize("name", ["load_model_file", "validate"])
def test_examples_that_need_no_store_run(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert run_example(name) > 0


def run_example(name: str) -> int:
    """Run the examples in the docstring of a function of the API, and return their number."""
    tests = doctest.DocTestFinder(recurse=False).find(getattr(api, name), name)
    runner = doctest.DocTestRunner()
    for test in tests:
        runner.run(test)
    assert not runner.failures
    return int(runner.tries)


def test_every_public_function_has_an_example_arguments_and_a_result() -> None:
    functions = [name for name in mlops_assets.__all__ if inspect.isfunction(getattr(mlops_assets, name))]
    assert functions == ["load_champion", "load_model_file", "predict", "run", "status", "validate"]
    for name in functions:
        text = inspect.getdoc(getattr(mlops_assets, name)) or ""
        assert all(part in text for part in ("Args:", "Example:", ">>> import mlops_assets")), name


def test_importing_the_package_imports_nothing_heavy_and_changes_no_variable() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True, cwd=ROOT
    )
    unchanged, modules = json.loads(done.stdout)
    assert unchanged
    assert not {"pydantic", "polars", "numpy", "dagster", "mlflow", "sqlalchemy"} & set(modules)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'promote'"):
        getattr(mlops_assets, "promote")  # noqa: B009


def test_validate_reads_a_folder_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "pump.yaml").write_text("name: pump\n", encoding="utf-8")
    [first, *_] = mlops_assets.validate(tmp_path)
    assert first.file.endswith("pump.yaml")
    assert mlops_assets.validate(tmp_path / "pump.yaml") == mlops_assets.validate(tmp_path)


@pytest.mark.slow
@pytest.mark.integration
def test_the_examples_of_a_whole_lifecycle_run(
    tmp_path: Path, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_MODELS", str(ROOT / "models"))
    monkeypatch.setenv("MLOPS_DATABASE_URL", postgres_server)
    for name in ("MLOPS_READINGS_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    for name in ("run", "status", "load_champion", "predict"):
        assert run_example(name) > 0
    assert dict(os.environ) == before
