"""The site of all models: an index with one line per model, and a page per model.

Comes in: `ModelFacts`. Goes out: HTML with style sheet and plots inside. Every value is escaped in the templates.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from mlops_assets.artifacts import Evidence, GateResult
from mlops_assets.model_file import BrokenFile, ModelSpec
from mlops_assets.model_file.gates import check_names
from mlops_assets.promotion.gate_results import finite
from mlops_assets.reports import tables
from mlops_assets.reports.html import TONES as VERDICT_TONES
from mlops_assets.reports.model_facts import LedgerFacts, ModelFacts
from mlops_assets.reports.monitoring import LEVELS, STATES, TITLES, monitoring_plots
from mlops_assets.reports.numbers import NOTHING, count, number
from mlops_assets.reports.plots.versions import VersionPoint, metric_over_versions
from mlops_assets.reports.rendering import render
from mlops_assets.reports.summary import verdict_name

MARK: Final = '<meta name="generator" content="mlops docs">'
"""In every page of the site, and in no other file: such a page may be written again."""
MOST_DECISIONS: Final = 20
HEALTH_TONES: Final = {"healthy": "good", "unknown": "none", "no_champion": "none", "broken_data": "bad"}
"""Every other diagnosis is shown as a warning."""


def models_html(
    models: Sequence[ModelFacts], broken: Sequence[BrokenFile], without_file: Sequence[str], now: datetime
) -> str:
    """Return the index: one line per model, broken files, and models of the ledger that no file declares.

    Args:
        models: The models.
        broken: Model files that are refused.
        without_file: Names of models that only the ledger knows.
        now: Present instant, with a zone.

    Returns:
        HTML.
    """
    return render(
        "models.html",
        title="Models",
        now=now,
        ledger=any(one.ledger for one in models) or not models,
        rows=[_index_row(one) for one in models],
        broken=broken,
        without_file=without_file,
    )


def model_html(model: ModelFacts, now: datetime, links: Sequence[tuple[str, str]] = ()) -> str:
    """Return the page of one model.

    Args:
        model: The model.
        now: Present instant, with a zone.
        links: Names and addresses of related pages.

    Returns:
        HTML.
    """
    spec, ledger = model.spec, model.ledger
    newest = ledger.newest if ledger else None
    points = _points(spec, ledger) if ledger else []
    picture = metric_over_versions(points, spec.evaluation.primary) if points else None
    monitoring = ledger.monitoring if ledger else None
    return render(
        "model.html",
        title=spec.name,
        now=now,
        model=model,
        spec=spec,
        ledger=ledger,
        links=links,
        tiles=_tiles(spec, ledger) if ledger else [],
        newest=newest,
        facts=_facts(ledger) if ledger else [],
        facts_head=_facts_head(ledger) if ledger else [],
        metrics=tables.metric_rows(newest) if newest else [],
        gates=_gates(newest) if newest else [],
        gate_names=check_names(spec.gates),
        version_plot=_data(picture) if picture else None,
        versions=_version_rows(spec, ledger) if ledger else [],
        history=tables.history_rows(ledger.history[:MOST_DECISIONS]) if ledger else [],
        health=monitoring.health if monitoring else None,
        observed=[(fact, STATES[fact.state]) for fact in monitoring.health.facts] if monitoring else [],
        drift=monitoring.drift[0] if monitoring and monitoring.drift else None,
        drift_tone=LEVELS[monitoring.drift[0].level] if monitoring and monitoring.drift else "none",
        performance=monitoring.performance if monitoring else None,
        monitoring_plots=[
            (TITLES[name].replace("; numbers below", ""), _data(png))
            for name, png in monitoring_plots(spec, monitoring, None).items()
        ]
        if monitoring
        else [],
    )


def _index_row(model: ModelFacts) -> dict[str, object]:
    spec, ledger = model.spec, model.ledger
    champion = ledger.of_champion if ledger else None
    health = ledger.monitoring.health if ledger else None
    last = ledger.history[0] if ledger and ledger.history else None
    return {
        "name": spec.name,
        "description": spec.description,
        "problem": spec.problem,
        "champion": f"version {ledger.champion}" if ledger and ledger.champion else "none",
        "algorithm": champion.algorithm if champion else "",
        "metric": spec.evaluation.primary,
        "value": _with_interval(champion, spec) if champion else NOTHING,
        "health": health.diagnosis.replace("_", " ") if health else NOTHING,
        "tone": HEALTH_TONES.get(health.diagnosis, "wait") if health else "none",
        "decision": f"{last.action.replace('_', ' ')} version {last.version}" if last else "never ran",
        "at": f"{last.at:%Y-%m-%d}" if last else "",
        "alerts": ledger.open_alerts if ledger else 0,
    }


def _tiles(spec: ModelSpec, ledger: LedgerFacts) -> list[tuple[str, str]]:
    champion, production = ledger.of_champion, ledger.monitoring.performance
    since = f" since {ledger.since:%Y-%m-%d}" if ledger.since else ""
    tiles = [(f"version {ledger.champion}" if ledger.champion else "none", f"champion{since}")]
    if champion is not None:
        tiles.append((_with_interval(champion, spec), f"{spec.evaluation.primary} on the holdout"))
    if production is not None and (mature := production.newest_mature) is not None:
        value = number(mature.metrics.get(production.primary))
        tiles.append((value, f"{production.primary} in production, newest complete window"))
    tiles.append((ledger.monitoring.health.diagnosis.replace("_", " "), "health"))
    tiles.append((count(ledger.open_alerts), "open alerts"))
    return tiles


def _with_interval(evidence: Evidence, spec: ModelSpec) -> str:
    value, low, high = _value(evidence, spec)
    return (
        number(value) if low is None or high is None else f"{number(value)} ({number(low)} to {number(high)})"
    )


def _value(evidence: Evidence, spec: ModelSpec) -> tuple[float | None, float | None, float | None]:
    """Return the primary metric on the holdout with its interval, where one was computed."""
    primary = spec.evaluation.primary
    interval = next(
        (one for one in evidence.evaluation.intervals or () if one.metric == primary and one.part == "test"),
        None,
    )
    value = finite((evidence.evaluation.challenger.get("test") or {}).get(primary))
    return value, finite(interval.low) if interval else None, finite(interval.high) if interval else None


def _naive(evidence: Evidence, spec: ModelSpec) -> float | None:
    return finite((evidence.evaluation.baseline.get("test") or {}).get(spec.evaluation.primary))


def _points(spec: ModelSpec, ledger: LedgerFacts) -> list[VersionPoint]:
    """Return the versions whose primary metric is a number, oldest first."""
    points = []
    for evidence in ledger.evidence:
        value, low, high = _value(evidence, spec)
        if value is not None:
            points.append(
                VersionPoint(
                    evidence.version,
                    value,
                    low,
                    high,
                    _naive(evidence, spec),
                    _state(ledger, evidence.version),
                )
            )
    return points


def _state(ledger: LedgerFacts, version: int) -> str:
    """Return what became of a version, in the words of the plot."""
    state = ledger.states.get(version, "archived")
    was_promoted = any(one.action == "promoted" and one.version == version for one in ledger.history)
    if state == "archived":
        return "promoted" if was_promoted else "kept"
    return {"challenger": "waits"}.get(state, state)


def _version_rows(spec: ModelSpec, ledger: LedgerFacts) -> list[tuple[str, ...]]:
    return [
        (
            f"v{one.version}",
            f"{one.as_of:%Y-%m-%d %H:%M}",
            one.algorithm,
            count(one.training_rows),
            _with_interval(one, spec),
            number(_naive(one, spec)),
            _state(ledger, one.version),
        )
        for one in reversed(ledger.evidence)
    ]


def _compared(ledger: LedgerFacts) -> list[tuple[str, Evidence]]:
    """Return the champion and the newest challenger; where they are the same, the champion and the one it replaced."""
    champion, newest = ledger.of_champion, ledger.newest
    columns = [("champion", champion), ("newest challenger", newest if newest is not champion else None)]
    if champion is not None and newest is champion:
        columns.append(("champion before it", ledger.of_version(champion.champion.version)))
    return [(name, evidence) for name, evidence in columns if evidence is not None]


def _facts_head(ledger: LedgerFacts) -> list[str]:
    return ["", *(f"{name}, v{evidence.version}" for name, evidence in _compared(ledger))]


def _facts(ledger: LedgerFacts) -> list[list[str]]:
    """Return the versions of `_compared` side by side."""
    columns = [evidence for _, evidence in _compared(ledger)]
    if not columns:
        return []
    rows = {
        "algorithm": [one.algorithm for one in columns],
        "trained as of (UTC)": [f"{one.as_of:%Y-%m-%d %H:%M}" for one in columns],
        "training rows": [count(one.training_rows) for one in columns],
        "holdout rows": [count(one.evaluation.holdout_rows) for one in columns],
        "training": [f"{number(one.training_seconds)} s" for one in columns],
        "size": [f"{one.evaluation.size_bytes / 1024:,.0f} KiB" for one in columns],
        "one prediction": [
            f"{number(one.evaluation.latency_ms)} ms"
            if finite(one.evaluation.latency_ms) is not None
            else NOTHING
            for one in columns
        ],
        "gates passed": [
            f"{sum(gate.verdict == 'pass' for gate in one.gates)} of {len(one.gates)}" for one in columns
        ],
        "most important features": [
            ", ".join(name for name, _ in one.evaluation.explanation.ranking[:5])
            if one.evaluation.explanation
            else "not explained"
            for one in columns
        ],
    }
    return [[name, *cells] for name, cells in rows.items()]


def _gates(evidence: Evidence) -> list[tuple[GateResult, str, str]]:
    return [(gate, verdict_name(gate), VERDICT_TONES.get(gate.verdict, "bad")) for gate in evidence.gates]


def _data(png: bytes) -> str:
    return f"data:image/png;base64,{b64encode(png).decode()}"
