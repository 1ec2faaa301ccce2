"""A grid of variants of a model file, written as `gates.beats_champion.by=0%|5%; schedules.retrain=weekly|never`.

Comes in: the text and the model file. Goes out: one whole model file per point, named by the values that it has. A gate
is named by its kind; schedules also take daily, weekly, monthly and never.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path as FilePath
from typing import Any, Final

from mlops_assets.errors import SpecError
from mlops_assets.model_file.document import Document, DocumentError, parse
from mlops_assets.model_file.key_changes import read_changes
from mlops_assets.model_file.loader import dotted, findings
from mlops_assets.model_file.model import ModelSpec
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.model_file.variants import SECTIONS

MOST_POINTS: Final = 100
CRONS: Final[Mapping[str, str | None]] = {
    "daily": "0 2 * * *",
    "weekly": "0 2 * * 0",
    "monthly": "0 2 1 * *",
    "never": None,
}


def grid(text: str, model_file: FilePath) -> dict[str, ModelSpec]:
    """Return every point of a grid.

    Args:
        text: `key=value|value; key=value|value`.
        model_file: The model file that the points differ from.

    Returns:
        One whole model file per point, by its values.

    Raises:
        SpecError: A key or value is refused; the sentence names it.
    """
    axes = [_axis(part) for part in text.split(";") if part.strip()]
    if not axes:
        raise SpecError("--search: write keys and values, such as 'schedules.retrain=weekly|never'")
    count = 1
    for _, values in axes:
        count *= len(values)
    if count > MOST_POINTS:
        raise SpecError(f"--search: {count} points are more than {MOST_POINTS}; leave values out")
    base = read_changes(parse(model_file.read_text(encoding="utf-8-sig"))).document.value
    return dict(_points(axes, base))


def _points(axes: list[tuple[tuple[str, ...], list[str]]], base: Any) -> Iterator[tuple[str, ModelSpec]]:
    for values in product(*(values for _, values in axes)):
        body, names = base, []
        for (path, _), value in zip(axes, values, strict=True):
            body = _replaced(body, path, _value(path, value), path)
            names.append(f"{path[-1]}={value}")
        spec, problems = findings(Document(body, {}))
        if spec is None or problems:
            key, sentence = problems[0]
            raise SpecError(f"--search: {' '.join(names)}: {dotted(key)}: {sentence}")
        yield " ".join(names), spec


def _axis(part: str) -> tuple[tuple[str, ...], list[str]]:
    key, equals, values = part.partition("=")
    path = tuple(key.strip().split("."))
    if not equals or not values.strip() or not all(path):
        raise SpecError(f"--search: {part.strip()!r} is not key=value|value")
    if path[0] not in SECTIONS:
        raise SpecError(
            f"--search: {path[0]!r} cannot be searched{did_you_mean(path[0], SECTIONS)}; "
            f"sections are {', '.join(SECTIONS)}"
        )
    chosen = [value.strip() for value in values.split("|")]
    if len(set(chosen)) < len(chosen):
        raise SpecError(f"--search: {part.strip()!r} names a value twice")
    return path, chosen


def _value(path: tuple[str, ...], text: str) -> Any:
    if path[0] == "schedules" and text in CRONS:
        return CRONS[text]
    try:
        return parse(f"value: {text}").value["value"]
    except DocumentError as error:
        raise SpecError(f"--search: {text!r}: {error.reason}") from None


def _replaced(body: Any, path: tuple[str, ...], value: Any, whole: tuple[str, ...]) -> Any:
    if not path:
        return value
    if isinstance(body, list):
        return _in_gates(body, path, value, whole)
    known = body if isinstance(body, dict) else {}
    return {**known, path[0]: _replaced(known.get(path[0]), path[1:], value, whole)}


def _in_gates(gates: list[Any], path: tuple[str, ...], value: Any, whole: tuple[str, ...]) -> list[Any]:
    """Return the list with one parameter of one entry replaced: an entry is its name, or {name: parameters}."""
    names = [entry if isinstance(entry, str) else next(iter(entry), "") for entry in gates]
    if names.count(path[0]) != 1 or len(path) < 2:
        several = "stands there several times" if names.count(path[0]) > 1 else "is not there"
        raise SpecError(f"--search: {'.'.join(whole)}: {path[0]!r} {several}{did_you_mean(path[0], names)}")
    index = names.index(path[0])
    entry = gates[index]
    parameters = entry[path[0]] if isinstance(entry, dict) else {}
    changed = {path[0]: _replaced(parameters, path[1:], value, whole)}
    return [*gates[:index], changed, *gates[index + 1 :]]
