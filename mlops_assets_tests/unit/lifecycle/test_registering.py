"""A challenger is registered only when its stored model was loaded again: before that nobody hears of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops_assets import stages, training
from mlops_assets.errors import BundleError
from mlops_assets.ledger import Ledger
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import FakeTracked, begin


def test_a_bundle_that_rots_while_it_is_stored_is_never_registered(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = begin(tmp_path, ledger)
    save, registered = training.save_bundle, []

    def rotten(folder: Path, **content: Any) -> str:
        digest = save(folder, **content)
        profile = folder / "profile.json"
        profile.write_bytes(profile.read_bytes().replace(b"flow", b"glow", 1))
        return digest

    monkeypatch.setattr(training, "save_bundle", rotten)
    monkeypatch.setattr(FakeTracked, "register", lambda *arguments: registered.append(arguments))
    with pytest.raises(BundleError, match=r"fresh process refused it: .*'profile.json' was altered"):
        station.train()
    assert registered == []
    assert ledger.get_record(f"station/{stages.TRAINED_MODEL}") is None
    assert [one.bundle_path for one in ledger.versions("station")] == [None]
    monkeypatch.setattr(training, "save_bundle", save)
    assert station.train().version == 2
    assert len(registered) == 1
