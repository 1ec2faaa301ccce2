"""What the supervisor keeps alive: a service, how it fares, and when it is started again."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Service:
    """One part of the platform.

    ready: called with the time of its start (epoch seconds) until it returns True. works: called with the time, again
    and again from then on; False when it does not do its work, None when that cannot be said. needs: names that must
    be ready first. remark: called once when it is ready; a sentence the person should read. patience: seconds it may
    take to be ready without using the CPU. wave: services of a lower wave are stopped first. pass_fds: descriptors it
    inherits.
    """

    name: str
    title: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    ready: Callable[[float], bool]
    address: str | None = None
    needs: tuple[str, ...] = ()
    remark: Callable[[], str | None] = lambda: None
    works: Callable[[float], bool | None] = lambda _: None
    patience: float = 180.0
    wave: int = 0
    pass_fds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """When to start a service again.

    After `first` seconds, then twice as long, at most `longest`; not after `deaths` deaths within `window` seconds, nor
    after as many starts in a row that took too long. grace: seconds between TERM and KILL. check: seconds between two
    checks that a service does its work, `idle` seconds of which it may fail before it is started again. A service that
    uses the CPU, or waits for it, is waited for `busy` times as long: a busy machine is slow, not broken.
    """

    first: float = 0.5
    longest: float = 30.0
    deaths: int = 5
    window: float = 300.0
    grace: float = 10.0
    tick: float = 0.2
    check: float = 15.0
    idle: float = 60.0
    busy: float = 5.0


@dataclass(slots=True)
class ServiceState:
    """A service and how it fares."""

    service: Service
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    began_at: float = 0.0
    ready: bool = False
    given_up: bool = False
    not_before: float = 0.0
    deaths: list[float] = field(default_factory=list)
    failed_starts: int = 0
    question: Future[bool | None] | None = None
    log_from: int = 0
    ready_at: float = 0.0
    worked_at: float = 0.0
    next_check: float = 0.0
    work: float = 0.0
    progress_at: float = 0.0
    problem: str = ""


def describe_exit(code: int) -> str:
    """Describe how a process ended.

    Args:
        code: Its exit code; negative for a signal.

    Returns:
        End of a sentence, for example 'was killed by signal 9'.
    """
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
