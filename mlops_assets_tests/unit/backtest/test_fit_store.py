"""The store of fits: processes that need the same fit do not carry it out twice at once."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any, cast

import pytest

from mlops_assets.backtest.fit_store import LOCK, FitStore
from mlops_assets.errors import TrainingError


def test_nobody_begins_a_fit_that_another_process_carries_out(tmp_path: Path) -> None:
    def taken() -> bool:
        with (tmp_path / "key" / LOCK).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            return False

    def carry_out(*_: object) -> Any:
        assert taken()
        raise TrainingError("nothing was fitted")

    with pytest.raises(TrainingError):
        FitStore(tmp_path).fit("key", carry_out)(*cast(Any, [None] * 5))
    assert not taken()
