"""`POST /labels/{model}`: the truth about predictions, by their ids, as soon as it is known."""

from __future__ import annotations

import math
from typing import Any, Final

from mlops_assets.errors import DataError
from mlops_assets.ledger import PostedLabel
from mlops_assets.serving.payload import MAX_ROWS, parse

LONGEST: Final = 1000
"""Characters of an id or of a class."""
SHAPE: Final = 'send {"labels": [{"id": "...", "row": 1, "value": 12.5}]}'


def decode_labels(body: bytes) -> list[PostedLabel]:
    """Return the labels of a body.

    Args:
        body: The request's body.

    Returns:
        The labels; a value is text as class labels are written: `true`, `1.5`, `high`.

    Raises:
        DataError: The body is not such a document; the message names the label.
    """
    document = parse(body)
    if not isinstance(document, dict) or list(document) != ["labels"]:
        raise DataError(SHAPE)
    labels = document["labels"]
    if not isinstance(labels, list) or not 0 < len(labels) <= MAX_ROWS:
        raise DataError(f"'labels' must be a list of 1 to {MAX_ROWS:,} labels; {SHAPE}")
    decoded = [_label(number, label) for number, label in enumerate(labels, start=1)]
    keys = {(label.prediction_id, label.row) for label in decoded}
    if len(keys) < len(decoded):
        raise DataError("two labels are about the same row of a prediction")
    return decoded


def _label(number: int, label: Any) -> PostedLabel:
    where = f"label {number}"
    if not isinstance(label, dict) or not {"id", "value"} <= set(label) <= {"id", "row", "value"}:
        raise DataError(
            f"{where}: a label has 'id', 'value' and, for requests of several rows, 'row'; {SHAPE}"
        )
    prediction_id, row, value = label["id"], label.get("row", 1), label["value"]
    if not isinstance(prediction_id, str) or not 0 < len(prediction_id) <= LONGEST:
        raise DataError(f"{where}: 'id' is the id in the response of the prediction")
    if type(row) is not int or not 1 <= row <= MAX_ROWS:
        raise DataError(f"{where}: 'row' is a whole number from 1")
    return PostedLabel(prediction_id, row, _as_text(where, value))


def _as_text(where: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and abs(value) < 1e300 and math.isfinite(value):
        return repr(value)
    if isinstance(value, str) and 0 < len(value) <= LONGEST:
        return value.encode("utf-8", errors="replace").decode()
    raise DataError(
        f"{where}: 'value' is a finite number, true, false or text of at most {LONGEST} characters"
    )
