"""The command line `mlops`.

Comes in: the words of a command and the environment. Goes out: text, or JSON with `--json`, and an exit code. A command
parses its arguments, calls one function of a lower package and prints the result; decisions do not belong here.

Heavy libraries are imported by the command that needs them, so that `mlops --help` is fast.
"""

from mlops_assets.cli.main import main

__all__ = ["main"]
