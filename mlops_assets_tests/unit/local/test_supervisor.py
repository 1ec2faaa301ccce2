"""The supervisor with services that are tiny scripts: real processes, no real servers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlops_assets.errors import ServiceError
from mlops_assets.local import processes
from mlops_assets.local import supervisor as supervisor_module
from mlops_assets.local.supervised import Policy, Service
from mlops_assets.local.supervisor import Supervisor
from mlops_assets_tests import waiting

QUICK = Policy(first=0.05, longest=0.2, deaths=3, window=60, grace=0.5, tick=0.01)

WORKS = """
    import pathlib, time
    pathlib.Path(READY).write_text("yes")
    time.sleep(60)
"""
FAILS = """
    print("the port is taken", flush=True)
    raise SystemExit(7)
"""
STUBBORN = """
    import pathlib, signal, subprocess, sys, time
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    inner = deaf + "; print('deaf', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", inner], stdout=subprocess.PIPE)
    child.stdout.readline()
    pathlib.Path(READY).write_text(str(child.pid))
    time.sleep(60)
"""
TELLS_ITS_END = """
    import pathlib, signal, sys, time
    path = pathlib.Path(READY)
    def end(*_):
        time.sleep(0.1)
        with open(path.with_name("ends"), "a") as file: file.write(path.name + " ")
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    path.write_text("yes")
    time.sleep(60)
"""
LEAVES_ITS_SESSION = """
    import pathlib, subprocess, sys, time
    inner = "import time; print('away', flush=True); time.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", inner], stdout=subprocess.PIPE, start_new_session=True)
    child.stdout.readline()
    pathlib.Path(READY).write_text(str(child.pid))
    if DIES: raise SystemExit(1)
    time.sleep(60)
"""


class Stage:
    """A home folder, a supervisor's sentences, and services made of scripts."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.messages: list[str] = []

    def service(self, name: str, script: str, **more: object) -> Service:
        """A service that is ready when its script has written the file of its name."""
        file = self.home / name
        text = f"READY = {str(file)!r}\nDIES = False\n" + textwrap.dedent(script)
        service = Service(
            name=name,
            title=name.title(),
            command=(sys.executable, "-S", "-c", text),
            environment={**os.environ, processes.MARKER: str(self.home)},
            log=self.home / f"{name}.log",
            ready=lambda _: file.exists() and file.read_text() != "",
        )
        return replace(service, **more)  # type: ignore[arg-type]  # the fields are the caller's to name

    def supervise(self, *services: Service, policy: Policy = QUICK) -> Supervisor:
        """A supervisor over the services; whatever it leaves is ended after the test."""
        return Supervisor(services, self.messages.append, policy)

    def until(self, supervisor: Supervisor, condition: Callable[[], bool], patience: float = 15) -> None:
        """Turn until the condition holds."""
        end = time.monotonic() + waiting.patience(patience)
        while not condition():
            assert time.monotonic() < end, self.messages
            supervisor.turn(time.monotonic())
            time.sleep(0.01)

    def heard(self, text: str) -> Callable[[], bool]:
        """A condition: a sentence with these words was said."""
        return lambda: any(text in line for line in self.messages)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    processes.sweep(tmp_path, grace=0.1)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_it_says_when_a_service_is_ready_and_where(stage: Stage) -> None:
    supervisor = stage.supervise(
        stage.service("web", WORKS, address="http://here:1", remark=lambda: "but slow")
    )
    stage.until(supervisor, stage.heard("Web is ready: http://here:1"))
    assert stage.messages[-1] == "  but slow"
    supervisor.stop()
    assert processes.marked(stage.home) == []


def test_what_needs_another_waits_for_it(stage: Stage) -> None:
    gate = stage.home / "open"
    first = stage.service("first", WORKS, ready=lambda _: gate.exists())
    supervisor = stage.supervise(stage.service("second", WORKS, needs=("first",)), first)
    for _ in range(20):
        supervisor.turn(time.monotonic())
    assert supervisor.pid("first") is not None
    assert supervisor.pid("second") is None
    gate.touch()
    stage.until(supervisor, stage.heard("Second is ready"))
    supervisor.stop()


def test_a_killed_service_comes_back(stage: Stage) -> None:
    supervisor = stage.supervise(stage.service("web", WORKS))
    stage.until(supervisor, stage.heard("Web is ready"))
    first = supervisor.pid("web")
    assert first is not None
    os.kill(first, signal.SIGKILL)
    stage.until(supervisor, stage.heard("Web was killed by signal 9; starting it again in 0.05 s"))
    stage.until(supervisor, lambda: sum("Web is ready" in line for line in stage.messages) == 2)
    assert supervisor.pid("web") not in (None, first)
    supervisor.stop()


def test_it_waits_twice_as_long_each_time_then_gives_up_and_shows_the_log(stage: Stage) -> None:
    supervisor = stage.supervise(stage.service("web", FAILS), policy=replace(QUICK, deaths=4, longest=0.15))
    stage.until(supervisor, stage.heard("GIVEN UP"))
    waits = [line.split("again in ")[1].split(" s")[0] for line in stage.messages if "again in" in line]
    assert waits == ["0.05", "0.1", "0.15"]
    last = stage.messages[-1]
    assert "Web ended with exit code 7, 4 times in a row" in last
    assert last.endswith("    the port is taken")
    assert last.count("the port is taken") == 1  # of this life, not of the three before
    supervisor.turn(time.monotonic() + 1000)
    assert supervisor.pid("web") is None


def test_deaths_long_ago_are_forgotten(stage: Stage) -> None:
    supervisor = stage.supervise(stage.service("web", WORKS))
    now = 0.0
    for _ in range(2 * QUICK.deaths):
        supervisor.turn(now)
        pid = supervisor.pid("web")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        supervisor.turn(now)
        now += QUICK.window + 1
    assert not stage.heard("GIVEN UP")()
    assert all("in 0.05 s" in line for line in stage.messages)
    supervisor.stop()


def test_a_service_that_never_becomes_ready_is_started_again(stage: Stage) -> None:
    def hangs(_: float) -> bool:
        raise OSError("refused")

    supervisor = stage.supervise(stage.service("web", WORKS, ready=hangs, patience=0.1))
    stage.until(supervisor, stage.heard("Web was not ready after 0 s; starting it again"))
    stage.until(supervisor, stage.heard("GIVEN UP"))
    assert processes.marked(stage.home) == []


def test_a_command_that_does_not_exist_is_a_death_like_another(stage: Stage) -> None:
    supervisor = stage.supervise(stage.service("web", WORKS, command=("/does/not/exist",)))
    stage.until(supervisor, stage.heard("GIVEN UP: Web [Errno 2] No such file or directory"))


def test_stubborn_processes_and_their_children_are_ended(stage: Stage) -> None:
    supervisor = stage.supervise(stage.service("web", STUBBORN))
    stage.until(supervisor, stage.heard("Web is ready"))
    child = int((stage.home / "web").read_text())
    assert alive(child)
    began = time.monotonic()
    supervisor.stop()
    assert time.monotonic() - began >= QUICK.grace
    assert not alive(child)
    assert processes.marked(stage.home) == []


def test_somebody_in_a_hurry_does_not_wait_for_stubborn_processes(stage: Stage) -> None:
    supervisor = stage.supervise(stage.service("web", STUBBORN), policy=replace(QUICK, grace=60))
    stage.until(supervisor, stage.heard("Web is ready"))
    began = time.monotonic()
    supervisor.stop(hurry=lambda: True)
    assert time.monotonic() - began < waiting.patience(15)
    assert processes.marked(stage.home) == []


def test_a_grandchild_in_a_session_of_its_own_is_ended_too(stage: Stage) -> None:
    supervisor = stage.supervise(stage.service("web", LEAVES_ITS_SESSION))
    stage.until(supervisor, stage.heard("Web is ready"))
    grandchild = int((stage.home / "web").read_text())
    supervisor.stop()
    assert not alive(grandchild)


def test_what_a_dead_service_left_is_found_by_its_mark(stage: Stage) -> None:
    script = LEAVES_ITS_SESSION.replace("if DIES", "if True")
    supervisor = stage.supervise(stage.service("web", script), policy=replace(QUICK, deaths=1))
    stage.until(supervisor, stage.heard("GIVEN UP"))
    grandchild = int((stage.home / "web").read_text())
    assert alive(grandchild)
    assert [process.pid for process in processes.marked(stage.home)] == [grandchild]
    assert processes.marked(stage.home / "another") == []
    assert processes.sweep(stage.home, grace=5) == 1
    assert not alive(grandchild)
    assert processes.sweep(stage.home, grace=5) == 0


def test_run_stops_lower_waves_first_and_reports_what_was_given_up(stage: Stage) -> None:
    ready: list[bool] = []
    services = [
        stage.service("store", TELLS_ITS_END, wave=1),
        stage.service("user", TELLS_ITS_END, wave=0),
        stage.service("broken", FAILS),
        stage.service("waits", WORKS, needs=("broken",)),
    ]
    supervisor = stage.supervise(*services, policy=replace(QUICK, grace=20))
    well = supervisor.run(lambda: bool(ready), all_ready=lambda: ready.append(True))
    assert not well
    assert ready == [True]
    assert stage.heard("Store is ready")()
    assert stage.heard("GIVEN UP: Broken")()
    assert (stage.home / "ends").read_text() == "user store "
    assert processes.marked(stage.home) == []


def test_an_unexpected_error_of_the_watch_is_named_once_and_ends_nothing(stage: Stage) -> None:
    turns: list[int] = []

    def fails() -> None:
        turns.append(1)
        raise RuntimeError("unexpected")

    supervisor = stage.supervise(stage.service("web", WORKS))
    assert supervisor.run(lambda: stage.heard("Web is ready")() and len(turns) > 5, watch=fails)
    assert sum("cannot be watched: RuntimeError: unexpected" in line for line in stage.messages) == 1
    assert processes.marked(stage.home) == []


def test_run_stops_everything_when_nothing_can_go_on(stage: Stage) -> None:
    def fails() -> None:
        if stage.heard("Web is ready")():
            raise ServiceError("the home was removed")

    with pytest.raises(ServiceError, match="the home was removed"):
        stage.supervise(stage.service("web", WORKS)).run(lambda: False, watch=fails)
    assert processes.marked(stage.home) == []


WORKING = replace(QUICK, check=0.02, idle=0.2, busy=100.0)


def test_what_runs_but_does_no_work_is_started_again(stage: Stage) -> None:
    """A process that is alive proves nothing: the service is asked for work, again and again."""
    works = [True]
    supervisor = stage.supervise(stage.service("web", WORKS, works=lambda _: works[0]), policy=WORKING)
    stage.until(supervisor, stage.heard("Web is ready"))
    first = supervisor.pid("web")
    assert first is not None
    works[0] = False
    stage.until(supervisor, stage.heard("runs but has not done its work"))
    works[0] = True
    stage.until(supervisor, lambda: supervisor.pid("web") not in (None, first))
    assert not alive(first)
    supervisor.stop()


def test_a_stopped_process_is_started_again(stage: Stage) -> None:
    pids: list[int] = []
    web = stage.service("web", WORKS, works=lambda _: all(is_running(pid) for pid in pids[-1:]))
    supervisor = stage.supervise(web, policy=WORKING)
    stage.until(supervisor, stage.heard("Web is ready"))
    first = supervisor.pid("web")
    assert first is not None
    pids.append(first)
    os.kill(first, signal.SIGSTOP)
    stage.until(supervisor, lambda: supervisor.pid("web") not in (None, first))
    assert not alive(first)
    supervisor.stop()


def is_running(pid: int) -> bool:
    return psutil.Process(pid).status() != psutil.STATUS_STOPPED


def test_a_probe_that_cannot_say_restarts_nothing(stage: Stage) -> None:
    requested: list[float] = []

    def works(now: float) -> bool | None:
        requested.append(now)
        return None

    supervisor = stage.supervise(stage.service("web", WORKS, works=works), policy=WORKING)
    stage.until(supervisor, stage.heard("Web is ready"))
    first = supervisor.pid("web")
    stage.until(supervisor, lambda: len(requested) > 12)
    assert supervisor.pid("web") == first
    supervisor.stop()


BUSY = """
    import time
    while True: sum(range(1000))
"""


def test_patience_follows_the_cpu_of_a_service(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that works towards being ready is waited for; one that sleeps is not."""
    monkeypatch.setattr(supervisor_module, "MEASURED", 0.05)
    monkeypatch.setattr(supervisor_module, "WORKING", 0.001)
    policy = replace(QUICK, busy=1e6)
    never: dict[str, object] = {"ready": lambda _: False, "patience": 0.6}
    supervisor = stage.supervise(
        stage.service("busy", BUSY, **never), stage.service("asleep", WORKS, **never), policy=policy
    )
    stage.until(supervisor, stage.heard("GIVEN UP: Asleep was not ready"), patience=30)
    assert not stage.heard("Busy was not ready")()
    supervisor.stop()


def test_a_process_that_waits_for_the_cpu_is_working() -> None:
    """On one core beside others of higher priority it gets next to no CPU, and wants all of it."""
    core = {min(os.sched_getaffinity(0))}
    with ExitStack() as stack:

        def spin(nice: int) -> int:
            command = [
                sys.executable,
                "-c",
                f"import os; os.sched_setaffinity(0, {core}); os.nice({nice})\n{textwrap.dedent(BUSY)}",
            ]
            process = stack.enter_context(subprocess.Popen(command))
            stack.callback(process.kill)
            return process.pid

        starved, *_ = spin(19), spin(0), spin(0)
        waiting.wait_until(lambda: processes.work_seconds(starved) > 2 * used(starved) + 1.0, 60)


def used(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def test_deaths_are_counted_in_a_row_however_slowly_they_come(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that needs minutes to fail is given up too."""
    supervisor = stage.supervise(
        stage.service("slow", WORKS, ready=lambda _: False, patience=0.05), policy=replace(QUICK, window=0.01)
    )
    stage.until(supervisor, stage.heard("GIVEN UP: Slow was not ready"))
    supervisor.stop()


def test_an_error_about_one_service_ends_nothing(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    supervisor = stage.supervise(stage.service("bad", WORKS), stage.service("good", WORKS))
    spawn = processes.spawn

    def failing(command: Sequence[str], *more: Any) -> Any:
        if "'bad'" in command[-1] or "/bad" in command[-1]:
            raise MemoryError
        return spawn(command, *more)

    monkeypatch.setattr(processes, "spawn", failing)
    stage.until(supervisor, stage.heard("Good is ready"))
    assert sum("Bad cannot be watched: MemoryError" in line for line in stage.messages) == 1
    supervisor.stop()
