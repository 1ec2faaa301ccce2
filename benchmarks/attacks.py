"""Attacks on a platform, counted: kills of `mlops run` at random moments, and clocks that jump.

    python -m benchmarks.attacks kills --times 150 [--home FOLDER]
    python -m benchmarks.attacks clock --times 10

Each attack has a home of its own with one small model that promotes at every run. After every round the ledger's rules
are checked across all tables, and the champion is loaded from its files and replays its sample. The first violation
ends the attack with exit code 1; the counts of what happened are printed at the end.
"""

from __future__ import annotations

import argparse
import json
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
from mlops_assets.local.postgres import prepare, release
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
import json, os, select, signal, sys, time
import dagster, mlflow, sklearn.linear_model
import mlops_assets.cli.lifecycle_run, mlops_assets.defs.execution, mlops_assets.lifecycle.stages.train
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
        stack.callback(release, settings)
        env["OMP_NUM_THREADS"] = "1"
        platform = Platform.open(Settings.from_environment(env), Stores.from_environment(env))
        stack.callback(platform.ledger.close)
        yield Home(platform, env)


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


JUDGED, PROMOTED = "the gates say promote", " predicted "
"""Lines of a run between which the champion moves."""


def kills(times: int, folder: Path | None) -> Counter[str]:
    """Kill `mlops run` with SIGKILL: in turn at any moment, in its last third, and while the champion moves."""
    counts: Counter[str] = Counter()
    chance = random.Random()
    with (
        attacked_home(folder, "{metric_at_least: {metric: accuracy, limit: 0.5}}") as home,
        forker(home) as victim,
    ):
        command = ("run", MODEL, "--force")
        victim.run(*command)  # pays for imports
        whole = victim.run(*command)
        history = len(home.platform.ledger.history(MODEL, None))
        for round_ in range(1, times + 1):
            takes, moves = whole.seconds, whole.second_of(PROMOTED) - whole.second_of(JUDGED)
            when = ("any moment", "last third", "promotion")[round_ % 3]
            if when == "promotion":
                delay = chance.uniform(0, moves)
                outcome = victim.run(*command, delay=delay, after=JUDGED)
            else:
                delay = chance.uniform(takes * 2 / 3 if when == "last third" else 0, takes)
                outcome = victim.run(*command, delay=delay)
            if outcome.code > 0:
                sys.exit(f"round {round_}: the run ended with {outcome.code}; see {victim.log}")
            counts[f"{when}: {'killed' if outcome.code else 'ended before the kill'}"] += 1
            champion = home.check(f"round {round_}, {when}, killed after {delay:.2f} s; a run takes {takes:.2f} s")
            now = len(home.platform.ledger.history(MODEL, None))
            if champion is None or now < history:
                sys.exit(f"round {round_}: lost history or champion")
            if any("promoted: " in line for _, line in outcome.lines) and now == history:
                sys.exit(f"round {round_}: a promotion that was printed is lost")
            counts[f"{when}: champion moved before the kill"] += now > history
            history = now
            if round_ % 10 == 0:
                whole = victim.run(*command)  # the machine's load changes
                if whole.code:
                    sys.exit(f"the run after round {round_} ended with {whole.code}; see {victim.log}")
                counts["whole runs between"] += 1
                history = len(home.platform.ledger.history(MODEL, None))
                print(f"{round_} rounds: {dict(counts)}, a run takes {whole.seconds:.1f} s", flush=True)
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
