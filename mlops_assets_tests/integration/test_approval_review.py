"""The review page over HTTP: who is let in, what is recorded, what is refused."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_site import site_folder, write_site
from mlops_assets.lifecycle.monitoring_report import write_monitoring_report
from mlops_assets.lifecycle.week import week_report, write_week_report
from mlops_assets.model_file import read_folder
from mlops_assets.review.app import create_review, review_key
from mlops_assets.review.sessions import FREE_ATTEMPTS, LONGEST_SESSION, LONGEST_WAIT, Sessions
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, Station, begin

KEY = "review-key"
ORIGIN = {"origin": "http://127.0.0.1"}


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    station = begin(tmp_path, ledger)
    station.challenge()
    station.with_gates(*GATES, "approval")
    (station.platform.settings.models / "station.yaml").write_text(station.spec.model_dump_json())
    return station


@pytest.fixture
def browser(station: Station) -> TestClient:
    return TestClient(
        create_review(station.platform, KEY, station.run), base_url="http://127.0.0.1", follow_redirects=False
    )


def sign_in(browser: TestClient, key: str = KEY, **headers: str) -> int:
    data = {"name": "Ann <b>", "key": key}
    return browser.post("/login", data=data, headers=headers or ORIGIN).status_code


def token(page: str) -> str:
    match = re.search(r'name="token" value="([^"]+)"', page)
    assert match
    return match[1]


def say(browser: TestClient, path: str, verdict: str, comment: str = "seen", **more: Any) -> Any:
    data = {"token": token(browser.get("/").text), "verdict": verdict, "comment": comment} | more
    return browser.post(path, data=data, headers=ORIGIN)


def test_nothing_is_shown_without_the_key(station: Station, browser: TestClient) -> None:
    _, evidence_hash, _ = station.challenge()
    for path in ("/", f"/station/{evidence_hash}"):
        response = browser.get(path)
        login = "/login" if path == "/" else f"/login?page={path}"
        assert (response.status_code, response.headers["location"]) == (303, login)
    assert sign_in(browser, "wrong") == 401
    assert browser.get("/").status_code == 303
    assert (
        browser.post(f"/station/{evidence_hash}", data={"verdict": "approve"}, headers=ORIGIN).status_code
        == 303
    )
    assert station.champion() == 1
    assert sign_in(browser) == 303
    assert browser.get("/").status_code == 200


def test_a_link_opens_its_page_after_the_sign_in_and_no_other_site(browser: TestClient) -> None:
    def opened(page: str) -> str:
        data = {"name": "Ann", "key": KEY, "page": page}
        return browser.post("/login", data=data, headers=ORIGIN).headers["location"]

    assert 'value="/station/abc"' in browser.get("/login?page=/station/abc").text
    assert opened("/station/abc") == "/station/abc"
    for page in (
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/station?x=1",
        "/a b",
        "javascript:1",
    ):
        assert opened(page) == "/", page


def test_pages_of_great_expectations_are_served_to_who_is_signed_in(
    station: Station, browser: TestClient
) -> None:
    folder = station.platform.settings.home / "docs" / "station"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("<p>12 rules, 0 failed</p>")
    (folder.parent / "other.html").write_text("not a page of a model")
    path = "/station/data_quality/index.html"
    assert browser.get(path).headers["location"] == f"/login?page={path}"
    sign_in(browser)
    page = browser.get(path)
    assert page.text == "<p>12 rules, 0 failed</p>"
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for wrong in (
        "/station/data_quality/..%2Fother.html",
        "/../data_quality/other.html",
        "/pump/data_quality/index.html",
    ):
        assert browser.get(wrong).status_code == 404, wrong


def test_the_monitoring_report_is_served_with_its_export(station: Station, browser: TestClient) -> None:
    sign_in(browser)
    missing = browser.get("/station/monitoring")
    assert (missing.status_code, "mlops monitoring station" in missing.text) == (404, True)
    write_monitoring_report(station.spec, station.platform, station.now)
    page = browser.get("/station/monitoring")
    assert page.status_code == 200
    assert "Unknown: station" in page.text
    export = browser.get("/station/monitoring/monitoring.json")
    assert export.json()["health"]["diagnosis"] == "unknown"
    assert browser.get("/..%2Fstation/monitoring").status_code == 404


def test_the_weekly_report_is_served(station: Station, browser: TestClient) -> None:
    assert browser.get("/week").headers["location"] == "/login?page=/week"
    sign_in(browser)
    assert "mlops week" in browser.get("/week").text
    write_week_report(station.platform, week_report([station.spec], station.platform, station.run(), {}))
    assert "station" in browser.get("/week").text


def test_the_site_of_all_models_is_served(station: Station, browser: TestClient) -> None:
    assert browser.get("/docs/index.html").headers["location"] == "/login?page=/docs/index.html"
    sign_in(browser)
    assert browser.get("/docs").headers["location"] == "/docs/index.html"
    assert "mlops docs" in browser.get("/docs/index.html").text
    platform = station.platform
    write_site(
        site_folder(platform.settings.home), read_folder(platform.settings.models), platform, station.now
    )
    assert 'href="models/station.html"' in browser.get("/docs/index.html").text
    assert "Efficiency of two pumps" in browser.get("/docs/models/station.html").text
    for wrong in ("/docs/models/pump.html", "/docs/..%2Fstation.html", "/docs/models/..%2F..%2Freport.html"):
        assert browser.get(wrong).status_code == 404, wrong


def test_approve_in_the_browser(station: Station, browser: TestClient) -> None:
    version, evidence_hash, _ = station.challenge()
    sign_in(browser)
    path = f"/station/{evidence_hash}"
    assert path in browser.get("/").text
    page = browser.get(path)
    assert page.text.count('name="verdict"') == 3
    assert evidence_hash in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    response = say(browser, path, "approve", "plots <i>fine</i>")
    assert (response.status_code, response.headers["location"]) == (303, path)
    assert station.champion() == version
    entry = station.platform.ledger.history("station")[0]
    assert entry.actor == "Ann <b>"
    after = browser.get(path).text
    assert "Approved by Ann &lt;b&gt;" in after
    assert "<i>fine" not in after
    assert 'name="verdict"' not in after
    assert "Nothing waits" in browser.get("/").text


@pytest.mark.parametrize("verdict, name", [("reject", "Rejected"), ("defer", "Deferred")])
def test_a_no_needs_words(station: Station, browser: TestClient, verdict: str, name: str) -> None:
    _, evidence_hash, _ = station.challenge()
    sign_in(browser)
    refused = say(browser, f"/station/{evidence_hash}", verdict, " ")
    assert refused.status_code == 409
    assert "needs a comment" in refused.text
    assert say(browser, f"/station/{evidence_hash}", verdict, "noise").status_code == 303
    assert f"{name} by" in browser.get(f"/station/{evidence_hash}").text
    assert station.champion() == 1
    assert len(station.platform.ledger.open_requests("station")) == (verdict == "defer")


def test_stale_evidence_is_refused_in_words(station: Station, browser: TestClient) -> None:
    trained = station.train()
    old = station.judge(trained)
    station.apply_decision(trained.version, old)
    sign_in(browser)
    station.judge(trained, rmse=0.8)
    refused = say(browser, f"/station/{old}", "approve")
    assert refused.status_code == 409
    assert "was evaluated again since" in refused.text
    assert "no evidence" in say(browser, f"/station/{'e' * 64}", "approve").text
    assert say(browser, f"/station/{old[:16]}", "approve").status_code == 400
    assert station.champion() == 1


def test_other_sites_cannot_answer(station: Station, browser: TestClient) -> None:
    _, evidence_hash, _ = station.challenge()
    sign_in(browser)
    path, good = f"/station/{evidence_hash}", token(browser.get("/").text)
    data = {"token": good, "verdict": "approve"}
    for headers in ({"origin": "http://evil.example"}, {"origin": "null"}, {}):
        assert browser.post(path, data=data, headers=headers).status_code == 403
    assert browser.post(path, data=data | {"token": "x"}, headers=ORIGIN).status_code == 403
    assert browser.get("/", headers={"host": "evil.example"}).status_code == 400
    assert browser.post(path, data=data | {"comment": "x" * 70_000}, headers=ORIGIN).status_code == 413
    assert station.champion() == 1
    cookie = (
        browser.post("/login", data={"name": "a", "key": KEY}, headers=ORIGIN).headers["set-cookie"].lower()
    )
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_the_key_is_made_once_for_its_owner_only(station: Station) -> None:
    settings = station.platform.settings
    key = review_key(settings)
    assert len(key) >= 32
    assert review_key(settings) == key
    assert stat.S_IMODE((settings.home / "review_key").stat().st_mode) == 0o600


def test_wrong_keys_have_to_wait_longer_each_time() -> None:
    now = 0.0
    sessions = Sessions(KEY, lambda: now)
    for _ in range(FREE_ATTEMPTS):
        assert sessions.wait() == 0
        assert sessions.sign_in("Ann", "wrong") is None
    waits = []
    for _ in range(12):
        waits.append(sessions.wait())
        now += waits[-1]
        assert sessions.sign_in("Ann", "wrong") is None
    assert waits == [min(2.0**number, LONGEST_WAIT) for number in range(12)]
    now += LONGEST_WAIT
    assert sessions.sign_in("Ann", KEY) is not None
    assert sessions.wait() == 0


def test_wrong_keys_are_refused_without_being_tried(station: Station, browser: TestClient) -> None:
    codes = [sign_in(browser, "wrong") for _ in range(10)]
    assert codes == [401] * FREE_ATTEMPTS + [429] * (10 - FREE_ATTEMPTS)
    assert sign_in(browser) == 429


def test_many_wrong_keys_are_one_alert(station: Station, browser: TestClient) -> None:
    def alerts() -> list[str]:
        return [one.message for one in station.platform.ledger.alerts() if one.kind == "wrong_review_keys"]

    for _ in range(9):
        sign_in(browser, "wrong")
    assert alerts() == []
    for _ in range(291):
        sign_in(browser, "wrong")
    (message,) = alerts()
    assert "change the key" in message


def test_a_session_ends() -> None:
    now = 0.0
    sessions = Sessions(KEY, lambda: now)
    cookie = sessions.sign_in("Ann", KEY)
    assert cookie is not None
    assert sessions.find(cookie) is not None
    now = LONGEST_SESSION
    assert sessions.find(cookie) is None
