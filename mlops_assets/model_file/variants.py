"""Variants of a model file: a YAML file that names policies, each a few keys that differ from the model file.

Comes in: the policies file and the model file. Goes out: one whole `ModelSpec` per policy, or every problem with file,
line and key. A mapping is merged key by key, everything else replaces what stood there; null takes a value away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

from mlops_assets.errors import SpecError
from mlops_assets.model_file.document import Document, DocumentError, Path, parse
from mlops_assets.model_file.key_changes import read_changes
from mlops_assets.model_file.loader import Problem, dotted, findings, format_problems, shown
from mlops_assets.model_file.model import ModelSpec
from mlops_assets.model_file.suggestion import did_you_mean

SECTIONS: Final = (
    "features",
    "gates",
    "monitoring",
    "retraining",
    "schedules",
    "split",
    "training",
    "validation",
)
"""What a policy may change. The others say what is predicted from which readings, and how the error is measured."""
RESERVED: Final = ("costs",)
COSTS: Final = ("training", "cpu_hour", "error_day", "currency")


@dataclass(frozen=True, slots=True)
class Costs:
    """What a policy costs in money.

    Attributes:
        training: Cost of one training.
        cpu_hour: Cost of an hour of processor time of training.
        error_day: Cost of one unit of the primary metric's error during one day.
        currency: Its name.
    """

    training: float = 0.0
    cpu_hour: float = 0.0
    error_day: float = 0.0
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Variants:
    """What a policies file says: model files by name of the policy, and costs where the file names them."""

    specs: Mapping[str, ModelSpec]
    costs: Costs | None


def read_variants(file: FilePath, model_file: FilePath) -> Variants:
    """Read a policies file.

    Args:
        file: The policies file.
        model_file: The model file that the policies differ from.

    Returns:
        One whole model file per policy.

    Raises:
        SpecError: A file is refused; the message lists every problem.
    """
    name = shown(file)
    try:
        document = parse(file.read_text(encoding="utf-8-sig"))
    except DocumentError as error:
        raise SpecError(format_problems([Problem(name, error.line, "", error.reason)])) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(format_problems([Problem(name, 1, "", f"cannot be read: {error}")])) from None
    base = parse(model_file.read_text(encoding="utf-8-sig"))
    refused, specs, costs = _examine(document, read_changes(base).document.value)
    problems = [Problem(name, document.line(path), dotted(path), message) for path, message in refused]
    if problems:
        raise SpecError(format_problems(problems))
    return Variants(specs, costs)


def merged(base: Any, changes: Any) -> Any:
    """Return values with changes: mappings key by key, everything else replaced.

    Args:
        base: Values as read from YAML.
        changes: Those to put in their place.

    Returns:
        New values.
    """
    if not (isinstance(base, dict) and isinstance(changes, Mapping)):
        return changes
    return {**base, **{key: merged(base.get(key), value) for key, value in changes.items()}}


def _examine(
    document: Document, base: Any
) -> tuple[list[tuple[Path, str]], dict[str, ModelSpec], Costs | None]:
    if not isinstance(document.value, dict):
        return (
            [((), "a policies file is a mapping from names of policies to keys of the model file")],
            {},
            None,
        )
    problems: list[tuple[Path, str]] = []
    specs: dict[str, ModelSpec] = {}
    costs = None
    for name, changes in document.value.items():
        if name == "costs":
            costs, refused = _costs(changes)
        else:
            spec, refused = _policy(name, changes, base, document)
            if spec is not None:
                specs[name] = spec
        problems += [((name, *path), message) for path, message in refused]
    if not problems and not specs:
        problems.append(((), "the file names no policy"))
    return problems, specs, costs


def _policy(
    name: str, changes: Any, base: Any, document: Document
) -> tuple[ModelSpec | None, list[tuple[Path, str]]]:
    if not name.isidentifier() or not name.islower():
        return None, [((), "a policy's name has lower-case letters, digits and underscores")]
    if changes is None:
        changes = {}
    if not isinstance(changes, dict):
        return None, [((), "a policy is a mapping of keys of the model file; write {} for none")]
    unknown = [key for key in changes if key not in SECTIONS]
    if unknown:
        return None, [
            (
                (key,),
                f"a policy cannot change this{did_you_mean(key, SECTIONS)}; it may change {', '.join(SECTIONS)}",
            )
            for key in unknown
        ]
    lines = {path[1:]: line for path, line in document.lines.items() if path[:1] == (name,)}
    own = read_changes(Document(changes, lines))
    spec, refused = findings(Document(merged(base, own.document.value), own.document.lines))
    return (None if refused else spec), [*own.problems, *refused]


def _costs(value: Any) -> tuple[Costs | None, list[tuple[Path, str]]]:
    if not isinstance(value, dict):
        return None, [((), f"costs is a mapping of {', '.join(COSTS)}")]
    refused: list[tuple[Path, str]] = []
    for key, amount in value.items():
        if key not in COSTS:
            refused.append(((key,), f"unknown key{did_you_mean(key, COSTS)}"))
        elif key == "currency":
            if not isinstance(amount, str):
                refused.append(((key,), "write the name of the currency, such as EUR"))
        elif isinstance(amount, bool) or not isinstance(amount, int | float) or amount < 0:
            refused.append(((key,), f"{amount!r} is not an amount of money; write a number of 0 or more"))
    return (None if refused else Costs(**value)), refused
