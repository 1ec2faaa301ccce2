"""One model file in, a `ModelSpec` out; or every problem at once with file, line, key and the fix.

Reading YAML belongs to `document`, the allowed content to `model`, agreement between sections to `consistency`, whole
folders to `folder`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mlops_assets.errors import SpecError
from mlops_assets.model_file.consistency import inconsistencies
from mlops_assets.model_file.document import Document, DocumentError, Path, parse
from mlops_assets.model_file.key_changes import read_changes
from mlops_assets.model_file.model import ModelSpec
from mlops_assets.model_file.suggestion import did_you_mean


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing to fix in a model file."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        position = f"{self.file}:{self.line}: "
        return f"{position}{self.key}: {self.message}" if self.key else f"{position}{self.message}"


def load_model(file: FilePath) -> ModelSpec:
    """Read one model file.

    Args:
        file: The model file.

    Returns:
        The model file.

    Raises:
        SpecError: the file is refused; the message lists every problem.
    """
    spec, problems = examine(file)
    if spec is None:
        raise SpecError(format_problems(problems))
    return spec


def problem_at(file: FilePath, path: Path, message: str) -> Problem:
    """Return a problem or warning about a key of a file that can be read, with its line.

    Args:
        file: A model file that can be read.
        path: Keys and list indices from the top.
        message: The sentence.

    Returns:
        The problem.
    """
    line = parse(file.read_text(encoding="utf-8-sig")).line(path)
    return Problem(shown(file), line, dotted(path), message)


def examine(file: FilePath) -> tuple[ModelSpec | None, list[Problem]]:
    """Read one model file and report every problem at once.

    Args:
        file: The model file.

    Returns:
        The model (None with problems), and the problems in the order of their lines.
    """
    name = shown(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        return None, [Problem(name, 1, "", f"cannot be read: {error.strerror}")]
    except UnicodeDecodeError as error:
        return None, [Problem(name, 1, "", f"is not UTF-8 text (byte {error.start}); save it as UTF-8")]
    try:
        document = parse(text)
    except DocumentError as error:
        return None, [Problem(name, error.line, "", error.reason)]
    reading = read_changes(document)
    spec, refused = findings(reading.document)
    problems = [
        Problem(name, reading.document.line(path), dotted(path), message)
        for path, message in (*reading.problems, *refused)
    ]
    return (None if problems else spec), sorted(problems)


def stored_model(values: dict[str, Any]) -> ModelSpec:
    """Read the model file that was stored with a version: old names and keys that were removed since are no error.

    Args:
        values: The stored model file, as JSON values.

    Returns:
        The model file.

    Raises:
        pydantic.ValidationError: the values are no model file.
    """
    return ModelSpec.model_validate_json(json.dumps(read_changes(Document(values, {})).document.value))


def old_names(file: FilePath) -> list[Problem]:
    """Return a warning for every key or value of a readable file that is written under its old name.

    Args:
        file: The model file.

    Returns:
        Warnings in the order of the file.
    """
    document = parse(file.read_text(encoding="utf-8-sig"))
    return [
        Problem(shown(file), document.line(path), dotted(path), message)
        for path, message in read_changes(document).warnings
    ]


def findings(document: Document) -> tuple[ModelSpec | None, list[tuple[Path, str]]]:
    """Check the content of a model file under today's keys.

    Args:
        document: Values, and the lines of keys.

    Returns:
        The model (None where its content is refused), and problems as (path, sentence).
    """
    if not isinstance(document.value, dict):
        return None, [((), "a model file is a mapping of keys such as name, target and source")]
    try:
        spec = ModelSpec.model_validate_json(json.dumps(document.value))
    except ValidationError as error:
        return None, [
            (_in_text(detail["loc"], document), sentence_of(detail)) for detail in _causes(error.errors())
        ]
    return spec, list(inconsistencies(spec))


def _causes(details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out 'too short' where it only repeats that every item of a list was refused."""
    deep = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    return [detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in deep]


def _in_text(loc: tuple[str | int, ...], document: Document) -> Path:
    """Pydantic's location without the union tags, which are not in the file."""
    path: Path = ()
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        if (*path, part) in document.lines or last:
            path = (*path, part)
    return path


def sentence_of(detail: ErrorDetails) -> str:
    """Return what a person reads about one value that pydantic refused.

    Args:
        detail: An entry of `ValidationError.errors()`, its location from the top of the model file.

    Returns:
        A sentence without the key.
    """
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown key" + did_you_mean(str(detail["loc"][-1]), fields_at(detail["loc"][:-1]))
    if kind == "missing":
        return "is required"
    if kind == "union_tag_invalid":
        known = [tag.strip(" '") for tag in str(context["expected_tags"]).split(",")]
        return (
            f"unknown {context['discriminator']} {context['tag']!r}{did_you_mean(str(context['tag']), known)}"
        )
    if kind == "literal_error":
        known = [word.strip(" '") for word in str(context["expected"]).replace(" or ", ",").split(",")]
        return f"{detail['input']!r} is not allowed{did_you_mean(str(detail['input']), known)}"
    if kind == "too_short":
        return f"needs at least {context['min_length']} item"
    if kind == "value_error":
        return str(context["error"])
    value = json.dumps(detail["input"], ensure_ascii=False, default=str)
    return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}; got {value if len(value) <= 60 else value[:57] + '...'}"


def fields_at(loc: Iterable[str | int]) -> set[str]:
    """Return the keys that the section at a location accepts.

    Args:
        loc: Location in pydantic's form: keys, list indices and tags of unions.

    Returns:
        Names of keys.
    """
    sections: set[type[BaseModel]] = {ModelSpec}
    for part in loc:
        if isinstance(part, int):
            continue
        inner = {
            subsection
            for section in sections
            if part in section.model_fields
            for subsection in _sections(section.model_fields[part].annotation)
        }
        tagged = {section for section in sections if part in _tags(section)}
        sections = inner or tagged or sections
    return {name for section in sections for name in section.model_fields}


def _sections(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {section for argument in get_args(annotation) for section in _sections(argument)}


def _tags(section: type[BaseModel]) -> tuple[Any, ...]:
    kind = section.model_fields.get("kind")
    return get_args(kind.annotation) if kind and get_origin(kind.annotation) is Literal else ()


def dotted(path: Path) -> str:
    """Return a key as messages show it, such as `gates[0].limit`.

    Args:
        path: Keys and list indices from the top.

    Returns:
        Text.
    """
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def shown(file: FilePath) -> str:
    """Return the path as messages show it: relative to the current folder where it is below it.

    Args:
        file: A path.

    Returns:
        Text.
    """
    try:
        return str(file.relative_to(FilePath.cwd()))
    except ValueError:
        return str(file)


def format_problems(problems: list[Problem]) -> str:
    """Return the text of an error with every problem on a line of its own.

    Args:
        problems: Problems of one or several files.

    Returns:
        Lines of text.
    """
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return "\n".join([f"{count} in model files:", *(f"  {problem}" for problem in sorted(problems))])
