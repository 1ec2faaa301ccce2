"""A source added by two dict lines is read from a model file, has its place in the schema, and is in the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import pytest
from pydantic import TypeAdapter

from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import SOURCES as PARAMETERS
from mlops_assets.model_file.source import source_table, source_union
from mlops_assets.model_file.source_parameters import Windowed
from mlops_assets.readings import SOURCES
from mlops_assets.readings.request import Fetched, Request
from mlops_assets.readings.sources import registry
from mlops_assets_tests.unit.readings.reading_factory import AS_OF, settings

DOCS = Path(__file__).parents[3] / "docs" / "readings.md"


class CounterSource(Windowed):
    """Numbers from 1, for tests."""

    kind: Literal["counter"]
    rows: int = 3


def read_counter(source: CounterSource, _request: Request) -> Fetched:
    return Fetched(pl.DataFrame({"y": range(1, source.rows + 1)}), f"counter of {source.rows}")


def test_every_kind_has_parameters_and_a_reader() -> None:
    assert list(PARAMETERS) == list(SOURCES)


def test_a_new_source_is_two_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    union: TypeAdapter[CounterSource] = TypeAdapter(source_union({**PARAMETERS, "counter": CounterSource}))
    source = union.validate_json('{"kind": "counter", "rows": 5, "limits": {"cells": 4}}')
    assert "counter" in union.json_schema()["discriminator"]["mapping"]
    assert "| `counter` | Numbers from 1, for tests | `rows` (optional) |" in source_table(
        {"counter": CounterSource}
    )
    request = Request("m", None, None, AS_OF, "UTC", settings())
    with pytest.raises(
        SourceError, match=r"'counter' has no reader: add one to SOURCES in mlops_assets/readings/"
    ):
        registry.fetch(source, request)
    monkeypatch.setitem(registry.SOURCES, "counter", read_counter)
    with pytest.raises(SourceError, match="counter of 5 is too large: 5 cells or more, where 4 are allowed"):
        registry.fetch(source, request)
    fetched = registry.fetch(source.model_copy(update={"rows": 2}), request)
    assert fetched.frame["y"].to_list() == [1, 2]


def test_the_table_in_the_docs_is_the_dict() -> None:
    assert source_table(PARAMETERS) in DOCS.read_text(encoding="utf-8"), (
        "docs/readings.md: replace the table by the output of mlops_assets.model_file.source.source_table(SOURCES)"
    )
