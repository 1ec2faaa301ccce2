"""The command line called in this process, as a person calls it: words in, what was printed and the exit code out."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Printed:
    """What a person saw."""

    code: int
    out: str
    err: str

    @property
    def all(self) -> str:
        """Both streams."""
        return self.out + self.err


def mlops(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Printed:
    """`mlops ARGUMENTS`. An exception that is not an exit is the test's to fail on: a person would see a traceback."""
    from mlops_assets.cli import main

    monkeypatch.setattr(sys, "argv", ["mlops", *arguments])
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
    return Printed(code, out.getvalue(), err.getvalue())
