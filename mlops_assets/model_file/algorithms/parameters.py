"""The parent of every algorithm's parameters: what a model file may set, with types and bounds, and what it can do.

A subclass is all that the loader knows of an algorithm, and it imports no library. The class in `training.algorithms`
carries its subclass as `parameters`. A field that is None is left to the library.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError

from mlops_assets.errors import MissingExtraError
from mlops_assets.model_file.section import Section
from mlops_assets.model_file.suggestion import did_you_mean

Problem = Literal["regression", "classification", "forecasting"]
TABULAR: tuple[Problem, ...] = ("regression", "classification", "forecasting")
NUMBERS: tuple[Problem, ...] = ("regression", "forecasting")

PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(gt=0, le=1)]
"""A share of rows or columns, as a number of (0, 1]: 1 is the number of all, as floats are in scikit-learn."""


class AlgorithmParameters(Section):
    """Parameters of one algorithm by their names in its library."""

    name: ClassVar[str]
    """The name that a model file uses."""
    problems: ClassVar[tuple[Problem, ...]]
    extra: ClassVar[str | None] = None
    """The extra of this package that brings its library."""
    modules: ClassVar[tuple[str, ...]] = ()
    """The modules of its library, which are imported when it fits or loads."""
    needs_history: ClassVar[bool] = False
    """Whether it forecasts from `features.history` alone, or by it."""
    many_series: ClassVar[bool] = True
    """Whether it learns several entities together."""
    number_losses: ClassVar[tuple[str, ...]] = ()
    """What `loss` may be when numbers are learned, its default first."""
    class_losses: ClassVar[tuple[str, ...]] = ()
    """The same for classes."""
    onnx: ClassVar[bool] = False
    """Whether it can be written as an ONNX file."""
    losses_without_onnx: ClassVar[tuple[str, ...]] = ()
    """Losses whose converters fail, or write a file that predicts something else."""

    @classmethod
    def missing(cls) -> MissingExtraError | None:
        """Look for the library without importing it.

        Returns:
            The error that names the extra when the library is not installed, or None when it is.
        """
        if all(find_spec(module) for module in cls.modules):
            return None
        return MissingExtraError(f"the algorithm {cls.name!r}", cls.extra or "training")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the parameters that a model file may set."""
        return tuple(sorted(cls.model_fields))

    @classmethod
    def check(cls, params: Mapping[str, Any]) -> dict[str, str]:
        """Check parameters by name, type, bounds and choices.

        Args:
            params: what a model file sets, as JSON values.

        Returns:
            One sentence for each refused parameter, by its name; empty when all are accepted.
        """
        problems = {
            name: f"{cls.name} has no parameter {name!r}{did_you_mean(name, cls.names())}"
            for name in params
            if name not in cls.model_fields
        }
        known = {name: value for name, value in params.items() if name in cls.model_fields}
        try:
            cls.model_validate_json(json.dumps(known))
        except ValidationError as error:
            refused = {str(detail["loc"][0]): detail for detail in error.errors() if detail["loc"]}
            for name, detail in refused.items():
                if detail["type"] == "missing" and len(detail["loc"]) == 1:
                    problems[name] = f"{cls.name}: {name!r} is required"
                    continue
                own = detail.get("ctx", {}).get("error") if detail["type"] == "value_error" else None
                problems[name] = f"{cls.name}: {own}" if own else cls._refusal(name, known[name])
        except TypeError as error:
            problems |= dict.fromkeys(known, f"{cls.name}: parameters must be JSON values ({error})")
        return problems

    @classmethod
    def _refusal(cls, name: str, value: object) -> str:
        schema = cls.model_json_schema()["properties"][name]
        shown = json.dumps(value, ensure_ascii=False)
        shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
        near = did_you_mean(value, _choices(schema)) if isinstance(value, str) else ""
        near = near if near.startswith("; did you mean") else ""
        return f"{cls.name}: {name!r} must be {describe(schema)}, not {shown}{near}"


def _choices(schema: Mapping[str, Any]) -> list[str]:
    options = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
    return [*options, *(choice for part in schema.get("anyOf", ()) for choice in _choices(part))]


def describe(schema: Mapping[str, Any]) -> str:
    """Return what a JSON schema allows besides null, in words such as "a number of 0 or above".

    Args:
        schema: JSON schema of one parameter, from pydantic.

    Returns:
        Text for references and error messages.
    """
    if "anyOf" in schema:
        return " or ".join(describe(part) for part in schema["anyOf"] if part.get("type") != "null")
    if "enum" in schema or "const" in schema:
        choices = [repr(choice) for choice in _choices(schema)]
        return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    match schema.get("type"):
        case "integer":
            return f"a whole number{_bounds(schema)}"
        case "number":
            return f"a number{_bounds(schema)}"
        case "boolean":
            return "true or false"
        case "array":
            return _array(schema)
        case "object":
            return "a mapping"
        case "string":
            return f"text like {schema['examples'][0]!r}" if schema.get("examples") else "text"
    return "something else"


def _array(schema: Mapping[str, Any]) -> str:
    items = schema.get("prefixItems")
    if items:
        return f"a list of {len(items)}, each {describe(items[0])}"
    return f"a list of {describe(schema.get('items', {}))}"


def _bounds(schema: Mapping[str, Any]) -> str:
    signs: Iterable[tuple[str, str]] = (
        ("minimum", "from"),
        ("exclusiveMinimum", "above"),
        ("maximum", "up to"),
        ("exclusiveMaximum", "below"),
    )
    text = [f"{word} {schema[key]:g}" for key, word in signs if key in schema]
    if text == [f"from {schema.get('minimum', 0):g}"]:
        return f" of {schema['minimum']:g} or above"
    return f" {' '.join(text)}" if text else ""
