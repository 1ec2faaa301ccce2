"""Pages that only show something about a model, for whoever is signed in: links in Dagster and in mails lead here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from mlops_assets.lifecycle.model_site import INDEX, site_folder, site_pages
from mlops_assets.lifecycle.monitoring_report import EXPORT, PAGE, monitoring_folder
from mlops_assets.lifecycle.page_links import SITE_PATH, WEEK_PATH, data_quality_path, monitoring_path
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.week import week_folder
from mlops_assets.model_file import read_folder


def report_routes(platform: Platform, signed_in: Any) -> APIRouter:
    """Return the routes.

    Args:
        platform: The stores.
        signed_in: FastAPI's dependency that refuses who is not signed in.

    Returns:
        The router; its paths are those of `lifecycle.page_links`.
    """
    router = APIRouter(dependencies=[signed_in])

    @router.get(WEEK_PATH, response_class=HTMLResponse)
    def week() -> str:
        file = week_folder(platform) / PAGE
        if not file.is_file():
            raise HTTPException(404, "there is no weekly report yet; write one: mlops week")
        return file.read_text(encoding="utf-8")

    @router.get(SITE_PATH)
    def site() -> Response:
        return RedirectResponse(f"{SITE_PATH}/{INDEX}", 303)  # relative links of the page need its folder

    @router.get(f"{SITE_PATH}/{{page:path}}.html", response_class=HTMLResponse)
    def site_page(page: str) -> str:
        file = site_pages(site_folder(platform.settings.home)).get(f"{page}.html")
        if file is None:
            raise HTTPException(404, "there is no such page yet; write them: mlops docs")
        return file.read_text(encoding="utf-8")

    @router.get(monitoring_path("{model}"), response_class=HTMLResponse)
    def monitoring(model: str) -> str:
        return _monitoring_file(platform, model, PAGE).read_text(encoding="utf-8")

    @router.get(f"{monitoring_path('{model}')}/{EXPORT}")
    def monitoring_export(model: str) -> Response:
        return Response(_monitoring_file(platform, model, EXPORT).read_bytes(), media_type="application/json")

    @router.get(data_quality_path("{model}", "{page}"), response_class=HTMLResponse)
    def data_quality(model: str, page: str) -> str:
        # the names of existing files decide, so that no name leads out of the folder
        pages = {
            (file.parent.name, file.name): file for file in (platform.settings.home / "docs").glob("*/*.html")
        }
        file = pages.get((model, page))
        if file is None:
            raise HTTPException(404, f"Great Expectations has no page {page} about {model} yet")
        return file.read_text(encoding="utf-8")

    return router


def _monitoring_file(platform: Platform, model: str, name: str) -> Path:
    """Return a file of a model's report; only names of model files lead to a folder."""
    known = {spec.name for spec in read_folder(platform.settings.models).specs}
    file = monitoring_folder(platform, model) / name if model in known else None
    if file is None or not file.is_file():
        raise HTTPException(
            404, f"there is no monitoring report of {model} yet; write one: mlops monitoring {model}"
        )
    return file
