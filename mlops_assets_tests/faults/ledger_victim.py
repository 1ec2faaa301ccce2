"""Children that are killed in the middle of a ledger verb. Reads a JSON job per line, answers what became of it.

This process only forks: each child opens its own ledger and carries out one verb. Point p of a job is the p-th place
where something had just happened or was just about to: before and after each statement, before and after each
commit. A job with `point` ends the child there by `signal`; one with `delay` kills it that many seconds after it
began, wherever it is; one with neither lets it finish and tells how many points it passed.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, event

from mlops_assets.artifacts.rollouts import Transition
from mlops_assets.ledger import Ledger, migrate
from mlops_assets.ledger.moves import Attribution, champion_state_of, move, write
from mlops_assets.model_file.rollout import RolloutSpec

AT = datetime(2026, 3, 1, tzinfo=UTC)
DECODED: dict[str, Callable[[Any], Any]] = {
    "plan": lambda strategy: RolloutSpec(strategy=strategy),
    "transition": lambda values: Transition(**values),
}
"""Arguments that are not JSON."""


class Points:
    """Counts the places passed, and dies at the chosen one."""

    def __init__(self, last: int | None, by: int) -> None:
        self.passed, self.last, self.by = 0, last, by

    def __call__(self, *_: object) -> None:
        self.passed += 1
        if self.passed == self.last:
            os.kill(os.getpid(), self.by)
            signal.pause()  # a signal that Python handles arrives between two instructions


def torn(
    ledger: Ledger,
    model: str,
    version: int,
    expected_revision: int,
    evidence_hash: str,
    actor: str,
    reason: str,
) -> None:
    """A promotion as it must not be: in two transactions."""
    attribution = Attribution.by(actor, reason, AT)
    with ledger._transaction() as connection:
        before = champion_state_of(connection, model)
        after = move(connection, before, version, evidence_hash, AT)
    assert before.revision == expected_revision
    with ledger._transaction() as connection:
        write(connection, "promoted", version, before, after, evidence_hash, attribution)


def act(url: str, verb: str, arguments: dict[str, Any], repeat: int) -> None:
    if verb == "migrate":
        migrate(url)
        return
    with Ledger.open(url) as ledger:
        for number in range(repeat):
            now = {
                key: value[number] if isinstance(value, list) else value for key, value in arguments.items()
            }
            now = {key: DECODED.get(key, lambda same: same)(value) for key, value in now.items()}
            torn(ledger, **now) if verb == "torn" else getattr(ledger, verb)(**now, at=AT)


def child(job: dict[str, Any], began: int, passed: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    points = Points(job.get("point"), signal.Signals[job.get("signal", "SIGKILL")])
    for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
        event.listen(Engine, name, points)
    os.write(began, b".")
    act(job["url"], job["verb"], job["arguments"], job.get("repeat", 1))
    points()  # after the last commit
    os.write(passed, str(points.passed).encode())


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Fork, wait or kill, and tell: `signal` that ended the child or None, and `points` it passed."""
    began_in, began_out = os.pipe()
    passed_in, passed_out = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(2, 1)
        status = 1
        try:
            child(job, began_out, passed_out)
            status = 0
        except KeyboardInterrupt:
            status = 130
        finally:
            os._exit(status)
    os.close(began_out)
    os.close(passed_out)
    os.read(began_in, 1)
    if "delay" in job:
        select.select([passed_in], [], [], job["delay"])
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    points = os.read(passed_in, 32)
    os.close(began_in)
    os.close(passed_in)
    code = os.waitstatus_to_exitcode(status)
    return {"exit": code, "points": int(points) if points else None}


if __name__ == "__main__":
    for line in sys.stdin:
        sys.stdout.write(json.dumps(run(json.loads(line))) + "\n")
        sys.stdout.flush()
