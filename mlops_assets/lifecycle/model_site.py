"""The site of all models: gathered from model files and, where there is one, the ledger; written as static pages.

Comes in: the folder of model files, the open stores or None. Goes out: pages in a folder of their own. The pages are
drawn in `reports`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from mlops_assets import features, reports, stages
from mlops_assets.artifacts import Evidence, from_json
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle import page_links
from mlops_assets.lifecycle.delivery import history_with_delivery
from mlops_assets.lifecycle.monitoring_report import monitoring_report
from mlops_assets.lifecycle.platform import Platform, known_record
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.model_file import ModelFolder, ModelSpec
from mlops_assets.model_file.explained import explained
from mlops_assets.model_file.loader import shown
from mlops_assets.reports.model_facts import LedgerFacts, ModelFacts
from mlops_assets.reports.model_site import MARK

INDEX: Final = "index.html"
MODELS: Final = "models"
"""Folder of the pages of models, so that a model may be called index."""
MOST_VERSIONS: Final = 40
"""Newest versions in the history of the metric."""


def write_site(
    folder: Path, models: ModelFolder, platform: Platform | None, now: datetime
) -> tuple[Path, ...]:
    """Write the index and a page per model; pages of models that no longer exist are removed.

    Args:
        folder: Where the pages go: a new or empty folder, or one that this function wrote.
        models: The model files, broken ones included.
        platform: The open stores; None where there is no ledger yet.
        now: Present instant, with a zone.

    Returns:
        The paths of the pages, the index first.

    Raises:
        MlopsError: If the folder has pages that another program wrote.
    """
    old = site_pages(folder)
    for page in old.values():
        if MARK not in page.read_text(encoding="utf-8", errors="replace")[:1000]:
            raise MlopsError(f"{page} was not written by 'mlops docs'; name another folder with --out")
    facts = [model_facts(spec, models.files[spec.name], platform, now) for spec in models.specs]
    without_file = sorted(set(platform.ledger.models()) - set(models.files)) if platform else []
    pages = {INDEX: reports.models_html(facts, models.broken, without_file, now)}
    for one in facts:
        pages[f"{MODELS}/{one.spec.name}.html"] = reports.model_html(
            one, now, _links(platform, one) if platform else []
        )
    (folder / MODELS).mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name, page in old.items():
        if name not in pages:
            page.unlink()
    return tuple(folder / name for name in pages)


def site_folder(home: Path) -> Path:
    """Return the folder of the site that the review page serves.

    Args:
        home: Folder of the platform, `MLOPS_HOME`.

    Returns:
        A folder below `home`; it need not exist.
    """
    return home / "reports" / "site"


def site_pages(folder: Path) -> dict[str, Path]:
    """Return the pages that are in the folder of a site.

    Args:
        folder: The folder; it need not exist.

    Returns:
        File by its name in the site, such as `models/pump.html`.
    """
    files = [*folder.glob("*.html"), *(folder / MODELS).glob("*.html")]
    return {file.relative_to(folder).as_posix(): file for file in files}


def model_facts(spec: ModelSpec, file: Path, platform: Platform | None, now: datetime) -> ModelFacts:
    """Gather what the page of one model shows.

    Args:
        spec: The model file.
        file: Where it lies.
        platform: The open stores; None where there is no ledger yet.
        now: Present instant, with a zone.

    Returns:
        The record.
    """
    built = known_record(platform, spec, stages.FEATURES, FeaturesRecord) if platform else None
    columns = (
        built.table.columns if built else (*(spec.features.inputs or ()), *features.computed_names(spec))
    )
    return ModelFacts(
        spec=spec,
        file=shown(file),
        keys=explained(file, spec),
        features=features.catalogue(spec, columns),
        features_built=built is not None,
        ledger=_ledger_facts(spec, platform, now) if platform else None,
    )


def _ledger_facts(spec: ModelSpec, platform: Platform, now: datetime) -> LedgerFacts:
    ledger = platform.ledger
    champion = ledger.champion_state(spec.name).champion
    versions = ledger.versions(spec.name)
    shown_versions = [
        one for index, one in enumerate(versions) if index < MOST_VERSIONS or one.status == "champion"
    ]
    evidence = [
        from_json(Evidence, stored.body)
        for one in reversed(shown_versions)
        for stored in ledger.evidence_of(spec.name, one.version)[:1]
    ]
    return LedgerFacts(
        champion=champion.version if champion else None,
        since=champion.since if champion else None,
        evidence=tuple(evidence),
        states={one.version: one.status for one in versions},
        history=history_with_delivery(platform, spec.name, None),
        monitoring=monitoring_report(spec, platform, now),
        open_alerts=len(ledger.alerts(spec.name, open_only=True)),
    )


def _links(platform: Platform, facts: ModelFacts) -> Sequence[tuple[str, str]]:
    """Return links to pages of the review page's application, where its address is known."""
    name = facts.spec.name
    links = [("monitoring report", page_links.link(platform.settings, page_links.monitoring_path(name)))]
    newest = facts.ledger.newest if facts.ledger else None
    stored = platform.ledger.evidence_of(name, newest.version) if newest else ()
    if stored:
        path = page_links.gate_report_path(name, stored[0].hash)
        links.insert(0, ("gate report of the newest challenger", page_links.link(platform.settings, path)))
    return [(title, address) for title, address in links if address is not None]
