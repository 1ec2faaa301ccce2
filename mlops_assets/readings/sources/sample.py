"""Sample data sets that come with scikit-learn: no time, no entity, small; for first steps and tests."""

from __future__ import annotations

from typing import Final

import polars as pl

from mlops_assets.model_file.source import SampleSource
from mlops_assets.readings.request import Fetched, Request

_LOADERS: Final = {"wine": "load_wine", "breast_cancer": "load_breast_cancer", "diabetes": "load_diabetes"}


def read_sample(source: SampleSource, _request: Request) -> Fetched:
    """Read a sample data set, with its feature names (spaces and slashes become underscores) and a column `target`.

    Targets of a classification are the class names, not numbers.

    Args:
        source: Name of the data set.

    Returns:
        The readings with their origin.
    """
    from sklearn import datasets

    bunch = getattr(datasets, _LOADERS[source.name])()
    names = [str(name).replace(" ", "_").replace("/", "_per_") for name in bunch.feature_names]
    frame = pl.DataFrame({name: bunch.data[:, index] for index, name in enumerate(names)})
    classes = getattr(bunch, "target_names", None)
    target = (
        pl.Series([str(classes[label]) for label in bunch.target])
        if classes is not None
        else pl.Series(bunch.target)
    )
    return Fetched(frame.with_columns(target.alias("target")), f"sample {source.name} (scikit-learn)")
