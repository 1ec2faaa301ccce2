"""The command line's door: `mlops ...`. Commands parse words, call one function below, and print; they decide nothing.

Heavy libraries are imported by the command that needs them, so that `mlops --help` answers at once.
"""

from mlops_assets.cli.main import main

__all__ = ["main"]
