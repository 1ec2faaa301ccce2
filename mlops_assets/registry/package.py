"""A bundle as an MLflow model: `mlflow.pyfunc.load_model` makes something that predicts, wherever we are installed.

Nothing is pickled and no requirement is inferred (which takes seconds): the versions are those in the manifest.
"""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from mlops_assets.registry.connection import quiet

CODE: Final = Path(__file__).with_name("bundle_model.py")


@contextmanager
def package(bundle: Path, loader: str) -> Iterator[Path]:
    """A temporary folder in MLflow's model format that holds a copy of the bundle."""
    quiet()
    from mlflow import pyfunc

    with tempfile.TemporaryDirectory(prefix="mlops-package-") as name:
        folder = Path(name) / "model"
        talker = logging.getLogger("mlflow.pyfunc")
        level = talker.level
        talker.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                # It advises type hints as a schema, which a model with named columns has no use for.
                warnings.simplefilter("ignore", UserWarning)
                pyfunc.save_model(
                    path=str(folder),
                    python_model=str(CODE),
                    artifacts={"bundle": bundle.absolute().as_uri()},
                    pip_requirements=requirements(bundle),
                    model_config={"loader": loader},
                )
        finally:
            talker.setLevel(level)
        yield folder


def requirements(bundle: Path) -> list[str]:
    """This project and the packages of the manifest, each with its version."""
    manifest = json.loads((bundle / "manifest.json").read_text())
    pinned = [f"{name}=={number}" for name, number in sorted(manifest["environment"]["packages"].items())]
    try:
        return [f"mlops-assets=={version('mlops-assets')}", *pinned]
    except PackageNotFoundError:  # running from a checkout that is not installed
        return pinned
