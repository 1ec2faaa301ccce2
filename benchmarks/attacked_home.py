"""A home that attacks are carried out on: one small model that promotes at every run, and checks of every rule.

Goes out: commands in that home, whole, or killed at a moment or after a line; the champion after each round. Which
attack follows which is for the modules that count them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.ledger import invariants
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.local.environment import environment
from mlops_assets.local.postgres import prepare, release
from mlops_assets.settings import Settings, Stores

MODEL = "attacked"
OWNER = "owner@example.com"
GATE = "{metric_at_most: {metric: rmse, limit: 1000}}"
MODEL_FILE = """
name: attacked
description: Progression of a disease, promoted whenever it is good enough; cheap, so that many runs can be killed
owners: [OWNER]
problem: regression
target: target
source: {kind: sample, name: diabetes}
split: {strategy: random, train: 60%, validation: 20%, test: 20%}
training: {algorithms: [{ridge: {}}], time_limit: 5m}
evaluation: {primary: rmse}
gates: [GATE]
"""
MAIN = "from mlops_assets.cli.main import main; main()"
FORKER = """
import json, os, select, signal, sys, time
import alembic, dagster, dagster_mlflow, dagster_postgres, deltalake, matplotlib.pyplot, mlflow, pandas, psycopg2
import skops.io, scipy.stats, sklearn.linear_model, sqlalchemy
import mlops_assets.cli.lifecycle_run, mlops_assets.cli.run, mlops_assets.defs.execution
import mlops_assets.lifecycle.stages.train, mlops_assets.reports.plots
from mlops_assets.cli.main import main
print("ready", flush=True)
for line in sys.stdin:
    task = json.loads(line)
    done_in, done_out = os.pipe()
    printed_in, printed_out = os.pipe()
    began, pid = time.monotonic(), os.fork()
    if pid == 0:
        os.dup2(printed_out, 1)
        os.dup2(printed_out, 2)
        sys.argv = ["mlops", *task["arguments"]]
        main()
    os.close(done_out)
    os.close(printed_out)
    delay, after = task["delay"], task["after"]
    end = None if delay is None or after else began + delay
    last, lines, rest = False, [], b""
    while not last:
        wait = None if end is None else max(0.0, end - time.monotonic())
        ready = select.select([done_in, printed_in], [], [], wait)[0]
        last = not ready or done_in in ready
        if printed_in in ready:
            *whole, rest = (rest + os.read(printed_in, 65536)).split(b"\\n")
            for each in whole:
                print(each.decode(), file=sys.stderr, flush=True)
                lines.append([time.monotonic() - began, each.decode()])
                if delay is not None and after and after in each.decode() and end is None:
                    end = time.monotonic() + delay
    os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(done_in)
    os.close(printed_in)
    print(json.dumps([code, time.monotonic() - began, lines]), flush=True)
"""
"""Runs `mlops` in forked children, so that a kill does not mostly meet imports; a child ends when its pipe closes."""


@dataclass(frozen=True, slots=True)
class Home:
    """A prepared home, its open stores, and the environment in which commands use them."""

    platform: Platform
    env: dict[str, str]
    variables: dict[str, str]
    """The environment of somebody who only set MLOPS_HOME and MLOPS_MODELS."""

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `mlops` with its own process group, its output in one pipe."""
        return subprocess.Popen(
            [sys.executable, "-c", MAIN, *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finished(self, *arguments: str) -> tuple[int, str]:
        """Run `mlops` to its end; exit code and output."""
        process = self.command(*arguments)
        output, _ = process.communicate()
        return process.returncode, output

    def check(self, round_: str) -> int | None:
        """Return the champion after a round; end the attack where a rule is broken or the champion does not load."""
        broken = invariants(self.platform.ledger)
        if broken:
            sys.exit(f"{round_}: " + "; ".join(broken))
        champion = self.platform.ledger.champion(MODEL)
        if champion is None:
            return None
        load_version(self.platform, MODEL, champion.version)  # every file's hash, and the sample replays
        return champion.version


@contextmanager
def attacked_home(folder: Path | None) -> Iterator[Home]:
    """Prepare a home with the model file, one champion, and open stores."""
    with ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ma", dir="/tmp")))
        (home / "models").mkdir(parents=True, exist_ok=True)
        text = MODEL_FILE.replace("OWNER", OWNER).replace("GATE", GATE)
        (home / "models" / f"{MODEL}.yaml").write_text(text)
        ours = {"MLOPS_HOME": str(home), "MLOPS_MODELS": str(home / "models")}
        plain = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
        variables = {**plain, **ours, "OMP_NUM_THREADS": "1"}
        settings = Settings.from_environment(variables)
        env = environment(settings, prepare(settings, print))
        stack.callback(release, settings)
        platform = Platform.open(Settings.from_environment(env), Stores.from_environment(env))
        stack.callback(platform.ledger.close)
        yield Home(platform, env, variables)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a command ended (-9 when killed), after how many seconds, and its lines with the second of each."""

    code: int
    seconds: float
    lines: list[tuple[float, str]]

    def second_of(self, text: str) -> float:
        """Return when the first line with this text came."""
        return next(second for second, line in self.lines if text in line)


@dataclass
class Forker:
    """A process that runs commands in children, and kills them after a delay."""

    process: subprocess.Popen[str]
    log: Path

    def run(self, *arguments: str, delay: float | None = None, after: str = "") -> Outcome:
        """Run a command, and kill it so many seconds after its start, or after it printed a text."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        task = {"arguments": arguments, "delay": delay, "after": after}
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return Outcome(*json.loads(self.process.stdout.readline()))


@contextmanager
def forker(home: Home) -> Iterator[Forker]:
    """Start the process; what commands print goes to a log in the home."""
    log = home.platform.settings.home / "attack.log"
    with log.open("a") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", FORKER],
            env=home.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
        assert process.stdout is not None
        while process.stdout.readline().strip() != "ready":
            pass
        try:
            yield Forker(process, log)
        finally:
            process.communicate()
