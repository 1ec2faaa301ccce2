"""Predictions of tree ensembles for a few rows, by LightGBM's C interface for single rows.

`Booster.predict` spends some 40 microseconds before it looks at a row, scikit-learn's forests some milliseconds. The C
interface for single rows takes about two. A forest of scikit-learn becomes a model text of LightGBM that makes the same
decisions: features rounded to 32 bits as scikit-learn compares them, thresholds in 64 bits, the mean of the leaves.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RowFunction = Callable[[Floats], Floats]
"""Takes a matrix (rows, features), returns raw predictions: (rows,) numbers or (rows, classes) probabilities."""

FEW_ROWS: Final = 16
"""More rows at once go through `Booster.predict`, which then costs less per row."""
MOST_NODES: Final = 2_000_000
"""A larger forest is not rewritten: its text would take seconds to read and hundreds of MB."""
_NORMAL, _FLOAT64 = 0, 1
_NAN_LEFT, _NAN_RIGHT = 10, 8
"""LightGBM's decision types: a missing value is NaN and goes to the left, or to the right."""


class SingleRows:
    """LightGBM's predictor for single rows over one booster, which it keeps alive. Safe to share between threads.

    Args:
        booster: A `lightgbm.Booster`.
        columns: How many features a row has.
        float32: Whether features are rounded to 32 bits first.
    """

    _config: ctypes.c_void_p | None = None

    def __init__(self, booster: Any, columns: int, *, float32: bool = False) -> None:
        import lightgbm

        self._float32, self._buffers = float32, _Buffers(columns)

        internals: Any = lightgbm.basic
        self._library: Any = internals._LIB
        self._booster, self._columns = booster, columns
        self._outputs = booster.num_model_per_iteration()
        config = ctypes.c_void_p()
        status = self._library.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster._handle,
            ctypes.c_int(_NORMAL),
            ctypes.c_int(0),
            ctypes.c_int(-1),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(columns),
            ctypes.c_char_p(b"num_threads=1"),
            ctypes.byref(config),
        )
        if status:
            raise RuntimeError("LightGBM cannot predict single rows of this model")
        self._config = config
        self._run = self._library.LGBM_BoosterPredictForMatSingleRowFast

    def __del__(self) -> None:
        if self._config is not None:
            self._library.LGBM_FastConfigFree(self._config)

    def __call__(self, values: Floats) -> Floats:
        """Return raw predictions (rows,), or (rows, outputs) for several classes."""
        rows = len(values)
        if self._float32:
            values = values.astype(np.float32).astype(np.float64)
        if rows > FEW_ROWS:
            return np.asarray(self._booster.predict(values, num_threads=1), dtype=np.float64)
        matrix = np.ascontiguousarray(values, dtype=np.float64)
        if matrix.ndim != 2 or matrix.shape[1] != self._columns:  # the library would read beyond the matrix
            raise ValueError(f"a matrix of shape {matrix.shape} does not have {self._columns} columns")
        predictions = np.empty((rows, self._outputs))
        length = ctypes.c_int64()
        # `ndarray.ctypes` builds an object that costs more than the prediction of a small tree
        source, target = matrix.__array_interface__["data"][0], predictions.__array_interface__["data"][0]
        for row in range(rows):
            status = self._run(
                self._config,
                ctypes.c_void_p(source + 8 * self._columns * row),
                ctypes.byref(length),
                ctypes.c_void_p(target + 8 * self._outputs * row),
            )
            if status or length.value != self._outputs:
                raise RuntimeError("LightGBM did not predict a row")
        return predictions[:, 0] if self._outputs == 1 else predictions

    def one(self, values: Sequence[float]) -> float:
        """Return the raw prediction of one row by a model with one output, without an array.

        Args:
            values: Its features.

        Returns:
            The same number as a call with a matrix of this row.

        Raises:
            ValueError: Another number of features, or a model with several outputs.
            RuntimeError: LightGBM fails.
        """
        buffers, numbers = self._buffers, list(values)
        if len(values) != self._columns or self._outputs != 1:
            raise ValueError(f"{len(values)} values, expected {self._columns} of a model with one output")
        if self._float32:
            buffers.rounded[:] = numbers  # type: ignore[assignment]  # typeshed knows lists of c_float only
            numbers = buffers.rounded[:]
        buffers.row[:] = numbers  # type: ignore[assignment]  # as above
        status = self._run(self._config, buffers.row, buffers.length_address, buffers.output)
        if status or buffers.length.value != 1:
            raise RuntimeError("LightGBM did not predict a row")
        return float(buffers.output[0])


class _Buffers(threading.local):
    """The memory of one call, for each thread its own: to make it costs as much as the prediction of a small tree."""

    def __init__(self, columns: int) -> None:
        self.row, self.rounded = (ctypes.c_double * columns)(), (ctypes.c_float * columns)()
        self.output, self.length = (ctypes.c_double * 1)(), ctypes.c_int64()
        self.length_address = ctypes.byref(self.length)


def forest_rows(forest: Any, classes: int) -> RowFunction | None:
    """Return a function that predicts as a fitted scikit-learn forest does, or None for one that is too large.

    Args:
        forest: A fitted RandomForestRegressor or RandomForestClassifier.
        classes: How many classes it has; 0 for numbers.

    Returns:
        Function from shape (rows, features) to raw predictions, or None.
    """
    outputs, columns = max(classes, 1), int(forest.n_features_in_)
    if outputs * sum(tree.tree_.node_count for tree in forest.estimators_) > MOST_NODES:
        return None
    import lightgbm

    text = "\n".join(_model_text(forest, outputs, columns))
    return SingleRows(lightgbm.Booster(model_str=text), columns, float32=True)


def _model_text(forest: Any, outputs: int, columns: int) -> Iterator[str]:
    yield "tree"
    yield "version=v4"
    yield f"num_class={outputs}"
    yield f"num_tree_per_iteration={outputs}"
    yield "label_index=0"
    yield f"max_feature_idx={columns - 1}"
    yield "average_output"
    yield "feature_names=" + " ".join(f"c{column}" for column in range(columns))
    yield "feature_infos=" + " ".join(["[-1e308:1e308]"] * columns)
    yield ""
    number = 0
    for estimator in forest.estimators_:
        for output in range(outputs):
            yield f"Tree={number}"
            yield from _tree_text(estimator.tree_, output if outputs > 1 else 0)
            number += 1
    yield "end of trees"
    yield ""


def _tree_text(tree: Any, output: int) -> Iterator[str]:
    left, right = tree.children_left, tree.children_right
    leaf = left < 0
    # inner nodes and leaves are numbered separately; a child that is a leaf is the complement of its number
    number = np.where(leaf, ~(np.cumsum(leaf) - 1), np.cumsum(~leaf) - 1)
    inner = ~leaf
    goes_left = np.asarray(tree.missing_go_to_left, dtype=bool)[inner]
    value = tree.value[:, 0, output]
    fields: dict[str, Any] = {
        "split_feature": tree.feature[inner],
        "split_gain": np.zeros(int(inner.sum()), dtype=np.int64),
        "threshold": tree.threshold[inner],
        "decision_type": np.where(goes_left, _NAN_LEFT, _NAN_RIGHT),
        "left_child": number[left[inner]],
        "right_child": number[right[inner]],
        "leaf_value": value[leaf],
    }
    yield f"num_leaves={int(leaf.sum())}"
    yield "num_cat=0"
    for name, values in fields.items():
        if values.size:
            yield f"{name}=" + " ".join(map(repr, values.tolist()))
    yield "is_linear=0"
    yield "shrinkage=1"
    yield ""
