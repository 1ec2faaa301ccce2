"""A bundle as an MLflow model: `mlflow.pyfunc.load_model` makes something that predicts, wherever we are installed.

Nothing is pickled and no requirement is inferred (which takes seconds): the versions are those in the manifest.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from mlops_assets.registry.connection import quiet
from mlops_assets.registry.signature import input_example, signature

CODE: Final = Path(__file__).with_name("bundle_model.py")


@contextmanager
def package(bundle: Path, loader: str) -> Iterator[Path]:
    """Write a temporary folder in MLflow's model format that contains a copy of the bundle.

    Args:
        bundle: Folder of the bundle.
        loader: 'module:function' that opens a bundle.

    Yields:
        The folder; it is removed after the block.
    """
    quiet()
    from mlflow import pyfunc

    with tempfile.TemporaryDirectory(prefix="mlops-package-") as name:
        folder = Path(name) / "model"
        # the first regrets that no signature follows from type hints (the bundle has one), the second that there is
        # no pip in this environment to name a version of
        with only_errors("mlflow.pyfunc"), only_errors("mlflow.utils.environment"):
            _save(pyfunc, folder, bundle, loader)
        (folder / CODE.name).chmod(0o600)  # copied with its mode, which others may read
        yield folder


def _save(pyfunc: Any, folder: Path, bundle: Path, loader: str) -> None:
    pyfunc.save_model(
        path=str(folder),
        python_model=str(CODE),
        artifacts={"bundle": bundle.absolute().as_uri()},
        pip_requirements=requirements(bundle),
        model_config={"loader": loader},
        signature=signature(bundle),
        input_example=input_example(bundle),
    )


@contextmanager
def only_errors(name: str) -> Iterator[None]:
    """Silence a logger below ERROR within the block.

    Args:
        name: Name of the logger.

    Yields:
        Nothing.
    """
    talker = logging.getLogger(name)
    level = talker.level
    talker.setLevel(logging.ERROR)
    try:
        yield
    finally:
        talker.setLevel(level)


def requirements(bundle: Path) -> list[str]:
    """List this project and the packages of the manifest, each with its version.

    Args:
        bundle: Folder of the bundle.

    Returns:
        Lines `name==version`.
    """
    manifest = json.loads((bundle / "manifest.json").read_text())
    pinned = [f"{name}=={number}" for name, number in sorted(manifest["environment"]["packages"].items())]
    try:
        return [f"mlops-assets=={version('mlops-assets')}", *pinned]
    except PackageNotFoundError:  # running from a checkout that is not installed
        return pinned
