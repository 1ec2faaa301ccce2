"""A fitted algorithm as an ONNX file that any runtime can load, and the check that its predictions agree.

Comes in: a fitted algorithm and sample rows. Goes out: the file's bytes, equal for equal trainings. Its input
`columns`
is float32 (rows, columns), in the order of the bundle's signature: the preparation (scaling, categories, gaps)
is not
in it. Numbers come out as `prediction` (rows, 1) in the target's own units; classes as `label`, the place in
the list
of classes, and `probabilities` (rows, classes). The file's metadata names columns and classes.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import MissingExtraError, TrainingError
from mlops_assets.training.algorithms.base.algorithm import Algorithm
from mlops_assets.training.algorithms.base.errors import format_error

ONNX_FILE: Final = "model.onnx"
LIBRARIES: Final = ("onnx", "onnxruntime", "skl2onnx")
BOOSTED: Final = ("lightgbm", "xgboost")
"""Algorithms that onnxmltools converts."""
TOLERANCE: Final = 1e-4
"""Largest relative difference from our own predictions: ONNX computes with 32 bits, where we have 64."""
INPUT: Final = "columns"
OUTPUTS: Final = {"variable": "prediction", "predictions": "prediction"}
"""What converters call a number, and what it is called here."""


def require_onnx(algorithms: Iterable[str]) -> None:
    """Check that the libraries which write and run ONNX files of these algorithms are installed.

    Args:
        algorithms: Names of algorithms.

    Raises:
        MissingExtraError: When one is not.
    """
    others = ("onnxmltools",) if any(name in BOOSTED for name in algorithms) else ()
    if not all(find_spec(library) for library in LIBRARIES + others):
        raise MissingExtraError("'onnx: true'", "onnx")


def as_onnx(algorithm: Algorithm, sample: FeatureMatrix) -> bytes:
    """Return the ONNX file, after ONNX Runtime predicted the sample as the algorithm does.

    Args:
        algorithm: A fitted algorithm.
        sample: Rows to compare on.

    Returns:
        Content of the file.

    Raises:
        TrainingError: When it cannot be converted, or predicts something else.
        MissingExtraError: When the extra is not installed.
    """
    require_onnx([algorithm.name])
    fix = f"; leave {algorithm.name} (or this loss of it) out of 'algorithms', or set 'onnx: false'"
    try:
        body = _written(algorithm)
        predictions = run_onnx(body, sample)
    except Exception as error:
        message = f"{algorithm.name} cannot be written as ONNX: {format_error(error)}"
        raise TrainingError(message + fix) from error
    if problem := _difference(algorithm, sample, predictions):
        raise TrainingError(f"{algorithm.name}: the ONNX file {problem}{fix}")
    return body


def run_onnx(body: bytes, rows: FeatureMatrix) -> dict[str, NDArray[Any]]:
    """Run an ONNX file on one thread.

    Args:
        body: Content of the file.
        rows: Prepared features; they are cast to float32.

    Returns:
        Outputs by name.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # converters leave shapes open, which it would warn of
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(body, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    outputs = session.run(names, {INPUT: np.asarray(rows.values, dtype=np.float32)})
    return {name: np.asarray(prediction) for name, prediction in zip(names, outputs, strict=True)}


def _difference(algorithm: Algorithm, sample: FeatureMatrix, predictions: dict[str, NDArray[Any]]) -> str:
    if algorithm.classes:
        ours, theirs = algorithm.predict_proba(sample), predictions.get("probabilities")
        labels = np.asarray(predictions.get("label"))
        if labels.shape != (len(ours),) or (labels != ours.argmax(axis=1)).any():
            return "gives other labels"
    else:
        ours, theirs = algorithm.predict(sample).reshape(-1, 1), predictions.get("prediction")
    if theirs is None or theirs.shape != ours.shape:
        return f"gives no predictions of shape {ours.shape}"
    size = float(np.abs(ours).mean()) if ours.size else 0.0
    gap = np.abs(theirs - ours) / np.maximum(np.abs(ours), size or 1.0)
    worst = float(gap.max(initial=0.0))  # NaN stays NaN, which is not within anything
    return "" if worst <= TOLERANCE else f"predicts otherwise: the largest relative difference is {worst:.3g}"


def _written(algorithm: Algorithm) -> bytes:
    import onnx

    with warnings.catch_warnings():
        # What converters hand to the ONNX library, and ask scikit-learn, is a matter between those.
        warnings.filterwarnings("ignore", "Field onnx", DeprecationWarning)
        warnings.filterwarnings("ignore", "Attribute `prob[AB]_` was deprecated", FutureWarning)
        model = CONVERTERS[algorithm.packages[0]](algorithm)
    _rename(model.graph)
    if algorithm.target_transform == "log1p":
        _append_expm1(model.graph)
    properties = {"columns": json.dumps(algorithm.feature_names), "classes": json.dumps(algorithm.classes)}
    onnx.helper.set_model_props(model, properties)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _by_skl2onnx(algorithm: Algorithm) -> Any:
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    inputs = [(INPUT, FloatTensorType([None, len(algorithm.feature_names)]))]
    options = {"zipmap": False} if algorithm.classes else None
    return skl2onnx.convert_sklearn(
        algorithm.native, name=algorithm.name, initial_types=inputs, options=options
    )


def _by_onnxmltools(algorithm: Algorithm) -> Any:
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    inputs = [(INPUT, FloatTensorType([None, len(algorithm.feature_names)]))]
    if algorithm.name == "xgboost":
        return onnxmltools.convert_xgboost(algorithm.native, name=algorithm.name, initial_types=inputs)
    return onnxmltools.convert_lightgbm(
        algorithm.native, name=algorithm.name, initial_types=inputs, zipmap=False
    )


def _by_catboost(algorithm: Algorithm) -> Any:
    import onnx

    with tempfile.TemporaryDirectory(prefix="mlops-onnx-") as folder:
        path = Path(folder) / ONNX_FILE
        algorithm.native.save_model(str(path), format="onnx")
        model = onnx.load(str(path))
    for node in [node for node in model.graph.node if node.op_type == "ZipMap"]:
        # It makes a list of dictionaries; the tensor that goes in is what other converters give.
        model.graph.node.remove(node)
        [end] = [one for one in model.graph.output if one.name == node.output[0]]
        model.graph.output.remove(end)
        shape = [None, len(algorithm.classes)]
        tensor = onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, shape)
        model.graph.output.append(tensor)
        _rename(model.graph, {node.input[0]: "probabilities"})
    return model


CONVERTERS: Final[dict[str, Callable[[Algorithm], Any]]] = {
    "scikit-learn": _by_skl2onnx,
    "lightgbm": _by_onnxmltools,
    "xgboost": _by_onnxmltools,
    "catboost": _by_catboost,
}
"""By the library that a model depends on. `AlgorithmParameters.onnx` says which algorithms may ask."""


def _rename(graph: Any, names: dict[str, str] | None = None) -> None:
    """Call the input and the outputs what this module promises."""
    names = names or {**OUTPUTS, graph.input[0].name: INPUT}
    for node in graph.node:
        for ends in (node.input, node.output):
            ends[:] = [names.get(end, end) for end in ends]
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)


def _append_expm1(graph: Any) -> None:
    """Bring a prediction that was learned as log(1 + target) back into the target's units."""
    import onnx

    [prediction] = graph.output
    for node in graph.node:
        node.output[:] = ["logarithm" if end == prediction.name else end for end in node.output]
    graph.initializer.append(onnx.numpy_helper.from_array(np.ones(1, dtype=np.float32), "one"))
    graph.node.append(onnx.helper.make_node("Exp", ["logarithm"], ["grown"], name="Exp_of_answer"))
    graph.node.append(onnx.helper.make_node("Sub", ["grown", "one"], [prediction.name], name="minus_one"))
