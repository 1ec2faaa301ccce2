"""A model file explained key by key: what is written, on which line, and what it means.

Comes in: a model file that can be read. Goes out: one record per written key. The meanings are the docstrings of the
sections, as in the schema and in the reference.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import BaseModel

from mlops_assets.model_file.document import Document, Path, parse
from mlops_assets.model_file.key_changes import read_changes
from mlops_assets.model_file.loader import dotted
from mlops_assets.model_file.model import ModelSpec

TAGS: Final = ("kind", "name")
"""Keys that hold the name of an item written as `- name: {...}`."""


@dataclass(frozen=True, slots=True)
class ExplainedKey:
    """A key of a model file. value: as written; empty where the lines below explain its parts."""

    key: str
    line: int
    value: str
    meaning: str


def explained(file: FilePath, spec: ModelSpec) -> tuple[ExplainedKey, ...]:
    """Explain every key that is written in a model file; keys that are left out have their defaults.

    Args:
        file: The model file.
        spec: What was read from it.

    Returns:
        Keys in the order of the file.
    """
    document = read_changes(parse(file.read_text(encoding="utf-8-sig"))).document
    return tuple(_section(spec, document.value, (), document))


def _section(section: BaseModel, written: Any, path: Path, document: Document) -> Iterator[ExplainedKey]:
    fields = type(section).model_fields
    for name, text in written.items() if isinstance(written, dict) else ():
        if name in fields:
            meaning = fields[name].description or ("Selects the keys below." if name in TAGS else "")
            yield from _key(getattr(section, name), text, (*path, name), meaning, document)


def _key(value: Any, written: Any, path: Path, meaning: str, document: Document) -> Iterator[ExplainedKey]:
    line = document.line(path)
    if isinstance(value, BaseModel) and isinstance(written, dict):
        yield ExplainedKey(dotted(path), line, "", meaning)
        yield from _section(value, written, path, document)
    elif isinstance(value, tuple) and isinstance(written, list) and any(map(_is_section, value)):
        yield ExplainedKey(dotted(path), line, "", meaning)
        for index, (item, text) in enumerate(zip(value, written, strict=True)):
            yield from _item(item, text, (*path, index), document)
    else:
        yield ExplainedKey(dotted(path), line, _flow(written), meaning)


def _item(item: Any, written: Any, path: Path, document: Document) -> Iterator[ExplainedKey]:
    """Explain one item of a list of sections: `- latency`, `- latency: {limit: 5}`, `- {kind: latency, limit: 5}`."""
    tag = next((str(getattr(item, tag)) for tag in TAGS if hasattr(item, tag)), "")
    if isinstance(written, dict) and list(written) == [tag]:
        path, written = (*path, tag), written[tag]
    fields = type(item).model_fields if _is_section(item) else {}
    own = isinstance(written, dict) and any(
        name not in fields for name in written
    )  # an algorithm's parameters
    value = tag if tag and not own else _flow(written)
    meaning = (inspect.getdoc(type(item)) or "").split("\n\n")[0] if _is_section(item) else ""
    yield ExplainedKey(dotted(path), document.line(path), value, " ".join(meaning.split()))
    if _is_section(item):
        yield from _section(item, written, path, document)


def _is_section(value: Any) -> bool:
    return isinstance(value, BaseModel)


def _flow(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
