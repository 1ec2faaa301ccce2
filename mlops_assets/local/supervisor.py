"""Keeps services alive: starts them in order, says when each is ready, restarts what dies, stops all of them.

Comes in: `Service` values and a place to write sentences to. Goes out: running processes, then none. What the services
are is not known here. One loop, one thread; only readiness probes run in threads of their own, because they may hang.

Why not a library: honcho restarts nothing, circus and supervisord bring a daemon, a network port or an event loop of
their own, and none of them asks whether a service is ready or says so in words.
"""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mlops_assets.local import logs, processes


@dataclass(frozen=True, slots=True)
class Service:
    """One part of the platform.

    ready: asked with the time of its start (epoch seconds) until it answers True. needs: names that must be ready
    first. remark: asked once when it is ready; a sentence the person should read. patience: seconds it may take to be
    ready. wave: services of a lower wave are stopped first.
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
    patience: float = 180.0
    wave: int = 0


@dataclass(frozen=True, slots=True)
class Policy:
    """When to start a service again.

    After `first` seconds, then twice as long, at most `longest`; not after `deaths` deaths within `window` seconds.
    grace: seconds between TERM and KILL.
    """

    first: float = 0.5
    longest: float = 30.0
    deaths: int = 5
    window: float = 300.0
    grace: float = 10.0
    tick: float = 0.2


@dataclass(slots=True)
class _Part:
    """A service and how it fares."""

    service: Service
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    began_at: float = 0.0
    ready: bool = False
    given_up: bool = False
    not_before: float = 0.0
    deaths: deque[float] = field(default_factory=deque)
    question: Future[bool] | None = None
    log_from: int = 0


class Supervisor:
    """Runs services until asked to stop."""

    def __init__(
        self, services: Sequence[Service], echo: Callable[[str], None], policy: Policy | None = None
    ) -> None:
        self._parts = {service.name: _Part(service) for service in services}
        self._echo = echo
        self._policy = policy or Policy()
        self._questions = ThreadPoolExecutor(max_workers=max(1, len(services)), thread_name_prefix="ready")

    def run(
        self,
        stop_requested: Callable[[], bool],
        *,
        hurry: Callable[[], bool] = lambda: False,
        all_ready: Callable[[], None] = lambda: None,
        watch: Callable[[], None] = lambda: None,
    ) -> bool:
        """Run until `stop_requested`, then stop everything.

        Args:
            stop_requested: Polled at every turn.
            hurry: Polled while stopping; True means that nobody waits any longer.
            all_ready: Called once, when every service is ready or given up.
            watch: Called at every turn, for what is not a child of ours.

        Returns:
            Whether no service was given up.
        """
        reported_ready = False
        trimmed = time.monotonic()
        try:
            while not stop_requested():
                watch()
                self.turn(time.monotonic())
                if not reported_ready and all(self._settled(part) for part in self._parts.values()):
                    reported_ready = True
                    all_ready()
                if time.monotonic() - trimmed > 30:
                    self._trim()
                    trimmed = time.monotonic()
                time.sleep(self._policy.tick)
        finally:
            self._echo("Stopping; asked once more it will not wait")
            self.stop(hurry)
        return not any(part.given_up for part in self._parts.values())

    def turn(self, now: float) -> None:
        """Check every service once and do what is due."""
        for part in self._parts.values():
            if part.given_up:
                continue
            if part.process is None:
                if now >= part.not_before and all(self._parts[name].ready for name in part.service.needs):
                    self._start(part, now)
            elif (code := part.process.poll()) is not None:
                self._died(part, now, _words(code))
            elif not part.ready:
                self._ask(part, now)

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop every service, wave after wave."""
        for wave in sorted({part.service.wave for part in self._parts.values()}):
            going = [
                part.process
                for part in self._parts.values()
                if part.process is not None and part.service.wave == wave
            ]
            processes.stop(going, self._policy.grace, hurry)
        for part in self._parts.values():
            part.process, part.ready = None, False
        self._questions.shutdown(wait=False, cancel_futures=True)

    def pid(self, name: str) -> int | None:
        """Return the process id of a service; None when it does not run."""
        process = self._parts[name].process
        return None if process is None else process.pid

    def _settled(self, part: _Part) -> bool:
        """Return whether a service is ready, given up, or waits for one that was given up."""
        needed = [self._parts[name] for name in part.service.needs]
        return part.ready or part.given_up or any(need.given_up for need in needed)

    def _start(self, part: _Part, now: float) -> None:
        part.began, part.began_at, part.question = now, time.time(), None
        part.log_from = logs.size(part.service.log)
        try:
            part.process = processes.spawn(part.service.command, part.service.environment, part.service.log)
        except OSError as error:
            self._died(part, now, str(error))

    def _ask(self, part: _Part, now: float) -> None:
        service = part.service
        if part.question is not None and part.question.done():
            is_ready = part.question.exception() is None and part.question.result()
            part.question = None
            if is_ready:
                part.ready = True
                where = f": {service.address}" if service.address else ""
                self._echo(f"{service.title} is ready{where}  ({now - part.began:.0f} s)")
                if remark := service.remark():
                    self._echo(f"  {remark}")
                return
        if part.process is not None and now - part.began > service.patience:
            processes.stop([part.process], self._policy.grace)
            self._died(part, now, f"was not ready after {service.patience:.0f} s")
        elif part.question is None:
            part.question = self._questions.submit(service.ready, part.began_at)

    def _died(self, part: _Part, now: float, how: str) -> None:
        service, policy = part.service, self._policy
        if part.process is not None:
            # its children may still hold its port
            processes.stop([part.process], policy.grace)
        part.process, part.ready, part.question = None, False, None
        part.deaths.append(now)
        while part.deaths and now - part.deaths[0] > policy.window:
            part.deaths.popleft()
        log_tail = logs.tail(service.log, since=part.log_from)
        end = f" The end of {service.log}:\n{log_tail}" if log_tail else ""
        if len(part.deaths) >= policy.deaths:
            part.given_up = True
            self._echo(
                f"GIVEN UP: {service.title} {how}, {len(part.deaths)} times within {policy.window:.0f} s. "
                f"Stop with Ctrl-C, mend the cause, start again.{end}"
            )
            return
        delay = min(policy.first * 2 ** (len(part.deaths) - 1), policy.longest)
        part.not_before = now + delay
        self._echo(f"{service.title} {how}; starting it again in {delay:g} s.{end}")

    def _trim(self) -> None:
        for part in self._parts.values():
            logs.trim(part.service.log)


def _words(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
