"""What MLflow runs to load a packaged bundle. MLflow copies this file next to the model and executes the copy.

The bundle is opened by a function named in the package's model_config ("module:function", path in, predictor out), so
that this package needs to know nothing about the packages above it.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class BundleModel(PythonModel):  # type: ignore[misc]  # mlflow is not typed for us
    """Predicts with a verified bundle. Input: a frame with the feature columns."""

    def load_context(self, context: PythonModelContext) -> None:
        """Open the bundle, which verifies itself against its manifest.

        Args:
            context: MLflow's context, with the artifact `bundle` and the configuration key `loader`
                ('module:function').
        """
        module, _, function = str(context.model_config["loader"]).partition(":")
        self.predictor: Any = getattr(import_module(module), function)(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:  # noqa: ARG002
        """Return the predictions.

        Args:
            context: MLflow's context; not used.
            model_input: Feature columns, n rows.
            params: Not used.

        Returns:
            Shape (n,).
        """
        return self.predictor.predict(pl.from_pandas(model_input))


set_model(BundleModel())
