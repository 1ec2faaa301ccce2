"""Attacks on a platform, counted: kills of `mlops run` at random moments, kills of services, and clocks that jump.

    python -m benchmarks.attacks kills --times 150 [--home FOLDER]
    python -m benchmarks.attacks services --times 2
    python -m benchmarks.attacks clock --times 10

Each attack has a home of its own with one small model that promotes at every run. After every round the ledger's rules
are checked across all tables, and the champion is loaded from its files and replays its sample. The first violation
ends the attack with exit code 1; the counts of what happened are printed at the end.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks.attacked_home import MODEL, attacked_home, forker
from benchmarks.service_kills import service_kills

JUDGED, PROMOTED = "the gates say promote", " predicted "
"""Lines of a run between which the champion moves."""


def kills(times: int, folder: Path | None) -> Counter[str]:
    """Kill `mlops run` with SIGKILL: in turn at any moment, in its last third, and while the champion moves."""
    counts: Counter[str] = Counter()
    chance = random.Random()
    with (
        attacked_home(folder) as home,
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
            champion = home.check(
                f"round {round_}, {when}, killed after {delay:.2f} s; a run takes {takes:.2f} s"
            )
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
    with attacked_home(folder) as home:
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


ATTACKS: dict[str, Callable[[int, Path | None], Counter[str]]] = {
    "kills": kills,
    "services": service_kills,
    "clock": clock,
}


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
