"""Which columns of a frame are features, and which pass through: keys, target, and what later packages group by.

Comes in: the model file and the names of a frame's columns. Goes out: names. Values are for `build` to compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlops_assets.errors import DataError
from mlops_assets.features.kinds import FEATURE_KINDS
from mlops_assets.features.kinds.kind import Role
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import number_columns
from mlops_assets.model_file.suggestion import did_you_mean


def computed_names(spec: ModelSpec, role: Role = "feature") -> tuple[str, ...]:
    """Return the names of the columns that the kinds of features with this role compute, in order.

    Args:
        spec: The model file.
        role: `feature`, `grid` (used by sequence algorithms only) or `fitted` (learned by the preparation).

    Returns:
        Names in the order of `FEATURE_KINDS`.
    """
    return tuple(name for kind in FEATURE_KINDS.values() if kind.role == role for name in kind.names(spec))


def clock_names(spec: ModelSpec) -> tuple[str, ...]:
    """Return the computed columns that follow from the timestamp alone: their movement is no drift.

    Args:
        spec: The model file.

    Returns:
        Names of features.
    """
    return tuple(name for kind in FEATURE_KINDS.values() if kind.from_clock for name in kind.names(spec))


def source_names(spec: ModelSpec) -> tuple[str, ...]:
    """Return the columns of the readings that inputs and features read, each once.

    Args:
        spec: The model file.

    Returns:
        Names of columns of the readings.
    """
    names = [*(spec.features.inputs or ())]
    for kind in FEATURE_KINDS.values():
        names += kind.sources(spec)
    return tuple(dict.fromkeys(names))


def feature_names(spec: ModelSpec, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the feature columns among a frame's columns, before or after `build`: inputs first, then computed ones.

    The order does not depend on the order of `columns`. Without `features.inputs` every column is an input that is
    not the target, a key, excluded, sensitive, or the split's group.

    Args:
        spec: The model file.
        columns: Names of the columns of a table.

    Returns:
        Inputs, then computed features that are in `columns`.
    """
    computed = computed_names(spec)
    present = set(columns)
    return (*inputs(spec, columns), *(name for name in computed if name in present))


def inputs(spec: ModelSpec, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that become features as they are.

    Args:
        spec: The model file.
        columns: Names of the columns of a table.

    Returns:
        Names in the order of the model file, else alphabetical.
    """
    if spec.features.inputs is not None:
        return spec.features.inputs
    others = {spec.target, spec.timestamp, spec.entity, spec.split.group}
    others |= {*spec.features.exclude, *spec.evaluation.sensitive}
    others |= {*computed_names(spec), *computed_names(spec, "grid")}
    return tuple(sorted(name for name in columns if name not in others))


def passthrough(spec: ModelSpec, columns: Sequence[str]) -> tuple[str, ...]:
    """Return the columns that pass through without being features.

    These are keys, target, slices, sensitive columns, the split's group, and what group statistics are learned from.

    Args:
        spec: The model file.
        columns: Names of the columns of a table.

    Returns:
        Names, each once, that are in `columns`.
    """
    names = [spec.timestamp, spec.entity, spec.target, *spec.evaluation.slices, *spec.evaluation.sensitive]
    names += [spec.split.group, *(group.by for group in spec.features.grouped)]
    features = set(inputs(spec, columns))
    names += [name for group in spec.features.grouped for name in group.columns if name not in features]
    present = set(columns)
    return tuple(dict.fromkeys(name for name in names if name is not None and name in present))


def arithmetic(spec: ModelSpec) -> frozenset[str]:
    """Return the columns that features compute with, which must be numbers.

    Args:
        spec: The model file.

    Returns:
        Names of columns of the readings.
    """
    return frozenset(column for _, column in number_columns(spec.features))


def require(spec: ModelSpec, columns: Iterable[str], *, target: bool) -> None:
    """Check that a frame has the columns that the model file names.

    Args:
        spec: The model file.
        columns: The frame's columns.
        target: Whether the target must be there too.

    Raises:
        DataError: Columns are missing; the message names each.
    """
    present = set(columns) | (set() if target else {spec.target})
    names = [spec.timestamp, spec.entity, *source_names(spec), *([spec.target] if target else [])]
    missing = [name for name in dict.fromkeys(names) if name is not None and name not in present]
    if missing:
        listed = "; ".join(f"column {name!r} is missing{did_you_mean(name, present)}" for name in missing)
        raise DataError(f"{spec.name}: features cannot be built: {listed}")
