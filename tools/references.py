"""Write the generated references of the documentation: `python -m tools.references` (or `make references`).

Comes in: the model file's sections, the command line, the metrics, the gates, the algorithms. Goes out: one file per
reference. A test fails when a file is not what this program would write.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import click
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mlops_assets.cli.main import cli
from mlops_assets.metrics import METRICS
from mlops_assets.model_file import ModelSpec, schema_text
from mlops_assets.model_file.gates import GATES
from mlops_assets.model_file.values import format_duration, parse_share

ROOT: Final = Path(__file__).resolve().parents[1]
WRITTEN_BY: Final = "<!-- Written by `make references`; change the docstrings in the code. -->\n\n"
COMPLETION: Final = (
    'Shell completion of commands, models and gates: put `eval "$(_MLOPS_COMPLETE=bash_source mlops)"` '
    "(or `zsh_source`, `fish_source`) into the start file of your shell."
)
INTRODUCTION: Final = (
    "One YAML file in `models/` declares one model. Every section below is a mapping of keys; an unknown key, a wrong "
    "type or a missing key is refused with file, line, key and the fix (`mlops validate`)."
)
ERRORS: Final = {
    "duration": "'30' is not a duration; write a whole number and a unit such as 90s, 30m, 6h, 14d or 2w",
    "share": "'120%' is not a share; write 2% or 0.02",
    "number": 'input should be a valid number; got "many"',
    "whole number": 'input should be a valid integer; got "many"',
    "true or false": 'input should be a valid boolean; got "perhaps"',
    "text": "input should be a valid string; got 5",
}


def references() -> dict[Path, str]:
    """Return every generated file with its content."""
    return {
        ROOT / "models" / "schema.json": schema_text(),
        ROOT / "docs" / "model_file.md": model_file_page(),
        ROOT / "docs" / "cli.md": command_page(),
        ROOT / "docs" / "metrics.md": metric_page(),
    }


def model_file_page() -> str:
    """Return the page with every section and key of a model file."""
    examples = _examples()
    lines = [
        "# The model file",
        "",
        WRITTEN_BY.strip(),
        "",
        INTRODUCTION,
        "",
    ]
    for path, section in _sections(ModelSpec, "", set()):
        title = f"`{path}`" if path else "Top level"
        lines += [f"## {title}", "", inspect.getdoc(section) or "", ""]
        lines += ["| key | type | default | meaning | example |", "| --- | --- | --- | --- | --- |"]
        for name, field in section.model_fields.items():
            lines.append(_key_row(path, name, field, examples))
        lines.append("")
    lines += ["## What is said when a value is wrong", "", "| type | message |", "| --- | --- |"]
    lines += [f"| {kind} | {message} |" for kind, message in ERRORS.items()]
    lines += [
        "| one of several words | 'rigde' is not allowed; did you mean 'ridge'? |",
        "| any section | unknown key; did you mean 'limit'? |",
        "",
    ]
    return "\n".join(lines)


def command_page() -> str:
    """Return the page with every command and its options."""
    lines = ["# The command line", "", WRITTEN_BY.strip(), ""]
    lines += [
        COMPLETION,
        "",
    ]
    for path, command in _commands(cli, "mlops"):
        lines += [f"## `{path}`", "", inspect.cleandoc(command.help or ""), ""]
        if isinstance(command, click.Group):
            continue
        context = click.Context(command, info_name=path)
        usage = " ".join(command.collect_usage_pieces(context))
        lines += ["```", f"{path} {usage}", "```", ""]
        options = [param for param in command.params if isinstance(param, click.Option)]
        if options:
            lines += ["| option | meaning |", "| --- | --- |"]
            for option in options:
                record = option.get_help_record(context)
                if record:
                    lines.append(f"| `{_cell(record[0])}` | {_cell(record[1])} |")
            lines.append("")
    return "\n".join(lines)


def metric_page() -> str:
    """Return the page with every metric."""
    lines = ["# Metrics", "", WRITTEN_BY.strip(), ""]
    lines += ["| metric | better | problems | meaning |", "| --- | --- | --- | --- |"]
    for name, metric in METRICS.items():
        better = {"zero": "closest to 0"}.get(metric.direction, metric.direction)
        lines.append(f"| `{name}` | {better} | {', '.join(metric.problems)} | {_cell(metric.description)} |")
    lines += ["", f"{len(GATES)} gates decide by them: see [gates](gates.md).", ""]
    return "\n".join(lines)


def _sections(
    section: type[BaseModel], path: str, shown: set[type[BaseModel]]
) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every section once, under the first path that leads to it."""
    if section in shown:
        return
    shown.add(section)
    yield path, section
    for name, field in section.model_fields.items():
        inner = list(_models(field.annotation))
        for model in inner:
            tag = _tag(model)
            suffix = f"{name} ({tag})" if tag and len(inner) > 1 else name
            yield from _sections(model, f"{path}.{suffix}" if path else suffix, shown)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in get_args(annotation):
        yield from _models(argument)


def _tag(model: type[BaseModel]) -> str:
    kind = model.model_fields.get("kind")
    return str(get_args(kind.annotation)[0]) if kind and get_origin(kind.annotation) is Literal else ""


def _key_row(path: str, name: str, field: FieldInfo, examples: Mapping[str, object]) -> str:
    kind = type_name(field.annotation, field.metadata)
    default = (
        "required"
        if field.is_required()
        else f"`{_plain(field.default)}`"
        if field.default is not None
        else "unset"
    )
    example = examples.get(f"{path.partition(' (')[0]}.{name}".lstrip("."))
    shown = f"`{_cell(_flow(example))}`" if example is not None else ""
    return f"| `{name}` | {_cell(kind)} | {_cell(default)} | {_cell(field.description or '')} | {shown} |"


def type_name(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    """Return the type of a value in words: text, number, duration, list of durations, one of several words."""
    if get_origin(annotation) is Annotated:
        inner, *rest = get_args(annotation)
        return type_name(inner, rest)
    if annotation is timedelta:
        return "duration"
    if any(getattr(item, "func", None) is parse_share for item in metadata):
        return "share"
    simple = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}
    if annotation in simple:
        return simple[annotation]
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{_plain(word)}`" for word in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    arguments = [argument for argument in get_args(annotation) if argument is not Ellipsis]
    if get_origin(annotation) is tuple:
        return f"list of: {' and '.join(dict.fromkeys(type_name(argument) for argument in arguments))}"
    if get_origin(annotation) in (dict, Mapping):
        return f"mapping of {type_name(arguments[0])} to {type_name(arguments[1])}"
    names = [type_name(argument) for argument in arguments if argument is not type(None)]
    return " or ".join(dict.fromkeys(names)) or "any value"


def _plain(value: object) -> str:
    if value is PydanticUndefined or value is None:
        return ""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, BaseModel):
        return "{}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(_plain(item) for item in value)}]"
    return str(value)


def _examples() -> dict[str, object]:
    """Return a value for each key that a shipped model file uses, the first in the order of the names."""
    examples: dict[str, object] = {}

    def collect(value: object, path: str) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                at = f"{path}.{key}".lstrip(".")
                examples.setdefault(at, item)
                collect(item, at)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict) and len(item) == 1:
                    [(_, body)] = item.items()
                    collect(body, path)

    for file in sorted((ROOT / "models").glob("*.yaml")):
        collect(yaml.safe_load(file.read_text(encoding="utf-8")), "")
    return examples


def _flow(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else value
    return text if len(text) <= 80 else f"{text[:77]}..."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _commands(inner, f"{path} {name}")


if __name__ == "__main__":
    for file, text in references().items():
        file.write_text(text, encoding="utf-8")
