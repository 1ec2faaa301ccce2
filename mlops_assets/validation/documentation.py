"""Data docs: the results on one page, with Great Expectations' own pages, all readable without a network.

Comes in: results, validation reports and a folder. Goes out: `index.html` and a page per report, in place of what the
folder had. The library's pages fetch styles, scripts and a logo from the internet and write some values of the data
raw; of them, known elements and text are kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from mlops_assets.artifacts import RuleResult
from mlops_assets.validation.safe_html import POLICY, sanitize

_STYLE: Final = """<style>
body { font: 15px/1.5 system-ui, sans-serif; color: #222; padding: 1.5rem;
  margin: 0 auto !important; max-width: 75rem; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0 1.4rem; }
td, th { border-bottom: 1px solid #ddd; padding: .35rem .6rem; text-align: left; vertical-align: top; }
h1, h2, h3, h4, h5 { font-size: 1.1rem; line-height: 1.2; margin: 1.2rem 0 .4rem; }
ul, ol { padding-left: 1.2rem; } a { color: #0b5cad; }
.badge { background: #eef1f4; border-radius: .25rem; padding: 0 .35rem; font-family: ui-monospace, monospace; }
.text-success, .passed { color: #1a7f37; } .text-danger, .text-warning, .failed { color: #b42318; }
.fa-check-circle::before { content: "\\2713"; } .fa-times::before { content: "\\2717"; }
.modal, .d-none, .tooltip, footer, input, label, a[data-toggle] { display: none; }
</style>"""


def write_docs(
    model: str, as_of: datetime, results: Sequence[RuleResult], reports: Mapping[str, Any], folder: Path
) -> None:
    """Write the pages next to the folder, then replace the folder with them.

    Args:
        model: Name of the model.
        as_of: Time of the batch, with a zone.
        results: Result of each rule.
        reports: Great Expectations' validation result by title of the page.
        folder: Folder of the pages.
    """
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for title, report in reports.items():
        (building / f"{title}.html").write_text(_report(title, report), encoding="utf-8")
    (building / "index.html").write_text(_index(model, as_of, results, list(reports)), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def _report(title: str, report: Any) -> str:
    """Great Expectations' page of one report, without scripts or anything fetched from outside, in our style."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    document = ValidationResultsPageRenderer().render(report)
    for section in document.sections:
        section.content_blocks = _escape_raw(section.content_blocks)
    body = sanitize(str(DefaultJinjaPageView().render(document)))
    return _page(f"Great Expectations: {title}", body)


def _escape_raw(content: Any) -> Any:
    """Return the library escapes parameters of sentences, but writes headers and cells of tables as they are."""
    if isinstance(content, str):
        return escape(content)
    if isinstance(content, list):
        return [_escape_raw(item) for item in content]
    if getattr(content, "content_block_type", None) == "header" and isinstance(content.header, str):
        content.header = escape(content.header)
    elif getattr(content, "content_block_type", None) == "header":
        template = content.header.string_template
        template["template"] = escape(str(template["template"]))
    if getattr(content, "table", None):
        content.table = _escape_raw(content.table)
    return content


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{POLICY}<title>{escape(title)}</title>'
        f"{_STYLE}</head><body>{body}</body></html>\n"
    )


def _index(model: str, as_of: datetime, results: Sequence[RuleResult], reports: Sequence[str]) -> str:
    failed = sum(not result.passed for result in results)
    rows = "".join(_row(result) for result in results)
    links = "".join(
        f'<li><a href="{quote(name)}.html">Great Expectations: {escape(name)}</a></li>' for name in reports
    )
    return _page(
        f"{model}: data quality",
        f"<h1>{escape(model)}: data quality as of {as_of:%Y-%m-%d %H:%M %Z}</h1>"
        f"<p>{len(results)} rules, {failed} failed.</p>"
        "<table><thead><tr><th>Verdict</th><th>On failure</th><th>Rule</th><th>Result</th></tr></thead>"
        f"<tbody>{rows}</tbody></table><ul>{links}</ul>",
    )


def _row(result: RuleResult) -> str:
    verdict = "passed" if result.passed else "failed"
    cells = ("stops the run" if result.critical else "warns", result.rule, result.message)
    return (
        f'<tr><td class="{verdict}">{verdict}</td>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
    )
