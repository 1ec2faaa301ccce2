"""The REST source against a real HTTP server that pages, demands a key, breaks and lies."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import polars as pl
import pytest

from mlops_assets.errors import SourceError
from mlops_assets.readings.sources.feed import catch_up
from mlops_assets.simulators.ad_sales import ad_sales
from mlops_assets_tests.unit.readings.reading_factory import AS_OF, read_model

pytestmark = pytest.mark.integration

ROWS: list[dict[str, Any]] = [{"t": f"2026-01-{day:02d}", "y": day} for day in range(1, 26)]
Response = tuple[int, Any, dict[str, str]]


@dataclass
class Service:
    """What the server answers, and what it was asked."""

    url: str
    response: Callable[[dict[str, str], str], Response]
    requests: list[dict[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def service() -> Iterator[Service]:
    pages = Service("", lambda requests, path: (200, ROWS, {}))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            requests = {name: values[0] for name, values in parse_qs(parts.query).items()}
            pages.requests.append(requests)
            pages.headers.append(dict(self.headers))
            status, body, headers = pages.response(requests, parts.path)
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, the library's name
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    pages.url = f"http://127.0.0.1:{server.server_address[1]}/rows"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield pages
    server.shutdown()
    server.server_close()
    thread.join()


def values(service: Service, **source: Any) -> list[int]:
    read = read_model(
        {"kind": "rest", "url": service.url, **source}, timestamp="t", environ={"API_KEY": "secret"}
    )
    return read.frame["y"].to_list()


ALL = list(range(1, 26))


def test_one_page_with_key_and_parameters(service: Service) -> None:
    service.response = lambda requests, path: (200, {"data": {"items": ROWS}}, {})
    source = {
        "records": "data.items",
        "key_env": "API_KEY",
        "params": {"unit": "m", "all": True},
        "since_param": "since",
        "window": "60d",
    }
    assert values(service, **source) == ALL
    assert service.headers[0]["Authorization"] == "Bearer secret"
    assert service.requests == [{"unit": "m", "all": "true", "since": "2025-12-31T07:13:30Z"}]


@pytest.mark.parametrize("cap", [10, 7])
@pytest.mark.parametrize("style, param", [("page", "page"), ("offset", "skip")])
def test_numbered_pages_also_when_the_service_returns_fewer_than_requested(
    service: Service, style: str, param: str, cap: int
) -> None:
    def response(requests: dict[str, str], path: str) -> Response:
        size = min(int(requests["limit"]), cap)
        at = (int(requests[param]) - 1) * size if style == "page" else int(requests[param])
        return 200, ROWS[at : at + size], {}

    service.response = response
    assert values(service, paging={"style": style, "param": param, "size": 10, "size_param": "limit"}) == ALL


def test_404_past_the_last_page_is_the_end(service: Service) -> None:
    service.response = lambda requests, path: (
        (200, ROWS, {}) if requests["page"] == "1" else (404, {"detail": "Invalid page"}, {})
    )
    assert values(service, paging={"style": "page"}) == ALL


def test_cursor(service: Service) -> None:
    def response(requests: dict[str, str], path: str) -> Response:
        at = int(requests.get("after", 0))
        return (
            200,
            {"rows": ROWS[at : at + 10], "meta": {"next": at + 10 if at + 10 < len(ROWS) else None}},
            {},
        )

    service.response = response
    assert (
        values(service, records="rows", paging={"style": "cursor", "param": "after", "cursor": "meta.next"})
        == ALL
    )
    service.response = lambda requests, path: (200, {"rows": ROWS, "meta": {"next": "same"}}, {})
    with pytest.raises(SourceError, match="go in circles"):
        values(service, records="rows", paging={"style": "cursor", "param": "after", "cursor": "meta.next"})


def test_link_header(service: Service) -> None:
    def response(requests: dict[str, str], path: str) -> Response:
        at = int(requests.get("at", 0))
        link = {"Link": f'</rows?at={at + 10}>; rel="next"'} if at + 10 < len(ROWS) else {}
        return 200, ROWS[at : at + 10], link

    service.response = response
    assert values(service, paging={"style": "link"}) == ALL
    service.response = lambda requests, path: (
        200,
        ROWS,
        {"Link": '<http://elsewhere.example/rows>; rel="next"'},
    )
    with pytest.raises(SourceError, match=r"another host \(elsewhere.example\)"):
        values(service, paging={"style": "link"})


def test_a_failing_service_is_retried(service: Service) -> None:
    service.response = lambda requests, path: (
        (200, ROWS, {}) if len(service.requests) > 2 else (503, "busy", {"Retry-After": "0"})
    )
    assert values(service) == ALL
    assert len(service.requests) == 3


@pytest.mark.parametrize(
    "response, source, message",
    [
        ((500, "down", {"Retry-After": "0"}), {"retries": 1}, "responds with 500 .*: down"),
        ((401, "", {}), {"key_env": "API_KEY"}, r"refuses access \(401\); check the key in API_KEY"),
        ((400, "unknown unit", {}), {}, "responds with 400 .*: unknown unit"),
        ((302, "", {"Location": "http://elsewhere.example/"}), {}, "redirect to http://elsewhere.example/"),
        ((200, "<html>", {"Content-Type": "text/html"}), {}, r"not JSON \(text/html, 6 bytes\)"),
        ((200, {"rows": []}, {}), {}, "the body is no list; its keys are rows"),
        ((200, {"rows": 1}, {}), {"records": "rows.items"}, "'rows.items' of the body is no list"),
        ((200, [1], {}), {}, "record 1 is int"),
        ((200, [], {}), {}, "gave no rows"),
        ((200, ROWS, {}), {"paging": {"style": "page", "param": "p"}}, "returned the previous page again"),
        ((200, ROWS, {}), {"key_env": "OTHER_KEY"}, "the environment variable OTHER_KEY"),
    ],
)
def test_refusals_never_show_the_key(
    service: Service, response: Response, source: dict[str, Any], message: str
) -> None:
    service.response = lambda requests, path: response
    with pytest.raises(SourceError, match=message) as caught:
        values(service, **source)
    assert "secret" not in str(caught.value)


def test_too_many_pages(service: Service) -> None:
    service.response = lambda requests, path: (200, [{"t": "2026-01-01", "y": int(requests["page"])}], {})
    with pytest.raises(SourceError, match="more than 3 pages"):
        values(service, paging={"style": "page"}, max_pages=3)


def test_sales_from_a_database_a_marketing_service_and_a_file(
    service: Service, postgres_url: str, tmp_path: Path
) -> None:
    """Merged on the date, though each writes it differently."""
    catch_up(postgres_url, "shop", "ad_sales", until=AS_OF, days=60)
    whole = ad_sales(AS_OF - timedelta(days=60), AS_OF)
    spend = [{"when": f"{row['date']:%Y-%m-%d}", "ad_spend": row["ad_spend"]} for row in whole.to_dicts()]
    service.response = lambda requests, path: (200, {"days": spend}, {})
    prices = whole.select(
        pl.col("date").dt.strftime("%d.%m.%Y"),
        pl.col("price").cast(pl.String).str.replace(".", ",", literal=True),
    )
    prices.write_csv(tmp_path / "prices.csv", separator=";")
    query = "select date::date as date, sales, competitor_price, promotions, holidays from shop"
    source = {
        "kind": "joined",
        "first": {"kind": "sql", "query": query, "window": "30d"},
        "join": [
            {
                "source": {"kind": "rest", "url": service.url, "records": "days", "key_env": "API_KEY"},
                "repairs": {"rename": {"when": "date"}},
                "on": ["date"],
                "how": "inner",
            },
            {
                "source": {"kind": "file", "path": str(tmp_path / "prices.csv"), "separator": ";"},
                "repairs": {"timestamp_format": "%d.%m.%Y", "decimal_comma": ["price"]},
                "on": ["date"],
            },
        ],
    }
    environ = {"MLOPS_READINGS_URL": postgres_url, "API_KEY": "secret"}
    read = read_model(source, target="sales", timestamp="date", environ=environ)
    columns = ["date", "sales", "price", "ad_spend", "competitor_price", "promotions", "holidays"]
    assert read.frame.select(columns).equals(whole.tail(30).select(columns))


def test_nobody_there() -> None:
    with pytest.raises(SourceError, match=r"cannot be reached after 2 tries"):
        read_model({"kind": "rest", "url": "http://127.0.0.1:1/rows", "retries": 1})
