"""Names, categories and reasons from data stay text in the gate report, the review page and Dagster's tables."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from markdown_it import MarkdownIt
from pydantic import JsonValue

from mlops_assets import promotion, reports, stages
from mlops_assets.artifacts import (
    Candidate,
    ClassRow,
    Evidence,
    Explanation,
    Fact,
    HealthReport,
    MonitoringReport,
    RuleResult,
    TableVersion,
)
from mlops_assets.defs import checks
from mlops_assets.defs.metadata import rows_table
from mlops_assets.features import Feature
from mlops_assets.ledger import Approval, HistoryEntry
from mlops_assets.lifecycle.approvals.verdicts import Subject
from mlops_assets.lifecycle.records import ReportRecord, ValidatedRecord
from mlops_assets.model_file import BrokenFile, Problem
from mlops_assets.model_file.explained import ExplainedKey
from mlops_assets.reports.model_facts import LedgerFacts, ModelFacts
from mlops_assets.review import pages as review
from mlops_assets.review.sessions import Session
from mlops_assets_tests.unit.promotion.evidence_factory import START, evaluation_of, evidence_of, spec_with
from mlops_assets_tests.waiting import patience

SET_TITLE = "document.title='executed'"
OUTSIDE = "stranger.invalid"
COLUMN = f'<img src=x onerror="{SET_TITLE}">'
ENTITY = f"\"'></title></style></td><script>{SET_TITLE}</script>"
CATEGORY = f"a | b </pre><svg onload={SET_TITLE}> ![pixel](http://{OUTSIDE}/pixel.png) [read](javascript:{SET_TITLE})"
ESCAPED_BY_DATA = (
    f"\\![pixel](http://{OUTSIDE}/a.png) \\[read](http://{OUTSIDE}/b) \\| \\\\[c](http://{OUTSIDE}/c)"
)
BLOCK = f"[read]: javascript:{SET_TITLE}\n\n{COLUMN}\n\n    {ENTITY}"
HOSTILE = (COLUMN, ENTITY, CATEGORY, ESCAPED_BY_DATA)
SPEC = spec_with(
    [{"beats_champion": {"metric": "rmse"}}, "approval"], target=COLUMN, entity=ENTITY, description=BLOCK
)
HASH = "e" * 64
SESSION = Session(ENTITY, "token", 0.0)


class Careless(MarkdownIt):
    """A renderer that makes a link of every address, also of scripts."""

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the library's name
        return bool(url)


class Page(HTMLParser):
    """The elements, attributes and text of a page, as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(value or "")

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_evidence() -> Evidence:
    """Evidence in which every text that comes from the table or its names is hostile."""
    rows: list[dict[str, JsonValue]] = [
        {"column": COLUMN, "value": value, "rows": 40, "metric": "rmse", "challenger": 2.0, "champion": 1.0}
        for value in HOSTILE
    ]
    measured = replace(
        evaluation_of(0.9, 1.0),
        explanation=Explanation(CATEGORY, 500, tuple((name, 1.0) for name in HOSTILE)),
        classes=tuple(ClassRow(label, 10, {"precision": 0.5}, None) for label in HOSTILE),
        slices=tuple(rows),
        notes=HOSTILE,
        warnings=(*HOSTILE, BLOCK),
    )
    evidence = evidence_of(measured, SPEC, algorithm=COLUMN)
    gates = promotion.evaluate_gates(SPEC, evidence)
    return replace(evidence, gates=tuple(replace(gate, reason=BLOCK + ESCAPED_BY_DATA) for gate in gates))


def rendered(text: str) -> str:
    """Return the HTML of Markdown in the most careless renderer: raw HTML passes, every address is a link."""
    renderer = Careless("commonmark", {"html": True}).enable("table")
    return f"<!doctype html><title>report</title>{renderer.render(text)}"


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """HTML by name of the page."""
    evidence = hostile_evidence()
    decision = replace(
        promotion.decide(SPEC, evidence.gates, evidence.champion), reason=BLOCK + ESCAPED_BY_DATA
    )
    subject = Subject("pump", HASH, evidence, decision, START, waits=True)
    lapsed = replace(subject, waits=False, problem=BLOCK)
    approval = Approval(HASH, "approve", ENTITY, COLUMN, START, None)
    more: dict[str, Any] = {
        "history": [{"reason": value, "actor": ENTITY} for value in (*HOSTILE, BLOCK)],
        "candidates": [Candidate(COLUMN, {}, "failed", 0.0, {}, value) for value in HOSTILE],
    }
    health = HealthReport(
        "pump", None, START, "unknown", BLOCK, START, COLUMN, (Fact(ENTITY, "bad", COLUMN),)
    )
    entry = HistoryEntry(1, "pump", START, ENTITY, "kept", None, None, 1, 1, None, BLOCK)
    ledger = LedgerFacts(
        None, None, (evidence,), {}, (entry,), MonitoringReport("pump", START, health, None, ()), 1
    )
    keys = tuple(ExplainedKey(value, 1, value, BLOCK) for value in HOSTILE)
    features = tuple(Feature(value, "inputs", HOSTILE, CATEGORY) for value in HOSTILE)
    facts = ModelFacts(SPEC, COLUMN, keys, features, True, ledger)
    broken = BrokenFile(Path("x.yaml"), ENTITY, (Problem("x.yaml", 1, COLUMN, BLOCK),))
    markdown = reports.markdown(evidence, decision, HASH, primary="rmse", waivers=HOSTILE, **more)
    return {
        "markdown": rendered(markdown),
        "report": reports.html(SPEC, evidence, decision, HASH, {}, **more),
        "review": reports.html(
            SPEC, evidence, decision, HASH, {}, actions=review.actions(lapsed, approval, SESSION)
        ),
        "lapsed": reports.html(
            SPEC, evidence, decision, HASH, {}, actions=review.actions(lapsed, None, SESSION)
        ),
        "model": re.sub(
            r"<figure>.*?</figure>", "", reports.model_html(facts, START)
        ),  # its plot of versions
        "models": reports.models_html([facts], [broken], HOSTILE, START),
        "waiting": review.waiting([subject, lapsed], SESSION),
        "message": review.message(COLUMN, ENTITY),
        "login": review.login(COLUMN + ENTITY),
    }


def test_hostile_names_and_values_are_visible_text(pages: dict[str, str]) -> None:
    for name, html in pages.items():
        page = Page(html)
        assert not page.elements & {"img", "svg", "script", "iframe", "object"}, name
        assert not [key for key in page.attributes if key.startswith("on")], name
        addresses = page.attributes.get("href", set()) | page.attributes.get("src", set())
        assert not [one for one in addresses if OUTSIDE in one or "script" in one], name
    for name in ("markdown", "report"):
        text = Page(pages[name]).text
        assert [value for value in HOSTILE if value not in text] == [], name


def test_nothing_runs_in_a_browser(pages: dict[str, str], tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    for name, html in pages.items():
        file = tmp_path / f"{name}.html"
        file.write_text(html, encoding="utf-8")
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'p'}",
        ]
        result = subprocess.run(
            [*command, "--dump-dom", file.as_uri()],
            capture_output=True,
            text=True,
            timeout=patience(100),
            check=False,
        )
        assert "<title>" in result.stdout, result.stderr[-500:]
        assert "<title>executed</title>" not in result.stdout, name


def test_a_hostile_value_stays_in_its_own_cell(pages: dict[str, str]) -> None:
    rows = [row.split("<td>")[1:] for row in pages["markdown"].split("<tr>") if "<td>rmse</td>" in row]
    slices = [[Page(cell).text.strip() for cell in row] for row in rows if len(row) == 7]
    assert {row[1] for row in slices} == set(HOSTILE)
    assert {row[2] for row in slices} == {"40"}


def test_dagster_receives_values_of_tables_as_plain_text() -> None:
    value = rows_table([{COLUMN: text, "row": {ENTITY: text}} for text in HOSTILE])
    assert isinstance(value, dg.TableMetadataValue)
    assert [record.data[COLUMN] for record in value.records] == list(HOSTILE)
    assert {column.type for column in value.schema.columns} == {"string"}


def test_dagster_receives_descriptions_without_markup_and_the_sentence_itself_as_metadata() -> None:
    """Dagster renders the descriptions of checks and materializations as Markdown, images included."""
    evidence = hostile_evidence()
    decision = promotion.decide(SPEC, evidence.gates, evidence.champion)
    table = TableVersion("pump", "features", 1, "c" * 64, 3, ("x",))
    rules = tuple(RuleResult("rule", None, False, True, None, None, 1, value) for value in HOSTILE)
    report = ReportRecord("pump", 2, HASH, decision, evidence.gates, (), "", (), table, START)
    validated = ValidatedRecord(table, None, rules, False, START)
    shown = [
        *checks.results(SPEC, stages.EVALUATION_REPORT, report),
        *checks.results(SPEC, stages.VALIDATED_DATA, validated),
    ]
    sentences = [*(gate.reason for gate in evidence.gates), *HOSTILE]
    for check, sentence in zip(shown, sentences, strict=True):
        page = Page(rendered(check.description or ""))
        assert not page.elements & {"img", "a", "svg", "script"}, check.description
        assert check.metadata["reason"].value == sentence
