"""`python -m mlops_assets.review`: the review page on the socket MLOPS_REVIEW_SOCKET, else MLOPS_HOST, port 8001."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import uvicorn

from mlops_assets import logs
from mlops_assets.lifecycle.platform import Platform, Run, code_commit
from mlops_assets.review.app import PORT, create_review, review_key
from mlops_assets.settings import Settings, Stores


def _run() -> Run:
    """Return the circumstances of one request; the page replaces the actor by the person's name."""
    return Run(
        id=uuid4().hex,
        as_of=datetime.now(UTC),
        now=lambda: datetime.now(UTC),
        actor="review",
        code_commit=code_commit(Path(__file__).parent),
        progress=lambda _: None,
    )


if __name__ == "__main__":
    logs.configure(os.environ)
    settings = Settings.from_environment(os.environ)
    platform = Platform.open(settings, Stores.from_environment(os.environ))
    uvicorn.run(
        create_review(platform, review_key(settings), _run),
        host=settings.host,
        port=PORT,
        uds=os.environ.get("MLOPS_REVIEW_SOCKET") or None,
        log_config=None,
        access_log=False,
        server_header=False,
    )
