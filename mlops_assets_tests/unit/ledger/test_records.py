from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from mlops_assets.artifacts.performance import Maturity
from mlops_assets.errors import EvidenceError, LedgerError, LostRaceError
from mlops_assets.ledger import Ledger, Performance, SensorAlert
from mlops_assets.ledger.canonical import canonical_text, parse

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
M = "pump"


def version(ledger: Ledger) -> int:
    return ledger.new_version(M, AT, data_versions={"raw": 3}, seed=42, code_commit="abc").version


# versions


def test_versions_are_numbered_per_model(ledger: Ledger) -> None:
    assert [version(ledger), version(ledger), ledger.new_version("wine", AT).version] == [1, 2, 1]
    assert ledger.models() == ("pump", "wine")
    record = ledger.model_version(M, 2)
    assert (record.status, record.data_versions, record.seed) == ("challenger", {"raw": 3}, 42)
    assert [one.version for one in ledger.versions(M)] == [2, 1]
    assert ledger.versions(M, "champion") == ()
    with pytest.raises(LedgerError, match="no version 3: it has versions 1 to 2"):
        ledger.model_version(M, 3)
    with pytest.raises(LedgerError, match="knows no version of it"):
        ledger.model_version("nothing", 1)


def test_a_bundle_is_written_once(ledger: Ledger) -> None:
    number = version(ledger)
    bundle = {"bundle_path": "a", "manifest_sha256": "0" * 64, "mlflow_run_id": "r1"}
    record = ledger.record_bundle(M, number, **bundle)
    assert ledger.record_bundle(M, number, **bundle) == record  # a retried step
    assert (record.bundle_path, record.mlflow_run_id) == ("a", "r1")
    with pytest.raises(LedgerError, match="already written and does not change"):
        ledger.record_bundle(M, number, bundle_path="b", manifest_sha256="0" * 64)


def test_times_need_a_zone(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no time zone"):
        ledger.new_version(M, datetime(2026, 1, 1))  # noqa: DTZ001


# evidence


AWKWARD: dict[str, Any] = {
    "metrics": {"rmse": math.nan, "mae": math.inf, "bias": -math.inf, "huge": 1e22, "tiny": 5e-324},
    "zero": -0.0,
    "whole": 1.0,
    "count": 2**70,
    "text": 'Größe \\ " \U0001f600',
    "rows": [1, 2.5, None, True, {"a": []}],
}


def test_evidence_comes_back_as_it_was(ledger: Ledger) -> None:
    number = version(ledger)
    hash_ = ledger.record_evidence(M, number, AWKWARD, AT)
    record = ledger.evidence(hash_)
    assert canonical_text(record.body) == canonical_text({**AWKWARD, "model": M, "version": number})
    assert repr(record.body["rows"]) == repr(AWKWARD["rows"])
    assert (record.body["text"], record.body["count"]) == (AWKWARD["text"], AWKWARD["count"])
    assert (
        repr([record.body["metrics"][name] for name in AWKWARD["metrics"]])
        == "[nan, inf, -inf, 1e+22, 5e-324]"
    )
    assert (repr(record.body["zero"]), repr(record.body["whole"])) == ("-0.0", "1.0")
    assert record.at == AT


def test_the_same_evidence_is_stored_once(ledger: Ledger) -> None:
    number = version(ledger)
    one = ledger.record_evidence(M, number, {"a": 1, "b": [1, 2]}, AT)
    assert ledger.record_evidence(M, number, {"b": (1, 2), "a": 1}, LATER) == one
    assert len(ledger.evidence_of(M, number)) == 1
    assert ledger.record_evidence(M, number, {"a": 2, "b": [1, 2]}, AT) != one
    assert ledger.record_evidence(M, version(ledger), {"a": 1, "b": [1, 2]}, AT) != one


@pytest.mark.parametrize(
    "body, message",
    [
        ({"at": AT}, "record.at is a datetime"),
        ({"rows": [1, {2}]}, r"record.rows\[1\] is a set"),
        ({"m": {1: 2}}, "record.m has the key 1 of type int"),
        ({"m": {"$number": "NaN"}}, r"uses the key '\$number'"),
        ({"text": "a\x00b"}, "record.text contains a NUL"),
        ({"\ud800": 1}, "surrogate"),
        ({"model": "wine"}, "names model 'wine' but was recorded for 'pump'"),
        ({"version": 7}, "names version 7"),
    ],
)
def test_evidence_that_cannot_be_written(ledger: Ledger, body: dict[str, Any], message: str) -> None:
    number = version(ledger)
    with pytest.raises(EvidenceError, match=message):
        ledger.record_evidence(M, number, body, AT)
    assert ledger.evidence_of(M, number) == ()


def test_numpy_floats_are_floats_and_other_scalars_are_refused() -> None:
    np = pytest.importorskip("numpy")
    assert canonical_text({"x": np.float64(0.1)}) == '{"x":0.1}'
    with pytest.raises(EvidenceError, match=r"record\.x is a int64"):
        canonical_text({"x": np.int64(1)})
    assert parse('{"x":{"$number":"-Infinity"}}') == {"x": -math.inf}


# records between steps


def test_records_of_a_run_and_the_latest(ledger: Ledger) -> None:
    assert ledger.get_record("pump/features", "r1") is None
    ledger.put_record("pump/features", "r1", {"rows": 1}, AT)
    ledger.put_record("pump/features", "r2", {"rows": 2, "rmse": math.inf}, LATER)
    ledger.put_record("pump/features", "r1", {"rows": 3}, AT)
    assert ledger.get_record("pump/features", "r1") == {"rows": 3}
    assert ledger.get_record("pump/features", "unknown") == {"rows": 2, "rmse": math.inf}
    assert ledger.get_record("pump/features") == {"rows": 2, "rmse": math.inf}
    assert ledger.get_record("pump/features", "unknown", exact=True) is None
    assert ledger.get_record("pump/features", "r1", exact=True) == {"rows": 3}
    assert ledger.get_record("wine/features") is None


# requests


def test_a_cause_is_requested_once(ledger: Ledger) -> None:
    assert ledger.request_retrain(M, "drift:2026-03-01", "drift", {"psi": 0.3}, AT)
    assert not ledger.request_retrain(M, "drift:2026-03-01", "drift", {"psi": 0.4}, LATER)
    assert ledger.request_retrain("wine", "drift:2026-03-01", "drift", {}, AT)
    (request,) = ledger.open_requests(M)
    assert (request.detail, request.state, request.requested_at) == ({"psi": 0.3}, "open", AT)
    assert ledger.claim_request(M, request.key, "run1")
    assert not ledger.claim_request(M, request.key, "run2")
    assert ledger.claim_request(M, request.key, "run1")
    with pytest.raises(LedgerError, match="another run"):
        ledger.finish_request(M, request.key, "failed", LATER, "run2")
    assert not ledger.request_retrain(M, "staleness", "staleness", {}, AT)  # one retrain of a model at a time
    assert ledger.open_requests(M)[0].run_id == "run1"
    ledger.finish_request(M, request.key, "done", LATER)
    ledger.finish_request(M, request.key, "done", LATER)
    with pytest.raises(LedgerError, match="is already done"):
        ledger.finish_request(M, request.key, "failed", LATER)
    with pytest.raises(LedgerError, match="is unknown"):
        ledger.finish_request(M, "no such", "done", LATER)
    assert ledger.open_requests(M) == ()
    assert not ledger.request_retrain(M, request.key, "drift", {}, LATER)
    assert ledger.retrain_requests(M)[0].finished_at == LATER
    assert ledger.request_retrain(M, "staleness", "staleness", {}, LATER)
    ledger.finish_request(M, "staleness", "dropped", LATER)
    assert ledger.claim_request(M, request.key, "run1")  # the same run repeated from its failure
    assert not ledger.claim_request(M, "nobody asked", "run2")
    assert len(ledger.open_requests()) == 1


# alerts


def test_an_alert_is_raised_once(ledger: Ledger) -> None:
    def raise_it() -> bool:
        return ledger.raise_alert(
            "run:1:failed", model=M, kind="run_failed", severity="error", message="it failed", at=AT
        )

    assert [raise_it(), raise_it()] == [True, False]
    (alert,) = ledger.alerts(M, open_only=True)
    assert (alert.message, alert.acknowledged_at) == ("it failed", None)
    assert [ledger.acknowledge_alert(alert.key, "ann", LATER) for _ in range(2)] == [True, False]
    assert ledger.alerts(open_only=True) == ()
    assert ledger.alerts()[0].acknowledged_by == "ann"
    with pytest.raises(LedgerError, match="severity"):
        ledger.raise_alert("x", model=None, kind="k", severity="terrible", message="", at=AT)


def test_a_lasting_flag_is_one_line(ledger: Ledger) -> None:
    def sensor_alert(end: datetime, readings: int) -> SensorAlert:
        return SensorAlert("p1:cavitation:1", M, "p1", "cavitation", AT, end, readings, "cavitation")

    assert ledger.log_sensor_alerts([sensor_alert(AT, 1)]) == 1
    assert ledger.log_sensor_alerts([sensor_alert(LATER, 12), sensor_alert(LATER, 12)]) == 0
    assert ledger.log_sensor_alerts([sensor_alert(AT, 1)]) == 0
    assert ledger.log_sensor_alerts([]) == 0
    assert ledger.sensor_alerts(M) == (sensor_alert(LATER, 12),)


# performance, watermarks


def test_performance_keeps_the_first_and_knows_its_week(ledger: Ledger) -> None:
    row = Performance(M, 1, AT, "rmse", "live", 1.5, 100)
    assert ledger.record_performance([row, Performance(M, 1, LATER, "rmse", "live", 1.6, 90)]) == 2
    assert ledger.record_performance([row]) == 0
    assert ledger.record_performance([]) == 0
    record = ledger.performance(M, metric="rmse", split="live")
    assert [(one.value, one.week) for one in record] == [(1.5, date(2026, 2, 23)), (1.6, date(2026, 2, 23))]
    assert ledger.performance(M, since=LATER)[0].value == 1.6
    for value in (math.nan, math.inf):
        with pytest.raises(LedgerError, match="only finite values"):
            ledger.record_performance([Performance(M, 1, AT, "rmse", "live", value, 1)])


def test_each_value_of_a_window_is_kept_in_order(ledger: Ledger) -> None:
    week, day = timedelta(days=7), timedelta(days=1)

    def measured(days: int, value: float, state: Maturity, window: timedelta = week) -> int:
        row = Performance(M, 1, AT, "rmse", "live", value, 90, window, state, AT + days * day)
        return ledger.record_performance([row])

    assert measured(1, 1.0, "provisional") == 1
    assert measured(2, 1.0, "provisional") == 0  # nothing changed
    assert measured(3, 1.0, "mature") == 1
    assert measured(4, 1.5, "restated") == 1
    assert measured(5, 1.5, "restated") == 0
    assert measured(2, 1.0, "provisional") == 0  # a report about an earlier instant is no news
    assert measured(6, 7.0, "mature", timedelta(days=14)) == 1  # another window that ends then
    rows = ledger.performance(M)
    assert [(one.restatement, one.state, one.value) for one in rows if one.window == week] == [
        (0, "provisional", 1.0),
        (1, "mature", 1.0),
        (2, "restated", 1.5),
    ]
    assert [one.restatement for one in rows if one.window != week] == [0]


def test_watermarks(ledger: Ledger) -> None:
    assert ledger.watermark(M, "readings_wide") is None
    ledger.set_watermark(M, "readings_wide", "2026-03-01", AT)
    ledger.set_watermark(M, "readings_wide", "2026-03-02", AT)
    assert ledger.watermark(M, "readings_wide") == "2026-03-02"


# predictions


def frame(n: int, start: datetime = AT, **columns: Any) -> pl.DataFrame:
    at = [start + timedelta(minutes=i, microseconds=i) for i in range(n)]
    data: dict[str, Any] = {"entity": [f"p{i % 3}" for i in range(n)], "at": at}
    return pl.DataFrame(data | {"value": [i / 7 for i in range(n)]} | columns)


def test_predictions_never_double(ledger: Ledger) -> None:
    assert ledger.last_prediction(M) is None
    assert ledger.store_predictions(M, 1, frame(50), predicted_at=LATER) == 50
    assert ledger.store_predictions(M, 1, frame(60), predicted_at=LATER) == 10
    assert ledger.store_predictions(M, 2, frame(60), predicted_at=LATER) == 60
    assert ledger.store_predictions(M, 2, frame(60).clear(), predicted_at=LATER) == 0
    record = ledger.predictions(M, since=AT, until=AT + timedelta(days=1), version=1)
    assert record.select("entity", "at", "value").equals(
        frame(60).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    )
    assert record["predicted_at"].unique().to_list() == [LATER]
    assert ledger.predictions(M, since=AT, until=AT).height == 0
    assert ledger.last_prediction(M) == frame(60)["at"].max()


def test_two_rows_of_one_instant_are_both_kept(ledger: Ledger) -> None:
    twice = pl.concat([frame(3), frame(3, value=[7.0, 8.0, 9.0])])
    assert ledger.store_predictions(M, 1, twice, predicted_at=LATER) == 6
    assert ledger.store_predictions(M, 1, twice, predicted_at=LATER) == 0
    record = ledger.predictions(M, since=AT, until=LATER)
    assert record["occurrence"].to_list() == [0, 1] * 3
    assert sorted(record["value"].to_list()) == sorted(twice["value"].to_list())


def test_intervals_are_kept(ledger: Ledger) -> None:
    rows = frame(2, low=[0.1, math.nan], high=[0.9, math.inf])
    assert ledger.store_predictions(M, 1, rows, predicted_at=LATER) == 2
    record = ledger.predictions(M, since=AT, until=LATER)
    assert (record["low"].to_list(), record["high"].to_list()) == ([0.1, None], [0.9, None])


def test_labels_and_missing_answers(ledger: Ledger) -> None:
    recorded = frame(2, value=[None, 0.5], label=['it\'s, "a" {b}', None])
    assert ledger.store_predictions(M, 1, recorded, predicted_at=LATER) == 2
    record = ledger.predictions(M, since=AT, until=LATER)
    assert record["value"].to_list() == [None, 0.5]
    assert record["label"].to_list() == ['it\'s, "a" {b}', None]


@pytest.mark.parametrize(
    "bad, message",
    [
        (frame(2).drop("value"), "missing: value"),
        (frame(2, value=[1.0, math.nan]), "1 values are NaN or infinite, the first for entity 'p1'"),
        (frame(2, entity=["a", None]), "1 rows have no entity"),
        (frame(2).with_columns(pl.col("at").dt.replace_time_zone(None)), "with a time zone"),
    ],
)
def test_bad_predictions_store_nothing(ledger: Ledger, bad: pl.DataFrame, message: str) -> None:
    with pytest.raises(LedgerError, match=message):
        ledger.store_predictions(M, 1, bad, predicted_at=LATER)
    assert ledger.last_prediction(M) is None


# approvals and waivers


def test_one_answer_per_evidence(ledger: Ledger) -> None:
    hash_ = ledger.record_evidence(M, version(ledger), {}, AT)
    assert ledger.approval(hash_) is None
    recorded = ledger.record_verdict(hash_, "approve", actor="ann", comment="good", at=AT, expires_at=LATER)
    assert ledger.record_verdict(hash_, "approve", actor="ann", comment="again", at=LATER) == recorded
    with pytest.raises(LostRaceError, match="ann decided 'approve'"):
        ledger.record_verdict(hash_, "reject", actor="bob", comment="no", at=LATER)
    assert ledger.approval(hash_) == recorded
    with pytest.raises(EvidenceError, match="holds no evidence"):
        ledger.record_verdict("0" * 64, "approve", actor="ann", comment="", at=AT)
    with pytest.raises(LedgerError, match="needs the name"):
        ledger.record_verdict(hash_, "approve", actor=" ", comment="", at=AT)


def test_waivers_expire_but_stay(ledger: Ledger) -> None:
    recorded = ledger.waive(M, "fairness", owner="ann", reason="no groups yet", at=AT, expires_at=LATER)
    assert ledger.waivers(M, AT) == (recorded,)
    assert ledger.waivers(M, LATER) == ()
    assert ledger.waivers(M) == (recorded,)
    with pytest.raises(LedgerError, match="needs an owner and a reason"):
        ledger.waive(M, "fairness", owner="ann", reason=" ", at=AT, expires_at=LATER)
    with pytest.raises(LedgerError, match="expired before it begins"):
        ledger.waive(M, "fairness", owner="ann", reason="x", at=AT, expires_at=AT)
