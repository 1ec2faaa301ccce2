"""What a terminal shows while a run works, and that a pipe shows sentences alone."""

from __future__ import annotations

import io
import sys

import pytest

from mlops_assets import live_progress, training
from mlops_assets.cli.waiting_line import CLEAR, WaitingLine, progress_printer
from mlops_assets.lifecycle.stages.candidates import CandidateCounter


class Terminal(io.StringIO):
    """A terminal that remembers what was written."""

    def isatty(self) -> bool:
        return True


def test_the_line_says_how_long_a_step_takes_and_goes_before_the_next_sentence() -> None:
    terminal, seconds = Terminal(), [0.0]
    line = WaitingLine(terminal, lambda: seconds[0])
    line.sentence("training ridge on 100 rows")
    line.draw()
    assert CLEAR not in terminal.getvalue()  # a quick step has no line
    line.show("1 of 3 candidates done")
    seconds[0] = 12.4
    line.draw()
    assert terminal.getvalue().endswith(f"{CLEAR}    12 s  1 of 3 candidates done")
    line.sentence("ridge: rmse 1")
    assert terminal.getvalue().count(CLEAR) == 2
    line.draw()
    assert terminal.getvalue().rstrip().endswith("ridge: rmse 1\x1b[0m")


def test_a_long_text_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal, seconds = Terminal(), [0.0]
    line = WaitingLine(terminal, lambda: seconds[0])
    line.show("x" * 200)
    seconds[0] = 5.0
    line.draw()
    assert len(terminal.getvalue().removeprefix(CLEAR)) == 39


def test_a_pipe_gets_sentences_and_no_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = io.StringIO()
    monkeypatch.setattr(sys, "stdout", pipe)
    with progress_printer() as progress:
        live_progress.show("1 of 3 candidates done")
        progress("read 178 rows")
    assert pipe.getvalue() == "  . read 178 rows\n"


def test_a_terminal_hears_of_candidates_steps_and_time() -> None:
    texts: list[str] = []
    counter = CandidateCounter(2, lambda: 90.0)
    counter.end("ridge")  # nobody listens
    with live_progress.listening(texts.append):
        counter.step("lightgbm", training.Progress(140, {}))
        counter.end("lightgbm")
    counter.end("later")
    assert texts == [
        "lightgbm step 140, 1 of 2 candidates done, at most 2 min left",
        "2 of 2 candidates done, at most 2 min left",
    ]


def test_the_line_is_gone_when_a_run_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(RuntimeError, match="failed"), progress_printer():
        raise RuntimeError("failed")
    assert not live_progress._listeners
