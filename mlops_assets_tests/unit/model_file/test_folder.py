"""Folders of model files: a broken file is one failed model and stops no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_assets.errors import SpecError
from mlops_assets.model_file import read_folder
from mlops_assets_tests.unit.model_file.test_loader import GOOD, write


def test_a_broken_file_does_not_stop_the_others(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD.replace("name: sales", "name: other").replace("target:", "tarjet:"), "second.yaml")
    folder = read_folder(tmp_path)
    assert [spec.name for spec in folder.specs] == ["sales"]
    assert folder.find("sales") == folder.specs[0]
    [broken] = folder.broken
    assert (broken.name, broken.file.name) == ("other", "second.yaml")
    assert "target: is required (and 1 more: mlops validate)" in broken.sentence
    with pytest.raises(SpecError, match="tarjet"):
        folder.find("other")
    assert folder.find("unknown") is None


def test_a_file_that_is_no_yaml_is_known_by_its_file_name(tmp_path: Path) -> None:
    write(tmp_path, "[", "torn.yaml")
    assert [broken.name for broken in read_folder(tmp_path).broken] == ["torn"]


def test_two_files_with_one_name_are_both_broken(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD, "again.yaml")
    write(tmp_path, GOOD.replace("name: sales", "name: other"), "other.yaml")
    folder = read_folder(tmp_path)
    assert [spec.name for spec in folder.specs] == ["other"]
    assert sorted(broken.file.name for broken in folder.broken) == ["again.yaml", "sales.yaml"]
    with pytest.raises(SpecError, match="is also the name of"):
        folder.find("sales")
