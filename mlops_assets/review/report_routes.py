"""Pages that only show something about a model, for whoever is signed in: links in Dagster and in mails lead here."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse

from mlops_assets.lifecycle.page_links import data_quality_path
from mlops_assets.lifecycle.platform import Platform


def report_routes(platform: Platform, signed_in: Any) -> APIRouter:
    """Return the routes.

    Args:
        platform: The stores.
        signed_in: FastAPI's dependency that refuses who is not signed in.

    Returns:
        The router; its paths are those of `lifecycle.page_links`.
    """
    router = APIRouter(dependencies=[signed_in])

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
