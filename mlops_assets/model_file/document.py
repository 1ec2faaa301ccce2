"""A YAML text read strictly into plain values, with the line of every key.

Plain scalars follow YAML 1.2 (`no`, `on` and dates stay text). Refused: anchors, aliases, tags, duplicate
keys, several documents, more than 256 KiB, nesting deeper than 20. The meaning of keys belongs to `model`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final, cast

import yaml

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 20

# libyaml's, ten times as fast as the one in Python, where PyYAML was built with it.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INT: Final = re.compile(r"[-+]?\d+")
_FLOAT: Final = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?")
_CONSTANTS: Final[dict[str, Any]] = {"": None, "~": None, "null": None, "true": True, "false": False}

Path = tuple[str | int, ...]


class DocumentError(Exception):
    """The text is not an accepted document; carries the line (1-based) and the reason."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Document:
    """Plain values and, for every path to a key or item, the line it is on."""

    value: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """Return the line of the path, or of the nearest parent that is in the text.

        Args:
            path: Keys and list indices from the top.

        Returns:
            Line number, from 1.
        """
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str) -> Document:
    """Read one document.

    Args:
        text: Content of the file, at most `MAX_BYTES`.

    Returns:
        Values and the line of each key.

    Raises:
        DocumentError: the text is not an accepted document.
    """
    if len(text.encode()) > MAX_BYTES:
        raise DocumentError(1, f"larger than {MAX_BYTES // 1024} KiB; a model file is a page, not a data set")
    try:
        _refuse_indirection(text)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise DocumentError(line, f"not valid YAML: {_problem(error, text, line)}") from None
    except yaml.YAMLError as error:
        raise DocumentError(1, f"not valid YAML: {str(error).splitlines()[0]}") from None
    if node is None:
        raise DocumentError(1, "the file is empty")
    lines: dict[Path, int] = {}
    return Document(_value(node, (), lines), lines)


def _problem(error: yaml.MarkedYAMLError, text: str, line: int) -> str:
    lines = text.splitlines()[line - 1 : line]
    if lines and "\t" in lines[0][: len(lines[0]) - len(lines[0].lstrip())]:
        return "the line begins with a tab; indent with spaces"
    return str(error.problem or error.context)


def _refuse_indirection(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        line = cast(yaml.Mark, event.start_mark).line + 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise DocumentError(line, "anchors and aliases are not used in model files; write the value out")
        if tag := getattr(event, "tag", None):
            raise DocumentError(line, f"the tag {tag!r} is not used in model files; remove it")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise DocumentError(line, f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _value(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*path, index), lines) for index, item in enumerate(node.value)]
    return _scalar(node)


def _mapping(node: yaml.MappingNode, path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise DocumentError(line, "a key must be plain text")
        key = str(key_node.value)
        if key in values:
            raise DocumentError(
                line, f"the key {key!r} is written twice (first on line {lines[(*path, key)]}); keep one"
            )
        lines[(*path, key)] = line
        values[key] = _value(value_node, (*path, key), lines)
    return values


def _scalar(node: yaml.Node) -> Any:
    text = str(node.value)
    if getattr(node, "style", None):  # quoted, or a block; plain is None or '', by loader
        return text
    if text.lower() in _CONSTANTS and text in (text.lower(), text.capitalize()):
        return _CONSTANTS[text.lower()]
    if _INT.fullmatch(text) and len(text) <= 20:
        return int(text)
    if _FLOAT.fullmatch(text):
        if not math.isfinite(number := float(text)):
            raise DocumentError(node.start_mark.line + 1, f"the number {text} is too large")
        return number
    return text
