"""Names are the field's terms: words that only this project understood never come back as names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TREES = ("mlops_assets", "mlops_assets_tests", "benchmarks", "tools")
PRIVATE = frozenset(
    [
        "found",
        "place",
        "places",
        "said",
        "told",
        "asked",
        "answer",
        "answers",
        "answered",
        "apart",
        "held",
        "given",
        "seen",
        "way",
        "words",
        "life",
        "mend",
        "learnt",
    ]
)
NEEDED_BY_A_LIBRARY: frozenset[str] = frozenset()


def bindings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and name of every variable and parameter."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg


def private(tree: ast.AST) -> list[tuple[int, str]]:
    return [(line, name) for line, name in bindings(tree) if name in PRIVATE - NEEDED_BY_A_LIBRARY]


@pytest.mark.parametrize("folder", TREES)
def test_no_variable_or_parameter_has_a_private_name(folder: str) -> None:
    uses = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for file in sorted((ROOT / folder).rglob("*.py"))
        for line, name in private(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert not uses, "name the value: result, index, requested, residual, validation ..."


def test_a_private_name_is_noticed() -> None:
    assert private(ast.parse("def read(asked: int) -> None:\n    found = asked\n")) == [
        (1, "asked"),
        (2, "found"),
    ]
