"""The section `rollout`: steps that rise, and keys that only some strategies read."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_assets.model_file import examine
from mlops_assets_tests.unit.model_file.test_loader import GOOD, messages, write


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("strategy: canary, steps: [50%, 25%, 100%]", "must rise from above 0 % and end with 100 %"),
        ("strategy: canary, steps: [5%, 25%]", "must rise from above 0 % and end with 100 %"),
        ("strategy: canary, steps: []", "must rise from above 0 % and end with 100 %"),
        ("strategy: canary, steps: [100%]", "needs a share below 100 % first"),
        ("strategy: shadow, steps: [5%, 100%]", "'steps' belongs to canary"),
        ("strategy: blue_green, min_labels: 5", "'min_labels' belongs to canary, shadow"),
        ("strategy: instant, patience: 2d", "'patience' belongs to blue_green, canary, shadow"),
        ("strategy: gradual", "instant"),
        ("strategy: canary, max_slowdown: 0.5", "greater than or equal to 1"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(tmp_path: Path, section: str, problem: str) -> None:
    [message] = messages(tmp_path, f"{GOOD}rollout: {{{section}}}\n")
    assert problem in message


@pytest.mark.parametrize("strategy", ["instant", "canary", "blue_green", "shadow"])
def test_every_strategy_is_read_and_survives_its_own_json(tmp_path: Path, strategy: str) -> None:
    spec, problems = examine(write(tmp_path, f"{GOOD}rollout: {{strategy: {strategy}}}\n"))
    assert not problems
    assert spec is not None
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec
    assert spec.rollout.shares == (0.05, 0.25, 0.5, 1.0)
    assert spec.rollout.labels_needed == (100 if strategy == "shadow" else 0)
