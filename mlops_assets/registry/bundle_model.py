"""What MLflow runs to load a packaged bundle. MLflow copies this file beside the model and executes the copy.

The bundle is opened by a function named in the package's model_config ("module:function", path in, predictor out), so
that this room needs to know nothing about the rooms above it.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any

import polars as pl
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

with warnings.catch_warnings():
    warnings.simplefilter(
        "ignore"
    )  # advice to use type hints as a schema, which named columns have no use for

    class BundleModel(PythonModel):  # type: ignore[misc]  # mlflow is not typed for us
        """Predicts with a verified bundle. Input: a frame with the feature columns."""

        def load_context(self, context: PythonModelContext) -> None:
            """Open the bundle; it checks itself."""
            module, _, function = str(context.model_config["loader"]).partition(":")
            self.predictor: Any = getattr(import_module(module), function)(Path(context.artifacts["bundle"]))

        # Without type hints on purpose: MLflow takes them for a schema.
        def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]  # noqa: ARG002
            """One prediction per row."""
            frame = model_input if isinstance(model_input, pl.DataFrame) else pl.from_pandas(model_input)
            return self.predictor.predict(frame)


set_model(BundleModel())
