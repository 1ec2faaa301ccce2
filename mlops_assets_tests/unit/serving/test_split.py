"""One roll-out in one process: whatever the process knows first, a version that fails costs no response."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets.serving.split import Split


def version(number: int, fails: bool = False) -> Any:
    """A version that predicts its own number, or fails."""

    def respond(_rows: Any) -> dict[str, Any]:
        if fails:
            raise ZeroDivisionError
        return {"version": number, "predictions": [float(number)]}

    return SimpleNamespace(version=number, respond=respond, spec=SimpleNamespace(entity=None))


@pytest.mark.parametrize("state", ["running", "aborted"])
def test_a_champion_that_moved_before_the_state_is_known_falls_back_too(state: str) -> None:
    rollout: Any = SimpleNamespace(id=1, step=0, share=0.0, state=state)
    challenger = version(2, fails=True)
    split = Split(rollout, challenger, version(1))
    served, document = split.respond(challenger, [{"x": 1.0}], None)
    assert (served.version, document["version"]) == (1, 1)
