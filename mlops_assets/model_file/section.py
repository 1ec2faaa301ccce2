"""The parent of every part of a model file: frozen, strict, and closed to unknown keys.

Parts of one kind that are written `- name: {...}` (gates, algorithms) are unfolded here. Values with a
syntax of their own (durations, percentages) are in `values`; `loader` reads the file.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One mapping of a model file."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        # a section is built as part of the whole model file, and only when a file is read
        defer_build=True,
    )


def unfold(value: Any, tag: str) -> Any:
    """Turn `{ridge: {alpha: 1}}` or `ridge` into `{tag: "ridge", alpha: 1}`; leave the rest for pydantic to refuse.

    Args:
        value: A value as written in the file.
        tag: Key that distinguishes the types of a union.

    Returns:
        A mapping with the tag, or `value` unchanged.
    """
    if isinstance(value, str):
        return {tag: value}
    if isinstance(value, dict) and len(value) == 1:
        [(name, body)] = value.items()
        if isinstance(body, dict) and tag not in body:
            return {tag: name, **body}
        if body is None:
            return {tag: name}
    return value
