"""Data docs: the answers on one page, and Great Expectations' own pages beside it, all readable without a network.

Comes in: answers, validation reports and a folder. Goes out: `index.html` and a page per report, in place of what the
folder held. The library's pages fetch styles, scripts and a logo from the internet when opened; those references are
replaced by one style of ours, so that looking at a page tells nobody.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from mlops_assets.artifacts import RuleResult

_OUTSIDE: Final = re.compile(
    r"<link\b[^>]*\bhref=[\"']https?://[^>]*>"
    r"|<img\b[^>]*\bsrc=[\"']https?://[^>]*>"
    r"|<a\b[^>]*\bhref=[\"']https?://[^>]*>.*?</a>"
    r"|<script\b[^>]*>.*?</script>"
    r"|<nav\b[^>]*>.*?</nav>"
    r"|background:\s*url\([^)]*\)[^;]*;",
    re.DOTALL | re.IGNORECASE,
)
_LINK: Final = re.compile(r"<a\b[^>]*>(.*?)</a>", re.DOTALL)  # to pages of a site we do not build
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
    model: str, as_of: datetime, answers: Sequence[RuleResult], reports: Mapping[str, Any], folder: Path
) -> None:
    """Build the pages beside the folder, then put them in its place."""
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    for title, report in reports.items():
        (building / f"{title}.html").write_text(_report(report), encoding="utf-8")
    (building / "index.html").write_text(_index(model, as_of, answers, list(reports)), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)


def _report(report: Any) -> str:
    """Great Expectations' page of one report, without anything fetched from outside, in our style."""
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(report))
    return _LINK.sub(r"\1", _OUTSIDE.sub("", str(page))).replace("</head>", f"{_STYLE}</head>", 1)


def _index(model: str, as_of: datetime, answers: Sequence[RuleResult], reports: Sequence[str]) -> str:
    failed = sum(not answer.passed for answer in answers)
    rows = "".join(_row(answer) for answer in answers)
    links = "".join(f'<li><a href="{name}.html">Great Expectations: {name}</a></li>' for name in reports)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(model)}: data quality</title>'
        f"{_STYLE}</head><body><h1>{escape(model)}: data quality as of {as_of:%Y-%m-%d %H:%M %Z}</h1>"
        f"<p>{len(answers)} rules, {failed} failed.</p>"
        "<table><thead><tr><th>Verdict</th><th>On failure</th><th>Rule</th><th>Found</th></tr></thead>"
        f"<tbody>{rows}</tbody></table><ul>{links}</ul></body></html>\n"
    )


def _row(answer: RuleResult) -> str:
    verdict = "passed" if answer.passed else "failed"
    cells = ("stops the run" if answer.critical else "warns", answer.rule, answer.message)
    return (
        f'<tr><td class="{verdict}">{verdict}</td>'
        + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
        + "</tr>"
    )
