"""A public function says what it takes, what it returns and what it raises (Google style).

Exempt are overrides, which the base documents, and commands, whose options carry their own help.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "mlops_assets"
EXEMPT = frozenset(["override", "command", "group", "property", "overload"])
Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(node: ast.AST) -> Iterator[Function]:
    """Yield the public functions of a module and the public methods of its public classes."""
    for child in getattr(node, "body", []):
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_functions(child)
        elif (
            isinstance(child, Function) and not child.name.startswith("_") and not decorators(child) & EXEMPT
        ):
            yield child


def decorators(function: Function) -> set[str]:
    """Return the last part of each decorator's name: `command` of `@alerts.command("ack")`."""
    names = (each.func if isinstance(each, ast.Call) else each for each in function.decorator_list)
    return {name.attr if isinstance(name, ast.Attribute) else ast.unparse(name) for name in names}


def own_statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of functions inside it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function | ast.Lambda):
            yield child
            yield from own_statements(child)


def lacking(function: Function) -> list[str]:
    """Return the sections that a function's docstring needs and lacks; one without parameters needs no `Returns`."""
    text, arguments = ast.get_docstring(function) or "", function.args
    every = [
        *arguments.posonlyargs,
        *arguments.args,
        *arguments.kwonlyargs,
        arguments.vararg,
        arguments.kwarg,
    ]
    has_parameters = any(each is not None and each.arg not in ("self", "cls") for each in every)
    returns = function.returns is not None and ast.unparse(function.returns) != "None"
    raises = any(
        isinstance(each, ast.Raise) and isinstance(each.exc, ast.Call) for each in own_statements(function)
    )
    needs = {
        "Args:": has_parameters,
        "Returns:": has_parameters and returns and "Yields:" not in text,
        "Raises:": has_parameters and raises,
    }
    return [section for section, is_needed in needs.items() if is_needed and section not in text]


def test_every_public_function_documents_its_arguments_result_and_errors() -> None:
    gaps = [
        f"{file.relative_to(PACKAGE.parent)}:{function.lineno}: {function.name} lacks {', '.join(sections)}"
        for file in sorted(PACKAGE.rglob("*.py"))
        if "migrations" not in file.parts
        for function in public_functions(ast.parse(file.read_text(encoding="utf-8")))
        if (sections := lacking(function))
    ]
    assert not gaps, "say units, shapes and allowed values; see any other function"


def test_a_missing_section_is_noticed() -> None:
    source = 'def read(file: str) -> int:\n    """Read."""\n    raise ValueError(file)\n'
    [function] = public_functions(ast.parse(source))
    assert lacking(function) == ["Args:", "Returns:", "Raises:"]
