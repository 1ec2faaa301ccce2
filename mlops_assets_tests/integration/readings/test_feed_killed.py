"""A feeding process killed at any moment leaves whole chunks or nothing; the next one completes the table."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa

from mlops_assets.readings.sources.feed import catch_up
from mlops_assets_tests.unit.readings.reading_factory import AS_OF

pytestmark = [pytest.mark.integration, pytest.mark.faults, pytest.mark.slow]

KILLS = int(os.environ.get("MLOPS_TEST_KILLS", "8"))
CHILD = """
import sys
from datetime import datetime
from mlops_assets.readings.sources.feed import catch_up
print("ready", flush=True)
for day in range(1, 400):
    added = catch_up(
        sys.argv[1], "readings_wide", "pump_station", until=datetime.fromisoformat(sys.argv[2]), days=day
    )
    if added:
        print("added", flush=True)
"""


def test_kill_while_feeding(postgres_url: str) -> None:
    rng = random.Random(1)
    for _ in range(KILLS):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, postgres_url, AS_OF.isoformat()], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        with child.stdout:
            assert child.stdout.readline() == b"ready\n"
            began = time.monotonic()
            assert child.stdout.readline() == b"added\n"
            # The moment of the crash: within the next chunks, however long this machine takes for one.
            time.sleep(rng.uniform(0, 2.0 * (time.monotonic() - began)))
            child.send_signal(signal.SIGKILL)
            child.wait()
    catch_up(postgres_url, "readings_wide", "pump_station", until=AS_OF, days=1)
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        query = "select count(*), count(distinct recorded_at), min(recorded_at), max(recorded_at) from readings_wide"
        count, distinct, first, last = connection.exec_driver_sql(query).one()
    engine.dispose()
    assert count == distinct == (last - first) / timedelta(minutes=1) + 1
    assert count > 1_440, "no child lived long enough to feed; the test shows nothing"
    assert count % 1_440 == 0
    assert last == AS_OF.replace(second=0)
