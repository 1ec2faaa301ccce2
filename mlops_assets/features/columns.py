"""Which columns of a frame are features, and which only travel along: keys, target, and what later rooms group by.

Comes in: the model file and the names of a frame's columns. Goes out: names. Values are for `build` to compute.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mlops_assets.errors import DataError
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import computed_columns, past_columns, source_columns
from mlops_assets.model_file.suggestion import did_you_mean


def computed(spec: ModelSpec) -> tuple[str, ...]:
    """Columns that `build` adds, in order."""
    return computed_columns(spec.features, spec.target, spec.timestamp)


def feature_names(spec: ModelSpec, columns: Sequence[str]) -> tuple[str, ...]:
    """The feature columns among a frame's columns, before or after `build`: inputs first, then computed ones.

    The order does not depend on the order of `columns`. Without `features.inputs` every column is an input that is
    not the target, a key, excluded, sensitive, or the split's group.
    """
    made = computed(spec)
    present = set(columns)
    return (*inputs(spec, columns), *(name for name in made if name in present))


def inputs(spec: ModelSpec, columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that become features as they are."""
    if spec.features.inputs is not None:
        return spec.features.inputs
    apart = {spec.target, spec.timestamp, spec.entity, spec.split.group}
    apart |= {*spec.features.exclude, *spec.evaluation.sensitive, *computed(spec)}
    apart |= {*past_columns(spec.features, spec.target)}
    return tuple(sorted(name for name in columns if name not in apart))


def passengers(spec: ModelSpec, columns: Sequence[str]) -> tuple[str, ...]:
    """Columns that travel along without being features: keys, target, slices, sensitive columns, the split's group."""
    wanted = (spec.timestamp, spec.entity, spec.target, *spec.evaluation.slices, *spec.evaluation.sensitive)
    wanted = (*wanted, spec.split.group, *(group.by for group in spec.features.grouped))
    return tuple(dict.fromkeys(name for name in wanted if name is not None and name in columns))


def arithmetic(spec: ModelSpec) -> frozenset[str]:
    """Columns that features compute with, which must be numbers."""
    features = spec.features
    names = [name for pair in (*features.ratios, *features.interactions) for name in pair]
    for section in (features.differences, features.rolling, features.history, *features.grouped):
        names += section.columns if section is not None else ()
    return frozenset(names)


def require(spec: ModelSpec, columns: Iterable[str], *, target: bool) -> None:
    """Raises DataError naming every column the model file wants and the frame lacks; the target only when asked."""
    have = set(columns) | (set() if target else {spec.target})
    wanted = [spec.timestamp, spec.entity, *source_columns(spec.features), *([spec.target] if target else [])]
    missing = [name for name in dict.fromkeys(wanted) if name is not None and name not in have]
    if missing:
        listed = "; ".join(f"column {name!r} is missing{did_you_mean(name, have)}" for name in missing)
        raise DataError(f"{spec.name}: features cannot be built: {listed}")
