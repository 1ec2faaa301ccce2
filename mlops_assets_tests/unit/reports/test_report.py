"""The report says the verdict first, shows every number, and lets nothing in a name or reason become markup."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from mlops_assets import promotion, reports
from mlops_assets.artifacts import (
    Candidate,
    ChampionRef,
    ClassRow,
    Comparison,
    Evidence,
    Explanation,
    Rival,
    from_json,
    to_json,
)
from mlops_assets.reports import tables
from mlops_assets.reports.numbers import number
from mlops_assets.reports.rendering import render
from mlops_assets_tests.unit.promotion.evidence_factory import evaluation_of, evidence_of, spec_with

PNG = b"\x89PNG not really"
SPEC = spec_with([{"beats_champion": {"metric": "rmse"}}, "min_rows", "approval"])
HASH = "e" * 64


def judged(**changes: Any) -> Evidence:
    explanation = Explanation(
        "exact tree SHAP", 500, (("flow|<script>alert(1)</script>", 1.25), ("power", 0.5))
    )
    measured = replace(evaluation_of(0.9, 1.0), explanation=explanation, notes=("one note",))
    evidence = evidence_of(changes.pop("evaluation", measured), SPEC, **changes)
    return replace(evidence, gates=promotion.evaluate_gates(SPEC, evidence))


def decided(evidence: Evidence) -> Any:
    return promotion.decide(SPEC, evidence.gates, evidence.champion)


def test_markdown_puts_the_verdict_first_and_shows_the_numbers() -> None:
    evidence = judged(training_rows=35_999)
    text = reports.markdown(evidence, decided(evidence), HASH)
    first = text.splitlines()[0]
    assert first == "## Refuse: pump v2 against champion v1 (revision 4)"
    assert "35,999 readings are fewer than 36,000" in text.splitlines()[2]
    for part in (
        "| 0.9 | 1 | ",
        "+1.00 % to +9.00 %",
        "not causal",
        HASH,
        "mlops history pump",
    ):
        assert part in text


def test_a_challenger_that_only_a_person_holds_up_is_waiting() -> None:
    evidence = judged()
    text = reports.markdown(evidence, decided(evidence), HASH)
    assert text.startswith("## Waiting for approval: pump v2")
    assert "**asks a person**" in text
    assert "mlops approve pump --evidence eeeeeeeeeeeeeeee" in text


def test_nothing_breaks_out_of_a_table_or_becomes_markup() -> None:
    evidence = judged()
    text = reports.markdown(
        evidence, decided(evidence), HASH, history=[{"reason": "a|b\n<img src=x> @everyone"}]
    )
    assert "<script" not in text
    assert "<img" not in text
    assert "@everyone" not in text.replace("`@everyone`", "")  # nobody is notified by code
    widths = {
        row.count("|") - row.count("\\|")
        for row in text.splitlines()
        if row.startswith("| ") and "flow" in row
    }
    assert widths == {5}
    page = reports.html(SPEC, evidence, decided(evidence), HASH, {"metrics": PNG})
    assert "<script" not in page
    assert "<b>&</b>" not in page


def test_every_class_has_its_row_in_both_reports() -> None:
    rows = (
        ClassRow("<b>red</b>", 1_200, {"precision": 0.5, "recall": 0.25, "f1": 1 / 3}, None),
        ClassRow("blue", 0, {"precision": 0.0, "recall": math.nan, "f1": math.nan}, {"precision": 0.75}),
    )
    evidence = judged(evaluation=replace(evaluation_of(0.9, 1.0), classes=rows))
    text = reports.markdown(evidence, decided(evidence), HASH)
    assert "| &lt;b>red&lt;/b> | 1,200 | 0.500 | 0.250 | 0.333 | n/a | n/a | n/a |" in text
    assert "| blue | 0 | 0.000 | n/a | n/a | 0.750 | n/a | n/a |" in text
    page = reports.html(SPEC, evidence, decided(evidence), HASH, {})
    assert '<th scope="row">&lt;b&gt;red&lt;/b&gt;</th><td class="n" data-label="rows">1,200</td>' in page
    assert "champion&#39;s recall" in page
    alone = judged(evaluation=replace(evaluation_of(0.9, 1.0), classes=rows[:1]))
    assert "| &lt;b>red&lt;/b> | 1,200 | 0.500 | 0.250 | 0.333 |\n" in reports.markdown(
        alone, decided(alone), HASH
    )
    assert "Class by class" not in reports.html(SPEC, judged(), decided(judged()), HASH, {})


def test_a_warning_stands_before_the_numbers() -> None:
    evidence = judged(evaluation=replace(evaluation_of(0.9, 1.0), warnings=("rows are <i>alike",)))
    text = reports.markdown(evidence, decided(evidence), HASH)
    assert text.index("> **Warning:** rows are &lt;i>alike") < text.index("### Gates")
    page = reports.html(SPEC, evidence, decided(evidence), HASH, {})
    assert page.index("</b> rows are &lt;i&gt;alike") < page.index("<h2>Gates</h2>")
    assert evidence.gates == judged().gates, "no gate"


def test_the_gate_says_which_baseline_it_is() -> None:
    spec = spec_with([{"beats_baseline": {"metric": "rmse"}}])
    known = evidence_of(evaluation_of(0.9, 1.0), spec)
    assert "(naive baseline 10, by 0 %; it is the mean)" in promotion.evaluate_gates(spec, known)[0].reason


def test_evidence_from_before_the_table_of_classes_still_reads() -> None:
    stored = to_json(judged())
    for newer in ("classes", "baseline_name", "warnings", "comparable_rows"):
        del stored["evaluation"][newer]
    assert from_json(Evidence, stored) == judged()
    del stored["evaluation"]["rivals"]
    assert from_json(Evidence, stored).evaluation.rivals == ()


def test_every_candidate_has_its_row_also_one_that_was_left_out(tmp_path: Path) -> None:
    metrics: Any = {"train": {"rmse": 0.8, "mae": 0.5}, "validation": {"rmse": 0.875, "mae": 0.6}}
    tried = (
        Candidate("ridge", {}, "trained", 1.25, metrics),
        Candidate("lstm", {}, "failed", 0.0, {}, "needs the extra 'deep' <b>"),
    )
    evidence = judged()
    page = reports.write_report(
        tmp_path, SPEC, evidence, decided(evidence), HASH, {"metrics": PNG}, candidates=tried
    )
    text = (tmp_path / "report.md").read_text()
    assert "| candidate | rmse on train | rmse on validation | seconds | result |" in text
    assert "| ridge | 0.8 | 0.875 | 1.2 | trained |" in text
    assert "| lstm | n/a | n/a | 0.0 | failed: needs the extra 'deep' &lt;b> |" in text
    assert "failed: needs the extra &#39;deep&#39; &lt;b&gt;" in page.read_text()


def slice_row(value: str, challenger: float, champion: float | str | None) -> dict[str, Any]:
    return {
        "column": "pump_id",
        "value": value,
        "rows": 12_345,
        "metric": "rmse",
        "challenger": challenger,
        "champion": champion,
    }


def test_slices_are_sorted_by_their_loss_against_the_champion_and_marked() -> None:
    slices = (
        slice_row("new", 1.0, None),
        slice_row("better", 0.9, 1.0),
        slice_row("same", 1.0, 1.0),
        slice_row("worst", 1.31, 1.0),
        slice_row("worse", 1.0999, 1.0),
        slice_row("unmeasured", 1.0, "NaN"),
    )
    evidence = judged(evaluation=replace(evaluation_of(0.9, 1.0), slices=slices))
    rows = tables.slice_rows(evidence)
    assert [row.value for row in rows] == ["worst", "worse", "same", "better", "new", "unmeasured"]
    assert [row.sign for row in rows] == [-1, -1, 0, 1, 0, 0]
    assert [row.change for row in rows[:4]] == ["31 % worse", "9.99 % worse", "equal", "10 % better"]
    text = reports.markdown(evidence, decided(evidence), HASH)
    assert "| pump_id | worst | 12,345 | rmse | 1.31 | 1 | **31 % worse** |" in text
    page = reports.html(SPEC, evidence, decided(evidence), HASH, {})
    assert '<td data-label="change" class="n down">31 % worse</td>' in page


def test_the_primary_metric_comes_first_also_from_stored_evidence() -> None:
    measured = replace(
        evaluation_of(0.9, 1.0), challenger={"test": {"mae": 0.5, "rmse": 0.9}}, primary="rmse", classes=()
    )
    evidence = judged(evaluation=measured)
    assert [row.metric for row in tables.metric_rows(evidence)] == ["rmse", "mae"]
    page = reports.html(SPEC, evidence, decided(evidence), HASH, {})
    assert '<div class="tile"><b>0.9</b><span>rmse' in page


def test_on_a_phone_every_cell_names_its_column() -> None:
    evidence = judged()
    page = reports.html(SPEC, evidence, decided(evidence), HASH, {})
    assert '<td data-label="challenger" class="n"><b>0.9</b>' in page
    cells = re.findall(r"<td[^>]*>", page.replace("<code>", ""))
    assert len([cell for cell in cells if "data-label" in cell]) > 10


def test_every_naive_baseline_has_its_row_in_both_reports() -> None:
    comparison = Comparison("rmse", "test", 0.9, 3.0, 0.7, 0.65, 0.75, 0.95, "paired bootstrap", 7_200)
    rivals = (Rival("the value <1d before", (comparison,)),)
    evidence = judged(evaluation=replace(evaluation_of(0.9, 1.0), rivals=rivals))
    text = reports.markdown(evidence, decided(evidence), HASH)
    assert "| the value &lt;1d before | rmse | 0.9 | 3 | 70 % better | +65.00 % to +75.00 % |" in text
    page = reports.html(SPEC, evidence, decided(evidence), HASH, {})
    assert '<th scope="row">the value &lt;1d before</th>' in page
    alone = judged(evaluation=replace(evaluation_of(0.9, 1.0), rivals=()))
    assert "Compared with naive baselines" not in reports.html(SPEC, alone, decided(alone), HASH, {})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567.89, "1,235,000"),
        (35_999, "36,000"),
        (0.123456, "0.1235"),
        (0.00001234567, "1.235e-05"),
        (999.96, "1,000"),
        (-12.3456, "-12.35"),
        (1e20, "1e+20"),
        (0, "0"),
        (None, "n/a"),
        ("NaN", "NaN"),
    ],
)
def test_numbers_have_at_most_four_significant_digits(value: Any, text: str) -> None:
    assert number(value) == text


def test_the_page_begins_with_its_document_type_and_misses_no_value() -> None:
    evidence = judged()
    page = reports.html(SPEC, evidence, decided(evidence), HASH, {})
    assert page.startswith("<!doctype html>")
    with pytest.raises(UndefinedError):
        render("report.html", title="only a title")


class Page(HTMLParser):
    """Checks nesting and collects addresses and pictures."""

    void = frozenset({"meta", "link", "img", "br", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs))
        self.addresses += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("champion", [ChampionRef(1, 4), ChampionRef(None, 0)])
def test_the_page_is_whole_and_needs_nothing_from_outside(champion: ChampionRef) -> None:
    measured = evaluation_of(0.9, 1.0)
    if champion.version is None:
        measured = replace(measured, champion=None, comparisons=())
    evidence = judged(evaluation=measured, champion=champion)
    text = reports.html(SPEC, evidence, decided(evidence), HASH, {"metrics": PNG, "own_plot": PNG})
    page = Page()
    page.feed(text)
    assert page.open == []
    assert all(picture["alt"] for picture in page.pictures)
    assert all(address.startswith("data:") for address in page.addresses)
    assert "@import" not in text
    assert not re.search(r"url\((?!data:)", text)
    assert "nan" not in re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL).lower()


def test_the_folder_contains_report_page_plots_and_evidence(tmp_path: Path) -> None:
    import json

    evidence = judged()
    page = reports.write_report(tmp_path / "r", SPEC, evidence, decided(evidence), HASH, {"metrics": PNG})
    names = {file.name for file in page.parent.iterdir()}
    assert names == {"report.md", "report.html", "evidence.json", "metrics.png"}
    assert from_json(Evidence, json.loads((tmp_path / "r" / "evidence.json").read_text())) == evidence
    assert "![metrics](metrics.png)" in (tmp_path / "r" / "report.md").read_text()
