"""Values and names from data stay text in the data-quality pages, whatever the library does with them."""

from __future__ import annotations

import shutil
import subprocess
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.validation import expectations
from mlops_assets.validation.safe_html import ATTRIBUTES, ELEMENTS, sanitize
from mlops_assets_tests.unit.features.feature_factory import START, model, readings

SET_TITLE = "document.title='executed'"
COLUMN = f'<img src=x onerror="{SET_TITLE}">'
VALUES = [f"</td><svg onload={SET_TITLE}>", f"\"'><script>{SET_TITLE}</script>", "$&amp; {{7*7}} <b>"]
OURS = ELEMENTS | {"html", "head", "meta", "title", "style", "body", "a"}


class Page(HTMLParser):
    """All elements, attributes and text of a page, as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs if tag not in ("meta", "html")}

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of a table with a hostile column name and hostile categories."""
    pytest.importorskip("great_expectations")
    rows = readings(60).rename({"b": COLUMN})
    hostile = pl.Series([VALUES[index // 9 % 3] if index % 9 == 0 else "red" for index in range(rows.height)])
    spec = model(
        validation={
            "min_rows": 10,
            "columns": {COLUMN: {"min": 0}, "kind": {"values": ["red", f"<i onclick={SET_TITLE}>"]}},
        }
    )
    folder = tmp_path_factory.mktemp("docs") / "pages"
    as_of = START + timedelta(days=20)
    results = expectations.run(spec, rows.with_columns(kind=hostile), folder, as_of=as_of)
    assert not all(result.passed for result in results)
    return folder


def test_hostile_names_and_values_are_visible_text(pages: Path) -> None:
    for file in sorted(pages.glob("*.html")):
        page = Page(file.read_text(encoding="utf-8"))
        assert page.elements <= OURS, file.name
        assert page.attributes <= ATTRIBUTES | {"href"}, file.name
    readings_page = Page((pages / "readings.html").read_text(encoding="utf-8"))
    assert COLUMN in readings_page.text
    assert all(value in readings_page.text for value in VALUES)


def test_nothing_runs_in_a_browser(pages: Path, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    for file in sorted(pages.glob("*.html")):
        result = subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={tmp_path}",
                "--dump-dom",
                file.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert "<title>" in result.stdout, result.stderr[-500:]
        assert "<title>executed</title>" not in result.stdout, file.name
        assert "<img" not in result.stdout
        assert "<script" not in result.stdout


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ("<p class=a onclick=b>x</p>", '<p class="a">x</p>'),
        ("<object data=x>y", "&lt;object data=x&gt;y"),
        ("a<script>b</script>c", "ac"),
        ("1 < 2 &amp; &#60;b&#62;", "1 &lt; 2 &amp; &#60;b&#62;"),
        ('<td title="<img onerror=x>">v</td>', "<td>v</td>"),
        ("<svg/onload=x>", "&lt;svg/onload=x&gt;"),
        ("<a href='javascript:x'>link</a>", "link"),
    ],
)
def test_only_known_elements_and_attributes_stay(html: str, expected: str) -> None:
    assert sanitize(html) == expected
