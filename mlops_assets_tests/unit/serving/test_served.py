"""A champion behind the API: its values are those of the batch, and no odd value becomes a missing one."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from starlette.testclient import TestClient

from mlops_assets import features, stages
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.stages import data
from mlops_assets.serving import champions as following
from mlops_assets.serving.app import create_app
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.keys import Keys
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, NOW, Station, begin

KEY = {"x-api-key": "secret"}
DAYS = 30


def table() -> pl.DataFrame:
    """Y is ten times the f of the reading before, plus x; two units, a reading an hour, some days beyond NOW."""
    rng = np.random.default_rng(5)
    hours = 24 * DAYS
    start = NOW - timedelta(days=DAYS - 10)
    parts = []
    for unit in ("A", "B"):
        f, x = rng.normal(size=hours).cumsum(), rng.normal(size=hours)
        before = np.concatenate([[0.0], f[:-1]])
        at = [start + timedelta(hours=hour) for hour in range(hours)]
        parts.append(pl.DataFrame({"when": at, "unit": [unit] * hours, "f": f, "x": x, "y": 10 * before + x}))
    return pl.concat(parts).sort("when", "unit")


TABLE = table()


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    station = begin(
        tmp_path,
        ledger,
        name="live",
        target="y",
        timestamp="when",
        entity="unit",
        source={"kind": "file", "path": str(tmp_path / "live.csv")},
        validation={"min_rows": 100},
        features={"inputs": ["f", "x"], "lags": {"columns": ["f"], "steps": [1]}},
        training={"algorithms": [{"ridge": {}}], "interval": None},
        gates=(GATES[0], {"metric_at_most": {"metric": "rmse", "limit": 1e6}}),
    )
    store(station, NOW)
    station.challenge()
    return station


def store(station: Station, until: datetime) -> None:
    """The readings that the source has at this instant."""
    TABLE.filter(pl.col("when") <= until).write_csv(str(station.spec.source.path))  # type: ignore[attr-defined]


def read_again(station: Station, until: datetime) -> None:
    """What the data-quality schedule does: read and validate, nothing trained."""
    store(station, until)
    station.now = until
    run = station.run("dagster")
    for stage in (data.read_readings, data.validate_readings):
        stage(station.spec, station.platform, run)


@pytest.fixture
def champions(station: Station, monkeypatch: pytest.MonkeyPatch) -> Champions:
    monkeypatch.setattr(following, "DATA_SECONDS", 0.0)
    monkeypatch.setattr(following, "DATA_COST", 0.0)
    return Champions(station.platform, poll_seconds=3600)


@pytest.fixture
def client(champions: Champions) -> Iterator[TestClient]:
    with TestClient(create_app(champions, Keys("secret"))) as client:
        yield client


def row(at: datetime, unit: str = "A") -> dict[str, Any]:
    """The file's row of that instant, as a caller sends it."""
    reading = TABLE.filter((pl.col("when") == at) & (pl.col("unit") == unit)).row(0, named=True)
    return {"when": at.isoformat(), "unit": unit, "f": reading["f"], "x": reading["x"]}


def predict(client: TestClient, *rows: dict[str, Any]) -> Any:
    return client.post("/predict/live", json={"readings": list(rows)}, headers=KEY)


def batch(station: Station) -> pl.DataFrame:
    """What the champion says in a batch over the whole table."""
    predictor, _ = load_version(station.platform, "live", 1)
    frame = features.build(station.spec, TABLE.with_columns(pl.col("when").cast(pl.Datetime("us", "UTC"))))
    return frame.select("when", "unit", value=pl.Series(predictor.predict(frame)))


def test_the_api_equals_the_batch_at_any_instant_over_days(
    station: Station, champions: Champions, client: TestClient
) -> None:
    expected = {(at, unit): value for at, unit, value in batch(station).iter_rows()}
    for day in range(5):
        until = NOW + timedelta(days=day)
        read_again(station, until)
        champions.refresh()
        newest = TABLE.filter(pl.col("when") <= until)["when"].max()
        assert isinstance(newest, datetime)
        for hours in (1, 0, -1, -30):  # the next reading, the newest, and earlier ones
            at = newest + timedelta(hours=hours)
            response = predict(client, row(at, "A"), row(at, "B"))
            assert response.status_code == 200, response.text
            wanted = [expected[at, "A"], expected[at, "B"]]
            assert response.json()["predictions"] == pytest.approx(wanted, rel=1e-9)
            assert response.json()["history"]["age_seconds"] == [3600.0, 3600.0]


def test_the_age_of_the_newest_reading_is_told_and_too_old_a_one_is_refused(
    station: Station, champions: Champions, client: TestClient
) -> None:
    newest = TABLE.filter(pl.col("when") <= NOW)["when"].max()
    assert isinstance(newest, datetime)
    late = newest + timedelta(days=5)
    assert predict(client, row(late)).json()["history"]["age_seconds"] == [5 * 86400.0]
    served = champions.served("live")
    assert served is not None
    strict = served.spec.validation.model_copy(update={"freshness": timedelta(days=2)})
    strict_spec = served.spec.model_copy(update={"validation": strict})
    champions._served["live"] = replace(served, spec=strict_spec)
    response = predict(client, row(newest + timedelta(hours=1)), row(late, "B"))
    assert response.status_code == 422
    assert "row 2: the newest reading before it is 5 days" in response.json()["detail"]
    assert predict(client, row(newest + timedelta(hours=1))).status_code == 200


def test_a_history_that_is_missing_is_a_named_problem_and_tried_again(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(station.platform.datasets.location("live", stages.VALIDATED_DATA))
    shutil.move(folder, folder.with_name("elsewhere"))
    champions = Champions(station.platform, poll_seconds=3600)
    champions.refresh()
    assert champions.served("live") is None
    assert "looks back at are missing" in champions.why_not("live")
    shutil.move(folder.with_name("elsewhere"), folder)
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    champions.refresh()
    assert champions.served("live") is not None
    assert champions.status()["problems"] == {}


def test_a_history_that_disappears_later_is_named_and_what_was_read_serves_on(
    station: Station, champions: Champions, client: TestClient
) -> None:
    folder = Path(station.platform.datasets.location("live", stages.VALIDATED_DATA))
    shutil.move(folder, folder.with_name("elsewhere"))
    champions.refresh()
    assert "missing" in champions.status()["problems"]["live"]
    assert predict(client, row(NOW.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)))
    shutil.move(folder.with_name("elsewhere"), folder)
    champions.refresh()
    assert champions.status()["problems"] == {}


NEXT = (NOW + timedelta(hours=1)).isoformat()
ROW: dict[str, Any] = {"when": NEXT, "unit": "A", "f": 1, "x": 1}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1e400", "row 1, column 'x': the value is not a finite number"),
        ("NaN", "row 1, column 'x': the value is not a finite number"),
        ("-Infinity", "row 1, column 'x': the value is not a finite number"),
        ("1" + "0" * 400, "row 1, column 'x': the value is not a finite number"),
        ("1" + "0" * 39, "row 1, column 'x': the value is larger"),
        ("1e308", "row 1, column 'x': the value is larger"),
        ('"1"', "row 1, column 'x': '1' is not a number"),
        ('"\\ud800"', "row 1, column 'x'"),
    ],
)
def test_a_number_that_is_none_is_refused_with_row_and_column(
    client: TestClient, text: str, reason: str
) -> None:
    body = json.dumps({"readings": [ROW]}).replace('"x": 1', f'"x": {text}')
    response = client.post("/predict/live", content=body, headers=KEY)
    assert response.status_code == 422, response.text
    assert reason in response.json()["detail"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"when": 1763082000}, "timestamp_unit"),
        ({"when": True}, "row 1, column 'when': True is not an instant"),
        ({"when": 1.5}, "row 1, column 'when': 1.5 is not an instant"),
        ({"when": None}, "row 1, column 'when': None is not an instant"),
        ({"when": "soon"}, "row 1, column 'when'"),
        ({"when": "9" * 5000}, "row 1, column 'when'"),
        ({"when": 10**30}, "row 1, column 'when'"),
        ({"unit": None}, "row 1, column 'unit': an entity is text or a whole number"),
        ({"unit": "\ud800"}, "row 1, column 'unit': the text is not valid Unicode"),
        ({"fx": 1}, "row 1: the model has no column 'fx'"),
        ({"y_lag": 1}, "row 1: the model has no column"),
    ],
)
def test_other_values_are_refused_with_row_and_column(
    client: TestClient, change: dict[str, Any], reason: str
) -> None:
    body = json.dumps({"readings": [{**ROW, **change}]})
    response = client.post("/predict/live", content=body, headers=KEY)
    assert response.status_code == 422, response.text
    assert reason in response.json()["detail"]
    assert len(response.content) < 1500


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-14", datetime(2026, 11, 14, tzinfo=UTC)),
        ("2026-11-14 01:00", datetime(2026, 11, 14, 1, tzinfo=UTC)),
        ("2026-11-14T01:00:00", datetime(2026, 11, 14, 1, tzinfo=UTC)),
        ("2026-11-14T01:00:00.5Z", datetime(2026, 11, 14, 1, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-14T02:00:00+01:00", datetime(2026, 11, 14, 1, tzinfo=UTC)),
    ],
)
def test_instants_are_read_as_training_reads_them(
    client: TestClient, champions: Champions, text: str, instant: datetime
) -> None:
    from mlops_assets.serving.table import frame

    served = champions.served("live")
    assert served is not None
    read = frame(served.spec, served.columns, [{**ROW, "when": text}])
    assert read["when"].to_list() == [instant]
    assert predict(client, {**ROW, "when": text}).status_code == 200


def test_the_same_reading_twice_gets_equal_predictions_and_two_of_one_instant_are_refused(
    client: TestClient,
) -> None:
    response = predict(client, ROW, {**ROW, "unit": "B"}, ROW)
    assert response.status_code == 200, response.text
    first, other, third = response.json()["predictions"]
    assert first == third
    assert first != other
    response = predict(client, {**ROW, "unit": "B"}, ROW, {**ROW, "f": 2})
    assert response.status_code == 422
    assert "rows 2 and 3 are different readings of one instant" in response.json()["detail"]


def test_columns_of_the_training_data_that_the_model_does_not_read_may_be_sent(client: TestClient) -> None:
    assert (
        predict(client, {**ROW, "y": 5}).json()["predictions"] == predict(client, ROW).json()["predictions"]
    )


def test_a_matrix_has_the_columns_that_the_model_names(client: TestClient) -> None:
    columns = client.get("/models/live", headers=KEY).json()["columns"]
    assert columns == ["when", "unit", "f", "x"]
    response = client.post("/predict/live", json={"features": [[NEXT, "A", 1, 1]]}, headers=KEY)
    assert response.json()["predictions"] == predict(client, ROW).json()["predictions"]


def test_an_entity_by_key_is_its_newest_reading_and_its_lags(
    station: Station, champions: Champions, client: TestClient
) -> None:
    expected = {(at, unit): value for at, unit, value in batch(station).iter_rows()}
    for day in (0, 1):
        read_again(station, NOW + timedelta(days=day))
        champions.refresh()
        newest = TABLE.filter(pl.col("when") <= NOW + timedelta(days=day))["when"].max()
        assert isinstance(newest, datetime)
        response = predict(client, {"unit": "A"}, row(newest, "B"))
        assert response.status_code == 200, response.text
        wanted = [expected[newest, "A"], expected[newest, "B"]]
        assert response.json()["predictions"] == pytest.approx(wanted, rel=1e-9)
        instants = response.json()["readings_at"]
        assert datetime.fromisoformat(instants[0]) == newest
        assert instants[1] is None
    unknown = predict(client, {"unit": "Z"})
    assert unknown.status_code == 422
    assert "no stored reading of unit 'Z'; there are some of A, B" in unknown.json()["detail"]


def test_features_that_differ_from_the_batch_are_a_metric(
    station: Station, champions: Champions, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compared() -> list[str]:
        text = client.get("/metrics", headers=KEY).text
        return [line for line in text.splitlines() if line.startswith("mlops_feature_rows")]

    read_again(station, NOW + timedelta(days=1))
    data.build_features(station.spec, station.platform, station.run("dagster"))
    champions.refresh()
    assert compared() == [
        'mlops_feature_rows_compared{model="live"} 2.0',
        'mlops_feature_rows_differing{model="live"} 0.0',
    ]
    online = features.online
    monkeypatch.setattr(
        features,
        "online",
        lambda *arguments: online(*arguments).with_columns(
            f_lag_1=pl.when(pl.col("unit") == "A").then(0.0).otherwise(pl.col("f_lag_1"))
        ),
    )
    read_again(station, NOW + timedelta(days=2))
    data.build_features(station.spec, station.platform, station.run("dagster"))
    champions.refresh()
    assert compared()[1] == 'mlops_feature_rows_differing{model="live"} 1.0'
