"""Joined sources: by equal keys, by the last reading before, and refusals where rows would multiply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlops_assets.errors import SourceError
from mlops_assets_tests.unit.readings.reading_factory import counted, read_model

SALES = "day,y\n2026-02-01,10\n2026-02-02,20\n2026-02-03,30\n"
SPEND = "date,ad_spend,price\n2026-02-01,1,9\n2026-02-03,3,9\n"


def joined(folder: Path, others: list[dict[str, Any]], sales: str = SALES, **keys: Any) -> Any:
    (folder / "sales.csv").write_text(sales)
    first = {"kind": "file", "path": str(folder / "sales.csv")}
    source = {"kind": "joined", "first": first, "repairs": {"rename": {"day": "date"}}, "join": others}
    return read_model(source, timestamp="date", **keys)


def part(folder: Path, text: str, name: str = "b.csv", **join: Any) -> dict[str, Any]:
    (folder / name).write_text(text)
    return {"source": {"kind": "file", "path": str(folder / name)}, **join}


def test_left_join_keeps_rows_and_counts_those_without_partner(tmp_path: Path) -> None:
    read = joined(tmp_path, [part(tmp_path, SPEND, on=["date"], repairs={"drop": ["price"]})])
    assert read.frame["ad_spend"].to_list() == [1, None, 3]
    assert [number for (name, _), number in counted(read).items() if name == "without_partner"] == [1]
    assert "sales.csv" in read.source
    assert "b.csv" in read.source


def test_inner_join_and_prefix(tmp_path: Path) -> None:
    read = joined(tmp_path, [part(tmp_path, SPEND, on=["date"], how="inner", prefix="ads_")])
    assert read.frame.columns == ["date", "y", "ads_ad_spend", "ads_price"]
    assert read.frame["y"].to_list() == [10, 30]


def test_three_sources(tmp_path: Path) -> None:
    shops = part(tmp_path, "y,shop\n10,a\n20,b\n30,c\n", "c.csv", on=["y"])
    read = joined(tmp_path, [part(tmp_path, SPEND, on=["date"]), shops])
    assert read.frame.columns == ["date", "y", "ad_spend", "price", "shop"]


def test_asof_takes_the_last_reading_before_never_a_later_one(tmp_path: Path) -> None:
    weather = "at,rain\n2026-02-01T00:00:01Z,1\n2026-02-01T20:00:00Z,2\n2026-02-02T00:00:00Z,3\n"
    read = joined(tmp_path, [part(tmp_path, weather, timestamp="at", asof="12h")])
    assert read.frame["rain"].to_list() == [None, 3, None]
    assert read.frame.columns == ["date", "y", "rain"]


def test_asof_within_an_entity(tmp_path: Path) -> None:
    sales = "day,y,shop\n2026-02-02,1,a\n2026-02-02,2,b\n2026-02-01,3,a\n"
    stock = "shop,date,stock\nb,2026-02-01,5\na,2026-01-31,7\n"
    read = joined(tmp_path, [part(tmp_path, stock, on=["shop"], asof="2d")], sales)
    assert read.frame["y"].to_list() == [1, 2, 3]
    assert read.frame["stock"].to_list() == [7, 5, 7]


def test_a_late_reading_is_not_known_before_it_arrives(tmp_path: Path) -> None:
    forecast = "at,rain,arrived\n2026-01-31T00:00:00Z,1,2026-01-31\n2026-02-01T00:00:00Z,2,2026-02-02 12:00\n"
    late = part(tmp_path, forecast, timestamp="at", asof="5d", available="arrived", prefix="w_")
    read = joined(tmp_path, [late])
    assert read.frame["w_rain"].to_list() == [1, 1, 2]
    assert read.frame.columns == ["date", "y", "w_rain", "w_arrived"]


def test_available_needs_asof(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'available' says when a reading became known: it needs 'asof'"):
        joined(tmp_path, [part(tmp_path, SPEND, on=["date"], available="price")])


@pytest.mark.parametrize(
    "text, join, message",
    [
        (SPEND + "2026-02-03,4,9\n", {"on": ["date"]}, r"1 of its rows repeat a key \(date\)"),
        ("date,y\n2026-02-01,1\n", {"on": ["date"]}, "both sides have a column 'y'"),
        ("y,z\nten,1\n", {"on": ["y"]}, "key 'y' is Int64 on one side and String on the other"),
        (SPEND, {"on": ["dat"]}, r"has no column 'dat' \(named in join.*did you mean 'date'"),
    ],
)
def test_refusals(tmp_path: Path, text: str, join: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=message):
        joined(tmp_path, [part(tmp_path, text, **join)])


def test_repeated_keys_can_be_declared(tmp_path: Path) -> None:
    other = part(tmp_path, SPEND + "2026-02-03,4,9\n", on=["date"], repairs={"duplicates": "last"})
    assert joined(tmp_path, [other]).frame["ad_spend"].to_list() == [1, None, 4]
