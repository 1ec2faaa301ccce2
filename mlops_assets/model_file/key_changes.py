"""Keys that changed between releases: old names are read for one release, later ones are refused as not available yet.

Comes in: the plain values of a model file. Goes out: the same values under today's names, a warning for each old name,
a problem for each key or value that no code acts on yet. In a path, `*` stands for any index or key.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from mlops_assets.model_file.document import Document, Path

RENAMED_KEYS: Final[dict[tuple[str, ...], str]] = {}
"""Path of the old key -> the name of the new key in the same section."""
RENAMED_VALUES: Final[dict[tuple[str, ...], dict[str, str]]] = {}
"""Path of a key -> its old values, each with the new one."""
NOT_AVAILABLE: Final[dict[tuple[str, ...], tuple[tuple[str, ...], str]]] = {}
"""Path of a key -> the values that are refused (none listed: every value), and what to write in their place."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A document under today's names, with the warnings and the problems as (path, sentence)."""

    document: Document
    warnings: tuple[tuple[Path, str], ...]
    problems: tuple[tuple[Path, str], ...]


def read_changes(document: Document) -> Reading:
    """Replace old keys by new ones, and list keys that are not available yet.

    Args:
        document: The document as written.

    Returns:
        The document with new keys, warnings and problems.
    """
    warnings: list[tuple[Path, str]] = []
    problems = list(_not_available(document.value))
    refused = {path for path, _ in problems}
    lines = dict(document.lines)

    def renamed(value: Any, path: Path) -> Any:
        if isinstance(value, list):
            return [renamed(item, (*path, index)) for index, item in enumerate(value)]
        if not isinstance(value, dict):
            new_value = _lookup(RENAMED_VALUES, path, {}).get(str(value))
            if new_value is None:
                return value
            warnings.append(
                (path, f"{value!r} is now called {new_value!r}; the old name is read for one release")
            )
            return new_value
        section: dict[str, Any] = {}
        for key, item in value.items():
            old = (*path, key)
            if old in refused:
                continue
            new_key = _lookup(RENAMED_KEYS, old, key)
            if new_key != key and new_key not in value:
                warnings.append((old, f"is now called {new_key!r}; the old name is read for one release"))
                lines.update(
                    {
                        (*path, new_key, *at[len(old) :]): line
                        for at, line in document.lines.items()
                        if at[: len(old)] == old
                    }
                )
            else:
                new_key = key
            section[new_key] = renamed(item, (*path, new_key))
        return section

    value = renamed(document.value, ())
    return Reading(Document(value, lines), tuple(warnings), tuple(problems))


def _not_available(value: Any) -> Iterator[tuple[Path, str]]:
    for pattern, (values, advice) in NOT_AVAILABLE.items():
        for path, item in _matches(value, pattern, ()):
            if not values:
                yield path, f"is not available yet; {advice}"
            elif str(item) in values:
                yield path, f"{str(item)!r} is not available yet; {advice}"


def _matches(value: Any, pattern: tuple[str, ...], path: Path) -> Iterator[tuple[Path, Any]]:
    if not pattern:
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            if pattern[0] in ("*", key):
                yield from _matches(item, pattern[1:], (*path, key))
    elif isinstance(value, list) and pattern[0] == "*":
        for index, item in enumerate(value):
            yield from _matches(item, pattern[1:], (*path, index))


def _lookup(table: dict[tuple[str, ...], Any], path: Path, default: Any) -> Any:
    for pattern, entry in table.items():
        if len(pattern) == len(path) and all(
            part in ("*", key) for part, key in zip(pattern, path, strict=True)
        ):
            return entry
    return default
