"""The page with every section and key of a model file.

Comes in: the sections' classes and the shipped model files. Goes out: a Markdown table per section, with
type, unit, default, meaning, example and error of each key. The errors are those that the loader itself reports.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mlops_assets.model_file import ModelSpec, load_model
from mlops_assets.model_file.loader import sentence_of
from mlops_assets.model_file.section import unfold
from mlops_assets.model_file.values import Unit, format_duration, parse_share

INTRODUCTION: Final = (
    "One YAML file in `models/` declares one model. Every section below is a mapping of keys. `mlops validate` refuses "
    "an unknown key, a wrong type and a missing key (`is required`), and names file, line, key and the fix. *Refused* "
    "shows what it prints for a wrong value. `unset` and `null` mean the same; a misspelled key gives "
    "`unknown key; did you mean 'limit'?`."
)
HEAD: Final = (
    "| key | value, default | meaning | example |",
    "| --- | --- | --- | --- |",
)
DURATION: Final = "s, m, h, d or w"
SHARE: Final = "% or 0 to 1"
WRITTEN_BY: Final = "<!-- Written by `make references`; change the docstrings in the code. -->"
Examples = Mapping[tuple[type[BaseModel], str], object]


def model_file_page(models: Path) -> str:
    """Return the page, with examples from the model files of a folder."""
    examples = shipped_examples(models)
    lines = ["# The model file", "", WRITTEN_BY, "", INTRODUCTION, ""]
    for path, section in sections(ModelSpec, "", set()):
        title = f"`{path}`" if path else "Top level"
        lines += [f"## {title}", "", inspect.getdoc(section) or "", "", *HEAD]
        lines += [key_row(section, name, field, examples) for name, field in section.model_fields.items()]
        lines.append("")
    return "\n".join(lines)


def key_row(section: type[BaseModel], name: str, field: FieldInfo, examples: Examples) -> str:
    """Return the row of one key."""
    default = (
        "required"
        if field.is_required()
        else f"default `{_plain(field.default)}`"
        if field.default is not None
        else "default unset"
    )
    example, error = example_of(section, name, field, examples), error_of(section, name, field)
    value = ", ".join(part for part in (type_name(field.annotation, field.metadata), unit_of(field)) if part)
    cells = (
        f"`{name}`",
        f"{value}<br>{default}",
        meaning_of(field) + (f"<br>*Refused:* {error}" if error else ""),
        f"`{_flow(example)}`" if example is not None else "",
    )
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def meaning_of(field: FieldInfo) -> str:
    """Return what a key means; a key with one allowed word selects the section."""
    return field.description or ("Selects these keys." if _only_word(field) else "")


def unit_of(field: FieldInfo) -> str:
    """Return the unit of a key; empty for what is not measured."""
    hints = list(_hints(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation))
    units = [hint.name for hint in hints if isinstance(hint, Unit)]
    if units:
        return units[0]
    if timedelta in hints:
        return DURATION
    return SHARE if any(getattr(hint, "func", None) is parse_share for hint in hints) else ""


def example_of(section: type[BaseModel], name: str, field: FieldInfo, examples: Examples) -> object:
    """Return a value for a key: of a shipped model file, else of the field, else another than the default."""
    if (shipped := examples.get((section, name))) is not None:
        return shipped
    if field.examples:
        return field.examples[0]
    hints = list(_hints(field.annotation))
    choices = [word for hint in hints if get_origin(hint) is Literal for word in get_args(hint)]
    if choices:
        word = next((word for word in choices if word != field.default), choices[0])
        return [word] if any(get_origin(hint) is tuple for hint in hints) else word
    if bool in hints:
        return not field.default
    if isinstance(field.default, BaseModel):
        inner = type(field.default)
        first, its_field = next(iter(inner.model_fields.items()))
        return {first: example_of(inner, first, its_field, examples)}
    default = None if field.default is PydanticUndefined else field.default
    return _plain(default) if isinstance(default, timedelta) else default or None


def error_of(section: type[BaseModel], name: str, field: FieldInfo) -> str:
    """Return the sentence that the loader prints for a wrong value of a key."""
    for wrong in wrong_values(field):
        if (detail := refused(section, name, wrong)) is not None:
            return "unknown key" if detail["type"] == "extra_forbidden" else sentence_of(detail)
    return ""


def refused(section: type[BaseModel], name: str, value: object) -> Any:
    """Return pydantic's first error about a value of a key; None when it is accepted."""
    try:
        section.model_validate_json(json.dumps({name: value}))
    except ValidationError as error:
        return next((detail for detail in error.errors() if detail["loc"][:1] == (name,)), None)
    return None


def wrong_values(field: FieldInfo) -> tuple[object, ...]:
    """Return values that a key may refuse, the most likely mistake first."""
    hints = list(_hints(field.annotation)) + list(field.metadata)
    if any(isinstance(hint, type) and issubclass(hint, BaseModel) for hint in hints):
        is_list = any(get_origin(hint) is tuple for hint in hints)
        return ([{"kind": "?"}], [{"?": 1}]) if is_list else ({"kind": "?"}, {"?": 1}, "?")
    if timedelta in hints:
        return ("30", ["30"], "?")
    if any(getattr(hint, "func", None) is parse_share for hint in hints):
        return ("120%", "many")
    if (int in hints or float in hints) and str not in hints:
        return (-1, 0, 1e12, "many", ["many"])
    if any(get_origin(hint) is tuple for hint in hints) and not any(
        get_origin(hint) is dict for hint in hints
    ):
        return (["?"], [""], [5], [], "?")
    return ("?", "", 5, {"?": []}, {"?": {}})


def shipped_examples(models: Path) -> Examples:
    """Return the first value that a shipped model file, in the order of the names, gives to each key."""
    examples: dict[tuple[type[BaseModel], str], object] = {}

    def collect(value: object, written: object) -> None:
        if isinstance(value, BaseModel):
            body = written if isinstance(written, dict) else {}
            for name in sorted(value.model_fields_set):
                if name in body:
                    examples.setdefault((type(value), name), body[name])
                    collect(getattr(value, name), body[name])
        elif isinstance(value, tuple) and isinstance(written, list):
            for item, text in zip(value, written, strict=True):
                collect(item, unfold(text, "kind"))
        elif isinstance(value, dict) and isinstance(written, dict):
            for key, item in value.items():
                collect(item, written.get(key))

    for file in sorted(models.glob("*.yaml")):
        collect(load_model(file), yaml.safe_load(file.read_text(encoding="utf-8")))
    return examples


def sections(
    section: type[BaseModel], path: str, shown: set[type[BaseModel]]
) -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield every section once, under the first path that leads to it."""
    if section in shown:
        return
    shown.add(section)
    yield path, section
    for name, field in section.model_fields.items():
        inner = [
            hint
            for hint in _hints(field.annotation)
            if isinstance(hint, type) and issubclass(hint, BaseModel)
        ]
        for model in inner:
            label = (
                _only_word(model.model_fields["kind"])
                if "kind" in model.model_fields
                else _as_words(model.__name__)
            )
            suffix = f"{name} ({label})" if len(inner) > 1 else name
            yield from sections(model, f"{path}.{suffix}" if path else suffix, shown)


def type_name(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    """Return the type of a value in words: text, number from 1 to 10, list of durations, one of several words."""
    if get_origin(annotation) is Annotated:
        inner, *rest = get_args(annotation)
        return type_name(inner, [*rest, *metadata])
    if annotation is timedelta:
        return "duration"
    if any(getattr(item, "func", None) is parse_share for item in metadata):
        return "share"
    simple = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}
    if annotation in (int, float):
        return f"{simple[annotation]}{_bounds(metadata)}"
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
    names = [type_name(argument, metadata) for argument in arguments if argument is not type(None)]
    return " or ".join(dict.fromkeys(names)) or "any value"


def _bounds(metadata: list[Any] | tuple[Any, ...]) -> str:
    """Return the bounds of a number as words that follow its type."""
    flat = [part for item in metadata for part in (item.metadata if isinstance(item, FieldInfo) else [item])]
    limits = {
        name: getattr(part, name) for part in flat for name in ("ge", "gt", "le", "lt") if hasattr(part, name)
    }
    texts = {"ge": "from {:,}", "gt": "above {:,}", "le": "to {:,}", "lt": "below {:,}"}
    return "".join(f" {texts[name].format(limits[name])}" for name in texts if name in limits)


def _hints(annotation: Any) -> Iterator[Any]:
    """Yield an annotation and everything inside it, metadata included."""
    yield annotation
    for argument in get_args(annotation) if get_origin(annotation) is not Literal else ():
        yield from _hints(argument)


def _only_word(field: FieldInfo) -> str:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return str(choices[0]) if len(choices) == 1 else ""


def _as_words(name: str) -> str:
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()


def _plain(value: object) -> str:
    if value is PydanticUndefined or value is None:
        return ""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, BaseModel):
        return "{}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and not value.strip():
        return f'"{value}"'
    if isinstance(value, tuple | list):
        return f"[{', '.join(_plain(item) for item in value)}]"
    return str(value)


def _flow(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else value
    return text if len(text) <= 80 else f"{text[:77]}..."


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
