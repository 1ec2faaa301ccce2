"""Attacks on a platform, counted: kills of `mlops run` at random moments, and clocks that jump.

    python -m benchmarks.attacks kills --times 150 [--home FOLDER]
    python -m benchmarks.attacks clock --times 10

Each attack has a home of its own with one small model that promotes at every run. After every round the ledger's rules
are checked across all tables, and the champion is loaded from its files and replays its sample. The first violation
ends the attack with exit code 1; the counts of what happened are printed at the end.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_assets.ledger import invariants
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.local.environment import environment
from mlops_assets.local.postgres import prepare
from mlops_assets.settings import Settings, Stores

MODEL = "wine_attacked"
OWNER = "owner@example.com"
MODEL_FILE = """
name: wine_attacked
description: Grower of a wine, promoted whenever it is good enough
owners: [OWNER]
problem: classification
target: target
source: {kind: sample, name: wine}
split: {strategy: stratified, train: 60%, validation: 20%, test: 20%}
training: {algorithms: [{logistic: {}}], time_limit: 5m}
evaluation: {primary: f1, also: [accuracy]}
gates: [GATES]
"""
MAIN = "from mlops_assets.cli.main import main; main()"
FORKER = """
import os, select, signal, sys, time
import dagster, mlflow, sklearn.linear_model
import mlops_assets.cli.lifecycle_run, mlops_assets.defs.execution, mlops_assets.lifecycle.stages.train
from mlops_assets.cli.main import main
print("ready", flush=True)
for line in sys.stdin:
    delay, *arguments = line.split()
    done_in, done_out = os.pipe()
    began, pid = time.monotonic(), os.fork()
    if pid == 0:
        os.dup2(2, 1)
        sys.argv = ["mlops", *arguments]
        main()
    os.close(done_out)
    select.select([done_in], [], [], None if delay == "none" else float(delay))
    os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(done_in)
    print(os.waitstatus_to_exitcode(status), time.monotonic() - began, flush=True)
"""
"""Runs `mlops` in forked children, so that a kill does not mostly meet imports; a child ends when its pipe closes."""


@dataclass(frozen=True, slots=True)
class Home:
    """A prepared home, its open stores, and the environment in which commands use them."""

    platform: Platform
    env: dict[str, str]

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
def attacked_home(folder: Path | None, gates: str) -> Iterator[Home]:
    """Prepare a home with the model file, one champion, and open stores."""
    with ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ma", dir="/tmp")))
        (home / "models").mkdir(parents=True, exist_ok=True)
        text = MODEL_FILE.replace("OWNER", OWNER).replace("GATES", gates)
        (home / "models" / f"{MODEL}.yaml").write_text(text)
        ours = {"MLOPS_HOME": str(home), "MLOPS_MODELS": str(home / "models")}
        plain = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
        settings = Settings.from_environment({**plain, **ours})
        env = environment(settings, prepare(settings, print))
        env["OMP_NUM_THREADS"] = "1"
        platform = Platform.open(Settings.from_environment(env), Stores.from_environment(env))
        stack.callback(platform.ledger.close)
        yield Home(platform, env)


@dataclass
class Forker:
    """A process that runs commands in children, and kills them after a delay."""

    process: subprocess.Popen[str]
    log: Path

    def run(self, delay: float | None, *arguments: str) -> tuple[int, float]:
        """Exit code (-9 when killed) and seconds."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{'none' if delay is None else delay} {' '.join(arguments)}\n")
        self.process.stdin.flush()
        code, seconds = self.process.stdout.readline().split()
        return int(code), float(seconds)


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


def kills(times: int, folder: Path | None) -> Counter[str]:
    """Kill `mlops run` with SIGKILL at a random moment; every tenth round lets one finish."""
    counts: Counter[str] = Counter()
    chance = random.Random()
    with (
        attacked_home(folder, "{metric_at_least: {metric: accuracy, limit: 0.5}}") as home,
        forker(home) as victim,
    ):
        command = ("run", MODEL, "--force")
        takes = min(victim.run(None, *command)[1] for _ in range(2))  # the first pays for imports
        history = len(home.platform.ledger.history(MODEL, None))
        for round_ in range(1, times + 1):
            delay = chance.uniform(0, takes)
            code, _ = victim.run(delay, *command)
            if code > 0:
                sys.exit(f"round {round_}: the run ended with {code}; see {victim.log}")
            counts["killed" if code else "ended before the kill"] += 1
            champion = home.check(f"round {round_}, killed after {delay:.2f} of {takes:.2f} s")
            now = len(home.platform.ledger.history(MODEL, None))
            if champion is None or now < history:
                sys.exit(f"round {round_}: lost history or champion")
            counts["decided before the kill"] += now > history
            history = now
            if round_ % 10 == 0:
                code, seconds = victim.run(None, *command)
                if code:
                    sys.exit(f"the run after round {round_} ended with {code}; see {victim.log}")
                counts["whole runs between"] += 1
                history = len(home.platform.ledger.history(MODEL, None))
                takes = (takes + seconds) / 2  # the machine's load changes
                print(f"{round_} rounds: {dict(counts)}, a run takes {seconds:.1f} s", flush=True)
        code, output = home.finished("status")
        if code or "Traceback" in output:
            sys.exit(output)
        versions = home.platform.ledger.versions(MODEL)
        counts["challengers left open"] = sum(one.status == "challenger" for one in versions)
        leftovers = [path for path in home.platform.settings.model_root.rglob(".*") if path.is_dir()]
        counts["temporary folders left"] = len(leftovers)
    return counts


def clock(times: int, folder: Path | None) -> Counter[str]:
    """Run with the clock a random time ahead or behind, up to 60 days, as libfaketime shows it to `mlops run`."""
    counts: Counter[str] = Counter()
    chance = random.Random()
    library = next(Path("/usr/lib").rglob("libfaketimeMT.so.1"), None)
    if library is None:
        sys.exit("libfaketime is not installed (Debian package faketime)")
    with attacked_home(folder, "{metric_at_least: {metric: accuracy, limit: 0.5}}") as home:
        for round_ in range(1, times + 1):
            shift = chance.choice((-1, 1)) * chance.randint(60, 60 * 86_400)
            fake = {
                "LD_PRELOAD": str(library),
                "FAKETIME": f"{shift:+d}s",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            code, output = replace(home, env={**home.env, **fake}).finished("run", MODEL, "--force")
            counts["ahead" if shift > 0 else "behind"] += 1
            if code or "Traceback" in output:
                sys.exit(f"round {round_}, clock off by {shift:+,} s, ended with {code}:\n{output}")
            if home.check(f"round {round_}, clock off by {shift:+,} s") is None:
                sys.exit(f"round {round_}: no champion is left")
            print(f"{round_}: clock off by {shift:+,} s", flush=True)
        code, output = home.finished("run", MODEL, "--force")
        if code or "Traceback" in output:
            sys.exit(f"the run with the true clock ended with {code}:\n{output}")
        home.check("the run with the true clock")
    return counts


ATTACKS: dict[str, Callable[[int, Path | None], Counter[str]]] = {"kills": kills, "clock": clock}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attack", choices=sorted(ATTACKS))
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--home", type=Path, help="kept afterwards; default a temporary one")
    chosen = parser.parse_args()
    counts = ATTACKS[chosen.attack](chosen.times, chosen.home)
    print(f"{chosen.times} {chosen.attack}, no rule broken: {dict(counts)}")


if __name__ == "__main__":
    main()
