"""`mlops init`: the repository it makes is valid, tested and complete, and nothing is ever overwritten."""

from __future__ import annotations

import fnmatch
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import mlops_assets
from mlops_assets.drafting.repository_files import TEMPLATES
from mlops_assets_tests.cli_calls import mlops

ROOT = Path(__file__).parents[3]


def test_a_new_repository_is_valid_and_its_own_tests_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "our models"
    printed = mlops(monkeypatch, "init", str(folder), "--owner", "plant/ml-team")
    assert printed.code == 0
    assert printed.out.splitlines()[-1].startswith(f"Next: cd '{folder}' && mlops validate")
    made = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert made == {*TEMPLATES, "models/schema.json"}
    assert "/models/ @plant/ml-team" in (folder / ".github" / "CODEOWNERS").read_text()
    assert f"mlops-assets=={mlops_assets.__version__}" in (folder / "requirements.txt").read_text()
    assert not [
        path for path in made if "@NAME@" in (text := (folder / path).read_text()) or "@OWNER" in text
    ]
    assert mlops_assets.validate(folder / "models") == ()
    assert mlops_assets.load_model_file(folder / "models" / "wine_classifier.yaml").owners == (
        "team:ml-team",
    )
    tests = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert tests.returncode == 0, tests.stdout


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    assert mlops(monkeypatch, "init", str(tmp_path), "--owner", "ann").code == 0
    again = mlops(monkeypatch, "init", str(tmp_path), "--owner", "ann")
    assert (again.code, "is not empty; name a new folder" in again.err) == (1, True)
    wrong = mlops(monkeypatch, "init", str(tmp_path / "x"), "--owner", "a b")
    assert (wrong.code, "name one with --owner" in wrong.err) == (2, True)


def test_the_wheel_holds_every_file_that_the_package_reads() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    globs = settings["tool"]["setuptools"]["package-data"]["mlops_assets"]
    package = ROOT / "mlops_assets"
    data = [
        str(path.relative_to(package))
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    assert {"local/dagster.yaml", "drafting/repository/gitignore"} <= set(data)
    patterns = [glob.replace("**/", "*") for glob in globs]
    assert [path for path in data if not any(fnmatch.fnmatch(path, one) for one in patterns)] == []
