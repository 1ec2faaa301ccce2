"""Where pages about a model are served: the paths of the review page's application, and links to them.

Comes in: settings and what a page is about. Goes out: URLs that a browser opens, never the path of a file. The
application that serves these paths is `review`.
"""

from __future__ import annotations

from typing import Final

from mlops_assets.settings import Settings

WEEK_PATH: Final = "/week"
"""Path of the weekly report over all models."""
SITE_PATH: Final = "/docs"
"""Path of the folder that `mlops docs` writes."""
NO_ADDRESS: Final = (
    "not served: 'mlops up' serves it for the runs that it starts; elsewhere set MLOPS_REVIEW_URL to the address of "
    "the review page"
)
"""What stands in place of a link where no address is known."""


def gate_report_path(model: str, evidence_hash: str) -> str:
    """Return the path of the gate report about one evidence record.

    Args:
        model: Name of the model.
        evidence_hash: Hash of the evidence.

    Returns:
        Path of a URL.
    """
    return f"/{model}/{evidence_hash}"


def monitoring_path(model: str) -> str:
    """Return the path of the monitoring report.

    Args:
        model: Name of the model.

    Returns:
        Path of a URL.
    """
    return f"/{model}/monitoring"


def data_quality_path(model: str, page: str = "index.html") -> str:
    """Return the path of the pages of Great Expectations.

    Args:
        model: Name of the model.
        page: Name of the page.

    Returns:
        Path of a URL.
    """
    return f"/{model}/data_quality/{page}"


def link(settings: Settings, path: str) -> str | None:
    """Return the URL of a page.

    Args:
        settings: Settings of the installation.
        path: Path of the page.

    Returns:
        The URL; None where no address of the review page is known.
    """
    return None if settings.review_url is None else f"{settings.review_url.rstrip('/')}{path}"
