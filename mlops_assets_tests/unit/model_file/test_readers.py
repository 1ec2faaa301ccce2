"""No key of the model file without a reader: every field is read by code outside the package `model_file`.

A field counts as read where a module names its section (the class, or the key that holds it) and reads an attribute of
the field's name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel

import mlops_assets
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.section import Section

CODE = Path(mlops_assets.__file__).parent


@dataclass(frozen=True)
class Module:
    """The names that one module uses: attributes it reads, classes and strings it names."""

    attributes: frozenset[str]
    names: frozenset[str]


def module_of(tree: ast.AST) -> Module:
    nodes = list(ast.walk(tree))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    aliases = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    parameters = {node.arg for node in nodes if isinstance(node, ast.arg)}
    return Module(frozenset(attributes | texts), frozenset(attributes | names | aliases | parameters | texts))


@cache
def modules() -> tuple[Module, ...]:
    """Every module outside model_file, and the methods of the sections that those modules use."""
    package = CODE / "model_file"
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in sorted(CODE.rglob("*.py"))}
    outside = [module_of(tree) for file, tree in trees.items() if not file.is_relative_to(package)]
    used = frozenset().union(*(module.attributes for module in outside))
    classes = [
        node
        for file, tree in trees.items()
        if file.is_relative_to(package)
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    ]
    methods = [
        Module(inside.attributes, inside.names | {holder.name})
        for holder in classes
        for node in holder.body
        if isinstance(node, ast.FunctionDef) and node.name in used
        for inside in (module_of(node),)
    ]
    return (*outside, *methods)


def sections(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        assert issubclass(annotation, Section)
        yield annotation
    for argument in get_args(annotation):
        yield from sections(argument)


def fields(
    section: type[Section], path: str, holders: frozenset[str]
) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Every field below a section as (path, name, the names by which code speaks of its section)."""
    for name, field in section.model_fields.items():
        single_value = get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1
        if not single_value:  # a tag, or a key with one value so far: nothing depends on it
            yield f"{path}{name}", name, holders
        for inner in sections(field.annotation):
            yield from fields(inner, f"{path}{name}.", frozenset({inner.__name__, name}))


FIELDS = sorted(
    {
        (path, name, holders)
        for path, name, holders in fields(ModelSpec, "", frozenset({"ModelSpec", "spec"}))
    },
    key=lambda entry: (entry[0], sorted(entry[2])),
)


def is_read(name: str, holders: frozenset[str]) -> bool:
    return any(name in module.attributes and module.names & holders for module in modules())


@pytest.mark.parametrize(
    ("path", "name", "holders"), FIELDS, ids=[f"{path}-{min(holders)}" for path, _, holders in FIELDS]
)
def test_every_key_has_a_reader(path: str, name: str, holders: frozenset[str]) -> None:
    assert is_read(name, holders), (
        f"nothing outside model_file reads {path}: write the code, or list it in key_changes.NOT_AVAILABLE"
    )


def test_a_key_that_nothing_reads_is_noticed() -> None:
    class Unread(Section):
        canary_steps: int = 5

    [(_, name, holders)] = fields(Unread, "", frozenset({"Unread", "rollout"}))
    assert not is_read(name, holders)
