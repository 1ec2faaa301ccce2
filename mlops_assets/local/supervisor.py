"""Keeps services alive: starts them in order, says when each is ready, restarts what dies, stops all of them.

Comes in: `Service` values and a place to write sentences to. Goes out: running processes, then none. What the services
are is not known here. One loop, one thread; only readiness probes run in threads of their own, because they may hang.

Why not a library: honcho restarts nothing, circus and supervisord bring a daemon, a network port or an event loop of
their own, and none of them asks whether a service is ready or says so in words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from mlops_assets.errors import ServiceError
from mlops_assets.local import logs, processes
from mlops_assets.local.supervised import Policy, Service, ServiceState, describe_exit

MEASURED = 5.0
"""Seconds over which the work of a service is measured."""
WORKING = 0.1
"""Share of one core, used or waited for, from which a service is taken to be working."""


class Supervisor:
    """Runs services until it is stopped."""

    def __init__(
        self, services: Sequence[Service], echo: Callable[[str], None], policy: Policy | None = None
    ) -> None:
        self._parts = {service.name: ServiceState(service) for service in services}
        self._echo = echo
        self._policy = policy or Policy()
        self._watch_problem = ""
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
                self._watch(watch)
                self.turn(time.monotonic())
                if not reported_ready and all(self._settled(part) for part in self._parts.values()):
                    reported_ready = True
                    all_ready()
                if time.monotonic() - trimmed > 30:
                    self._trim()
                    trimmed = time.monotonic()
                time.sleep(self._policy.tick)
        finally:
            self._echo("Stopping; press Ctrl-C again to stop at once")
            self.stop(hurry)
        return not any(part.given_up for part in self._parts.values())

    def turn(self, now: float) -> None:
        """Check every service once and do what is due; an error about one is reported and ends nothing.

        Args:
            now: Monotonic time in seconds.
        """
        for part in self._parts.values():
            if part.given_up:
                continue
            try:
                self._turn(part, now)
                part.problem = ""
            except Exception as error:  # noqa: BLE001 whatever it is, the other services must go on being watched
                self._report(part, f"{part.service.title} cannot be watched: {type(error).__name__}: {error}")

    def _turn(self, part: ServiceState, now: float) -> None:
        if part.process is None:
            if now >= part.not_before and all(self._parts[name].ready for name in part.service.needs):
                self._start(part, now)
        elif (code := part.process.poll()) is not None:
            self._died(part, now, describe_exit(code))
        elif not part.ready:
            self._ask(part, now)
        else:
            self._check(part, now)

    def _watch(self, watch: Callable[[], None]) -> None:
        try:
            watch()
            self._watch_problem = ""
        except ServiceError:
            raise  # nothing can go on
        except Exception as error:  # noqa: BLE001 the database is looked at again at the next turn
            sentence = f"The database cannot be watched: {type(error).__name__}: {error}"
            if sentence != self._watch_problem:
                self._watch_problem = sentence
                self._echo(sentence)

    def _report(self, part: ServiceState, sentence: str) -> None:
        """Say a sentence once, not at every turn."""
        if part.problem != sentence:
            part.problem = sentence
            self._echo(sentence)

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop every service, wave after wave.

        Args:
            hurry: Returns True when the grace period must end at once.
        """
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
        """Return the process id of a service; None when it does not run.

        Args:
            name: Name of the service.

        Returns:
            The id, or None.
        """
        process = self._parts[name].process
        return None if process is None else process.pid

    def _settled(self, part: ServiceState) -> bool:
        """Return whether a service is ready, given up, or waits for one that was given up."""
        needed = [self._parts[name] for name in part.service.needs]
        return part.ready or part.given_up or any(need.given_up for need in needed)

    def _start(self, part: ServiceState, now: float) -> None:
        part.began, part.began_at, part.question = now, time.time(), None
        part.log_from, part.work, part.progress_at = logs.size(part.service.log), 0.0, now
        part.next_check = now + self._policy.check
        service = part.service
        try:
            part.process = processes.spawn(
                service.command,
                {**service.environment, processes.SERVICE: service.name},
                service.log,
                service.pass_fds,
            )
        except OSError as error:
            self._died(part, now, str(error))

    def _ask(self, part: ServiceState, now: float) -> None:
        service = part.service
        if part.question is not None and part.question.done():
            is_ready = part.question.exception() is None and part.question.result()
            part.question = None
            if is_ready:
                part.ready, part.ready_at, part.worked_at = True, now, now
                part.next_check = now + self._policy.check
                where = f": {service.address}" if service.address else ""
                self._echo(f"{service.title} is ready{where}  ({now - part.began:.0f} s)")
                if remark := service.remark():
                    self._echo(f"  {remark}")
                return
        self._note_progress(part, now)
        if self._is_over(part, now, part.began, service.patience):
            self._died(part, now, f"was not ready after {now - part.began:.0f} s")
        elif part.question is None:
            part.question = self._questions.submit(service.ready, part.began_at)

    def _check(self, part: ServiceState, now: float) -> None:
        """Check that a service that was ready still does its work; start it again when it does not."""
        if part.question is not None:
            if not part.question.done():
                return
            error, part.next_check = part.question.exception(), now + self._policy.check
            works = False if error else part.question.result()
            part.question = None
            if works is not False:
                part.worked_at = part.progress_at = now
            elif self._is_over(part, now, part.worked_at, self._policy.idle):
                self._died(part, now, f"runs but has not done its work for {now - part.worked_at:.0f} s")
        elif now >= part.next_check:
            self._note_progress(part, now)
            part.question = self._questions.submit(part.service.works, time.time())

    def _note_progress(self, part: ServiceState, now: float) -> None:
        """Note that the service used the CPU or waited for it, in steps long enough to tell work from sleep."""
        if part.process is None or now - part.progress_at < MEASURED:
            return
        work = processes.work_seconds(part.process.pid)
        if work - part.work > WORKING * (now - part.progress_at):
            part.progress_at = now
        part.work = work

    def _is_over(self, part: ServiceState, now: float, since: float, patience: float) -> bool:
        """Return whether patience with a service has ended: sooner for one that neither uses nor wants the CPU."""
        waited = now - since
        return waited > patience * self._policy.busy or (
            waited > patience and now - part.progress_at > patience
        )

    def _died(self, part: ServiceState, now: float, how: str) -> None:
        service, policy = part.service, self._policy
        if part.process is not None:
            # its children may still hold its port
            processes.stop([part.process], policy.grace)
        if part.ready and now - part.ready_at > policy.window:
            part.failed_starts = 0
        slow = not part.ready and now - part.began > part.service.patience
        part.process, part.ready, part.question = None, False, None
        # a start that takes minutes to fail counts until one succeeds: the window is shorter than a few of them
        part.failed_starts += slow
        part.deaths = [at for at in part.deaths if now - at <= policy.window] + ([] if slow else [now])
        deaths = len(part.deaths) + part.failed_starts
        log_tail = logs.tail(service.log, since=part.log_from)
        end = f" The end of {service.log}:\n{log_tail}" if log_tail else ""
        if deaths >= policy.deaths:
            part.given_up = True
            self._echo(
                f"GIVEN UP: {service.title} {how}, {deaths} times in a row. "
                f"Stop with Ctrl-C, fix the cause, start again.{end}"
            )
            return
        delay = min(policy.first * 2 ** (deaths - 1), policy.longest)
        part.not_before = now + delay
        self._echo(f"{service.title} {how}; starting it again in {delay:g} s.{end}")

    def _trim(self) -> None:
        for part in self._parts.values():
            logs.trim(part.service.log)
