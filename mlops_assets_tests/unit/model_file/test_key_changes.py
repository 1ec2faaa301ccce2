"""Keys that no code acts on are refused; keys that were renamed are read for one release, with a warning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops_assets.model_file import examine, key_changes, old_names, stored_model
from mlops_assets_tests.unit.model_file.test_loader import GOOD, messages, write


def test_a_key_without_a_reader_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(key_changes.NOT_AVAILABLE, ("monitoring", "fall"), ((), "remove the key"))
    [message] = messages(tmp_path, f"{GOOD}monitoring: {{fall: 20%}}\n")
    assert "monitoring.fall: is not available yet; remove the key" in message


def test_a_renamed_key_is_read_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(key_changes.RENAMED_KEYS, ("monitoring", "look_back"), "window")
    monkeypatch.setitem(key_changes.RENAMED_VALUES, ("rollout", "strategy"), {"at_once": "instant"})
    file = write(tmp_path, f"{GOOD}monitoring: {{look_back: 3d}}\nrollout: {{strategy: at_once}}\n")
    spec, problems = examine(file)
    assert not problems
    assert spec is not None
    assert (spec.monitoring.window.days, spec.rollout.strategy) == (3, "instant")
    warnings = [str(warning) for warning in old_names(file)]
    assert "monitoring.look_back: is now called 'window'" in warnings[0]
    assert "rollout.strategy: 'at_once' is now called 'instant'" in warnings[1]


def test_an_error_below_a_renamed_key_names_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(key_changes.RENAMED_KEYS, ("watching",), "monitoring")
    text = f"{GOOD}watching:\n  window: 3x\n"
    [message] = messages(tmp_path, text)
    assert message.startswith(f"{len(text.splitlines())} monitoring.window: ")


def test_a_model_stored_with_a_key_that_is_gone_still_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(key_changes.NOT_AVAILABLE, ("monitoring", "fall"), ((), "remove the key"))
    spec, _ = examine(write(tmp_path, GOOD))
    assert spec is not None
    stored: dict[str, Any] = spec.model_dump(mode="json")
    stored["monitoring"]["fall"] = 0.15
    assert stored_model(stored) == spec
