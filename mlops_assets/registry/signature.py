"""The signature and the input example of MLflow's copy, from what the bundle records; no model is loaded for it.

Columns are those of the feature table that the preparation reads. They carry MLflow's type Any: with `double` MLflow
refuses whole numbers, which the preparation takes, and text is the preparation's to judge.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

EXAMPLE_TIME = "2026-01-01T00:00:00Z"


def example_row(bundle: Path) -> dict[str, Any]:
    """Return one row that the model takes, by column.

    Args:
        bundle: The folder of a bundle.

    Returns:
        For each column the value that stands in for missing ones, or the first known category.
    """
    preparation = json.loads((bundle / "preparation.json").read_text())
    row = dict(_columns(preparation))
    if row:
        return row
    manifest = json.loads((bundle / "manifest.json").read_text())
    return {column["name"]: 0.0 for column in manifest["signature"]["inputs"]}


def _columns(preparation: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for number in preparation.get("numbers", ()):
        yield number["name"], 0.0 if number.get("fill") is None else float(number["fill"])
    for category in preparation.get("categories", ()):
        yield category["name"], next(iter(category["values"]), "")
    for group in preparation.get("groups", ()):
        yield group["by"], next(iter(group["values"]), "")
    for column in preparation.get("past", ()):
        yield column, 0.0
    if preparation.get("timestamp"):
        yield preparation["timestamp"], EXAMPLE_TIME


def signature(bundle: Path) -> Any:
    """Return the mlflow.models.ModelSignature of a bundle: its columns, and a number or a label for each row.

    Args:
        bundle: The folder of a bundle.

    Returns:
        The signature.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    output = json.loads((bundle / "manifest.json").read_text())["signature"]["output"]["type"]
    return ModelSignature(
        inputs=Schema([ColSpec(AnyType(), name) for name in example_row(bundle)]),
        outputs=Schema([ColSpec("string" if output == "label" else "double")]),
    )


def input_example(bundle: Path) -> Any:
    """Return `example_row` as a pandas frame of one row, with instants as instants.

    Args:
        bundle: The folder of a bundle.

    Returns:
        A pandas data frame.
    """
    import pandas as pd

    frame = pd.DataFrame([example_row(bundle)])
    times = [name for name in frame.columns if frame[name].iloc[0] == EXAMPLE_TIME]
    return frame.assign(**{name: pd.to_datetime(frame[name], utc=True) for name in times})
