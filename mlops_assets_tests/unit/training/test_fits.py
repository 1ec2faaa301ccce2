"""Fitted models on their way between steps: whole, and only as they were stored."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_assets import training
from mlops_assets.errors import BundleError

FILES = {"algorithm.json": b"{}", "weights.npz": b"\x00\x01"}


def test_what_is_stored_is_read_and_a_second_attempt_replaces_the_first(tmp_path: Path) -> None:
    folder = tmp_path / "model" / ".fits" / "run" / "ridge"
    training.store_fit(folder, {"half": b"of an attempt that was killed"})
    hashes = training.store_fit(folder, FILES)
    assert training.read_fit(folder, hashes) == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["ridge"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_what_was_altered_or_lies_elsewhere_is_not_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "ridge"
    hashes = training.store_fit(folder, FILES)
    (folder / "weights.npz").write_bytes(b"\x00\x02")
    with pytest.raises(BundleError, match=r"weights\.npz is not what was stored there"):
        training.read_fit(folder, hashes)
    with pytest.raises(BundleError, match="MLOPS_MODEL_ROOT"):
        training.read_fit(tmp_path / "not here", hashes)
