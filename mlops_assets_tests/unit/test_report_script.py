"""The script behind the comment of a pull request, in a scratch repository with a fake `mlops`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "report"
FAKE = """#!/usr/bin/env bash
echo "$* models=$(basename "$(dirname "${MLOPS_MODELS:-here/models}")")" >>"$CALLS"
case "$1 $*" in
    plan*--json*) cat "$PLAN" ;;
    plan*) echo "::error file=models/c.yaml,line=2::problem"; echo "the plan"; exit "$BROKEN" ;;
    run*) [ "$2" != "$FAILING" ] ;;
    report*) echo "gates of $2"; head -c "$LENGTH" /dev/zero | tr '\\0' x; echo ;;
esac
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with the script and one commit."""
    root = tmp_path / "repository"
    (root / ".ci").mkdir(parents=True)
    shutil.copy(SCRIPT, root / ".ci" / "report")
    (root / "mlops").write_text(FAKE)
    (root / "mlops").chmod(0o755)
    own = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "."], [*own, "commit", "-q", "-m", "one"]):
        subprocess.run(["git", *arguments], cwd=root, check=True)
    return root


def run(
    root: Path, *, broken: int = 0, failing: str = "none", length: int = 10
) -> tuple[int, str, list[str], str]:
    """Return exit code, comment, the calls of `mlops` that run models, and what was printed."""
    states = {"a": "changed", "b": "added", "c": "broken", "d": "removed"}
    plan = root / "plan.json"
    plan.write_text(json.dumps([{"model": model, "state": state} for model, state in states.items()]))
    calls = root / "calls"
    calls.unlink(missing_ok=True)
    own = {
        "MLOPS": str(root / "mlops"),
        "CALLS": str(calls),
        "PLAN": str(plan),
        "BROKEN": str(broken),
        "FAILING": failing,
        "LENGTH": str(length),
    }
    done = subprocess.run(
        [str(root / ".ci" / "report"), "HEAD", "comment.md"],
        cwd=root,
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    ran = [line for line in calls.read_text().splitlines() if line.startswith("run")]
    return done.returncode, (root / "comment.md").read_text(), ran, done.stdout


def test_the_base_runs_before_the_change_so_that_gates_have_a_champion(repository: Path) -> None:
    code, comment, ran, _ = run(repository)
    assert code == 0
    assert ran == ["run a models=base", "run a models=here", "run b models=here"]
    assert comment.startswith("the plan")
    assert comment.index("gates of a") < comment.index("gates of b")
    assert not list(repository.glob("*-rest.md"))
    listed = subprocess.run(
        ["git", "worktree", "list"], cwd=repository, capture_output=True, text=True, check=True
    )
    assert len(listed.stdout.splitlines()) == 1


def test_a_broken_file_fails_the_check_after_the_comment_is_written(repository: Path) -> None:
    code, comment, ran, printed = run(repository, broken=1)
    assert code == 1
    assert "::error file=models/c.yaml,line=2::problem" in printed
    assert "gates of a" in comment
    assert "run c models=here" not in ran


def test_a_run_that_fails_is_a_sentence_of_the_comment(repository: Path) -> None:
    code, comment, _, _ = run(repository, failing="a")
    assert code == 0
    assert "The run of `a` as it is at the base failed" in comment
    assert "### `a`: the run failed" in comment
    assert "gates of b" in comment


def test_a_section_is_whole_or_in_the_artifact(repository: Path) -> None:
    _, comment, _, _ = run(repository, length=35_000)
    assert "gates of a" in comment
    assert "The report of `b` is too long for a comment" in comment
    assert (repository / "comment-rest.md").read_text().strip().startswith("gates of b")
