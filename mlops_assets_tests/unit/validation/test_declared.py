"""What may stand under `validation:` in a model file, and the words for what may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from mlops_assets.model_file.validation import ColumnRules, ValidationSpec


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"min": 2.0, "max": 1.0}, "no value could pass"),
        ({"pattern": "("}, "not a regular expression"),
        ({"pattern": "(?=a)b"}, "look-around"),
        ({"pattern": r"(a)\1"}, "backreferences are not supported"),
        ({"values": []}, "at least 1 item"),
        ({"minimum": 1.0}, "Extra inputs"),
        ({"max_missing": 1.5}, "less than or equal to 1"),
    ],
)
def test_what_cannot_be_meant_is_refused(column: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ColumnRules.model_validate(column, strict=False)


@pytest.mark.parametrize("pattern", [r"\++", r"N[0-9A-Z]+", r"(al|ak)_\d?", r"[^x]*", r"\w+"])
def test_plain_patterns_are_accepted(pattern: str) -> None:
    assert ColumnRules(pattern=pattern).pattern == pattern


def test_one_value_may_be_the_whole_range() -> None:
    assert ColumnRules(min=1.0, max=1.0).min == 1.0
    with pytest.raises(ValidationError, match="greater than 0"):
        ValidationSpec(max_drift=0.0)
