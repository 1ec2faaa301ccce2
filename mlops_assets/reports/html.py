"""The gate report as one self-contained HTML page: no scripts, no outside addresses, light and dark, readable aloud.

What it says is `contents`' business; files are written by `report`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from mlops_assets.artifacts import Candidate, Decision, Evidence, Part
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports import tables

ALT_TEXTS: Final = {
    "metrics": "Bars of every holdout metric of challenger, champion and baseline; the numbers are in the table above",
    "predicted_vs_actual": "Scatter of predicted against actual values on the holdout with the diagonal of perfection",
    "residuals": "Errors on the holdout over time with their running mean",
    "forecast": "Lines of actual, predicted and naive values for the newest holdout rows",
    "confusion_matrix": "Counts of true against predicted classes on the holdout",
    "calibration": "Share that happened against probability given",
    "error_by_slice": "Bars of the primary metric per slice of the holdout, beside the whole; numbers in the table",
    "feature_importance": "Bars of mean absolute SHAP value per feature; the numbers are in the table",
    "shap_summary": "One point per row and feature: SHAP value, coloured by the value of the feature",
    "shap_waterfall": "One prediction taken apart, feature by feature",
    "shap_force": "One prediction as the balance of features that raise and lower it",
}

STYLE: Final = """
:root{color-scheme:light dark;--ink:#111827;--dim:#5b6472;--paper:#f6f7f9;--card:#fff;--line:#e3e6eb;--head:#eef1f5;
--good:#0f6b4f;--good-bg:#dff3ea;--bad:#9b2c12;--bad-bg:#fde5dd;--wait:#7a5200;--wait-bg:#fdf0cf;
--none:#4b5563;--none-bg:#e9ebef}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ee;--dim:#9aa4b2;--paper:#0f1319;--card:#171c24;--line:#2a313c;--head:#1e2530;
--good:#7fe0bb;--good-bg:#123a2d;--bad:#ffb39c;--bad-bg:#4a1d10;
--wait:#f5d27a;--wait-bg:#43320a;--none:#c3c9d3;--none-bg:#2a313c}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 64px}
header.top{border-radius:14px;padding:22px 26px;margin-bottom:26px;background:var(--card);
border:1px solid var(--line);border-left:8px solid var(--tone)}
.promote{--tone:#009E73}.keep{--tone:#E69F00}.refuse{--tone:#D55E00}
h1{font-size:26px;line-height:1.25;margin:2px 0 8px}h2{font-size:18px;margin:34px 0 10px}
.sub{color:var(--dim);margin:0}.reason{margin:12px 0 0;font-size:16px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:18px 0 0}
.tile{background:var(--head);border-radius:10px;padding:10px 14px}
.tile b{display:block;font-size:19px;font-variant-numeric:tabular-nums}
.tile span{color:var(--dim);font-size:12.5px}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--line);border-radius:12px}
table{border-collapse:collapse;width:100%}caption{text-align:left;color:var(--dim);font-size:13px;padding:10px 14px 0}
th,td{padding:9px 14px;text-align:left;vertical-align:top;border-bottom:1px solid var(--line)}
tbody tr:last-child>*{border-bottom:0}thead th{background:var(--head);font-size:12.5px;font-weight:600;color:var(--dim)}
tbody th{font-weight:600}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
small{color:var(--dim);font-weight:400;display:block}
.badge{display:inline-block;border-radius:99px;padding:1px 11px;font-size:12.5px;font-weight:600;white-space:nowrap}
.good{color:var(--good);background:var(--good-bg)}.bad{color:var(--bad);background:var(--bad-bg)}
.wait{color:var(--wait);background:var(--wait-bg)}.none{color:var(--none);background:var(--none-bg)}
td.up{color:var(--good)}td.down{color:var(--bad)}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr));gap:14px}
figure{margin:0;background:#fff;border:1px solid var(--line);border-radius:12px;padding:8px}
figure img{display:block;max-width:100%;height:auto;margin:auto}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px}code{overflow-wrap:anywhere}
tbody th code{white-space:nowrap}
pre{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:14px 16px;overflow-x:auto;margin:0}
.warning{margin:14px 0;padding:12px 18px;border-radius:12px;color:var(--wait);background:var(--wait-bg)}
.note{color:var(--dim);font-size:13.5px;margin:8px 2px}
@media(max-width:640px){.gates thead{display:none}
.gates tr{display:block;padding:8px 0;border-bottom:1px solid var(--line)}
.gates th,.gates td{display:block;border:0;padding:3px 14px}main{padding:16px 10px 48px}}
@media print{body{background:#fff}.scroll,figure{break-inside:avoid}}
"""

TONES: Final = {"pass": "good", "fail": "bad", "not_enough_evidence": "wait", "not_applicable": "none"}


def html(
    spec: ModelSpec,
    evidence: Evidence,
    decision: Decision,
    evidence_hash: str,
    plots: Mapping[str, bytes],
    history: Sequence[Any] = (),
    *,
    actions: str = "",
    candidates: Sequence[Candidate] = (),
) -> str:
    """The whole page. `actions` is trusted HTML put below the header (the review page's buttons)."""
    title = f"{tables.headline(evidence, decision)}: {evidence.model} v{evidence.version}"
    sections = [
        _header(spec, evidence, decision),
        *(f'<p class="warning"><b>Warning:</b> {escape(said)}</p>' for said in evidence.evaluation.warnings),
        actions,
        "<h2>Gates</h2>",
        _gates(evidence),
        "<h2>Metrics on the holdout</h2>",
        _metrics(evidence),
        *(_classes(evidence) if evidence.evaluation.classes else []),
        *(_slices(evidence) if evidence.evaluation.slices else []),
        *(_candidates(candidates, spec.evaluation.primary) if candidates else []),
        *(["<h2>Pictures</h2>", _pictures(plots)] if plots else []),
        "<h2>What moves the predictions</h2>",
        _importance(evidence),
        "<h2>Data</h2>",
        _table(
            "Tables behind this challenger",
            ("table", "version", "rows", "content"),
            tables.data_rows(evidence),
        ),
        *(["<h2>Earlier decisions</h2>", _history(history)] if history else []),
        "<h2>Next</h2>",
        _commands(evidence, decision, evidence_hash),
        "<h2>Circumstances</h2>",
        _facts(evidence, evidence_hash),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{STYLE}</style></head>\n'
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )


def _header(spec: ModelSpec, evidence: Evidence, decision: Decision) -> str:
    rows = tables.metric_rows(evidence)
    tiles = [_tile(row.challenger, f"{row.metric}, champion {row.champion}") for row in rows[:2]]
    first = next(iter(rows), None)
    if first is not None and first.change != tables.NOTHING:
        tiles.append(_tile(first.change, f"{first.metric}, {first.interval}"))
    passed = sum(gate.verdict == "pass" for gate in evidence.gates)
    tiles.append(_tile(f"{passed} of {len(evidence.gates)}", "gates passed"))
    tiles.append(_tile(f"{evidence.evaluation.holdout_rows:,}", "holdout rows"))
    return (
        f'<header class="top {decision.outcome}"><p class="sub">{escape(spec.description)}</p>'
        f"<h1>{escape(tables.headline(evidence, decision))}: {escape(evidence.model)} v{evidence.version}</h1>"
        f'<p class="sub">{escape(evidence.algorithm)} against {escape(tables.champion_words(evidence))}, '
        f"as of {evidence.as_of:%Y-%m-%d %H:%M} UTC, owners {escape(', '.join(spec.owners))}</p>"
        f'<p class="reason">{escape(decision.reason)}</p><div class="tiles">{"".join(tiles)}</div></header>'
    )


def _tile(value: str, label: str) -> str:
    return f'<div class="tile"><b>{escape(value)}</b><span>{escape(label)}</span></div>'


def _gates(evidence: Evidence) -> str:
    if not evidence.gates:
        return '<p class="note">The model file has no gates, so it never promotes by itself.</p>'
    rows = "".join(
        f'<tr><th scope="row"><code>{escape(gate.gate)}</code></th>'
        f'<td><span class="badge {TONES.get(gate.verdict, "bad")}">{escape(words)}</span></td>'
        f"<td>{escape(gate.reason)}</td></tr>"
        for gate, words in tables.gate_rows(evidence)
    )
    head = _head("gate", "verdict", "why")
    return f'<div class="scroll"><table class="gates">{head}<tbody>{rows}</tbody></table></div>'


def _metrics(evidence: Evidence) -> str:
    tones = {1: "n up", -1: "n down", 0: "n"}
    parts: tuple[Part, ...] = ("train", "validation")
    others = [{row.metric: row.challenger for row in tables.metric_rows(evidence, part)} for part in parts]
    rows = "".join(
        f'<tr><th scope="row">{escape(row.metric)}<small>{escape(row.direction)}</small></th>'
        f'<td class="n"><b>{escape(row.challenger)}</b></td><td class="n">{escape(row.champion)}</td>'
        f'<td class="{tones[row.sign]}">{escape(row.change)}<small>{escape(row.interval)}</small></td>'
        f'<td class="n">{escape(row.baseline)}</td>'
        + "".join(f'<td class="n">{escape(other.get(row.metric, tables.NOTHING))}</td>' for other in others)
        + "</tr>"
        for row in tables.metric_rows(evidence)
    )
    said = "".join(f'<p class="note">{escape(note)}</p>' for note in tables.method_notes(evidence))
    names = ("metric", "challenger", "champion", "change", "naive baseline", "on train", "on validation")
    head = _head(*names, numbers=True)
    return f'<div class="scroll"><table>{head}<tbody>{rows}</tbody></table></div>{said}'


def _classes(evidence: Evidence) -> list[str]:
    table = _table("", tables.class_head(evidence), tables.class_rows(evidence), numbers=True)
    return ["<h2>Class by class</h2>", table]


def _slices(evidence: Evidence) -> list[str]:
    return ["<h2>By slice</h2>", _table("", tables.SLICE_HEAD, tables.slice_rows(evidence))]


def _candidates(candidates: Sequence[Candidate], metric: str) -> list[str]:
    rows = tables.candidate_rows(candidates, metric)
    return ["<h2>Candidates</h2>", _table("", tables.candidate_head(metric), rows)]


def _pictures(plots: Mapping[str, bytes]) -> str:
    figures = "".join(
        f'<figure><img alt="{escape(ALT_TEXTS.get(name, name.replace("_", " ")))}" '
        f'src="data:image/png;base64,{b64encode(picture).decode()}"></figure>'
        for name, picture in plots.items()
    )
    return f'<div class="plots">{figures}</div>'


def _importance(evidence: Evidence) -> str:
    note = f'<p class="note">{escape(tables.importance_note(evidence))}</p>'
    rows = tables.importance_rows(evidence)
    return _table("", ("rank", "feature", "mean |SHAP|", "champion's rank"), rows) + note if rows else note


def _history(history: Sequence[Any]) -> str:
    return _table("", ("at", "action", "version", "by", "why"), tables.history_rows(history))


def _commands(evidence: Evidence, decision: Decision, evidence_hash: str) -> str:
    lines = "\n".join(
        f"{command}  # {why}" for why, command in tables.commands(evidence, decision, evidence_hash)
    )
    return f"<pre>{escape(lines)}</pre>"


def _facts(evidence: Evidence, evidence_hash: str) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(key)}</th><td><code>{escape(value)}</code></td></tr>'
        for key, value in tables.fact_rows(evidence, evidence_hash)
    )
    return f'<div class="scroll"><table><tbody>{rows}</tbody></table></div>'


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = False) -> str:
    """A table whose rows are named by their first cell; numbers: all the other cells are such."""
    tone = ' class="n"' if numbers else ""

    def line(row: Sequence[str]) -> str:
        cells = "".join(f"<td{tone}>{escape(cell)}</td>" for cell in row[1:])
        return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'

    body = "".join(line(row) for row in rows)
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{said}{_head(*head, numbers=numbers)}<tbody>{body}</tbody></table></div>'
    )


def _head(*names: str, numbers: bool = False) -> str:
    tones = ["" if not (numbers and place) else " class=n" for place in range(len(names))]
    cells = "".join(
        f'<th scope="col"{tone}>{escape(name)}</th>' for tone, name in zip(tones, names, strict=True)
    )
    return f"<thead><tr>{cells}</tr></thead>"
