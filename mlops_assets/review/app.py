"""The routes of the review page.

Against other sites in the same browser: only known hosts are served, a session cookie that no other site can send, a
token in every form, and the Origin of every post.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from mlops_assets import key_files, reports
from mlops_assets.errors import MlopsError, ServiceError
from mlops_assets.ledger.records import Verdict
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.approvals import verdicts
from mlops_assets.lifecycle.delivery import history_with_delivery
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec, read_folder
from mlops_assets.review import pages
from mlops_assets.review.forms import Form, form, require_token
from mlops_assets.review.report_routes import report_routes
from mlops_assets.review.sessions import LONGEST_SESSION, Session, Sessions
from mlops_assets.settings import Settings

LOGGER = logging.getLogger(__name__)
HOSTS: Final = ("127.0.0.1", "localhost")
PORT: Final = 8001
COOKIE: Final = "mlops_review"
VERDICTS: Final[tuple[Verdict, ...]] = ("approve", "reject", "defer")
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
OWN_PAGE: Final = re.compile(r"(/[A-Za-z0-9_.]+)+")
POSTED: Final = Depends(form)


def create_review(platform: Platform, key: str, run: Callable[[], Run]) -> FastAPI:
    """Return the application.

    Args:
        platform: The stores.
        key: The review key.
        run: Returns the circumstances of one request; its actor is replaced by the person's name.

    Returns:
        The FastAPI application.
    """
    app = FastAPI(title="mlops_assets review", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))
    app.middleware("http")(_with_headers)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(MlopsError, _failed)

    def report(sentence: str) -> None:
        at = run().now()
        try:
            send_alert(platform, "wrong_review_keys", sentence, key=f"review-keys-{at.isoformat()}", at=at)
        except MlopsError as error:  # the page goes on; its log has the sentence
            LOGGER.warning("%s (no alert could be recorded: %s)", sentence, error)

    sessions = Sessions(key, report=report)
    app.include_router(_session_routes(sessions))
    app.include_router(report_routes(platform, _signed_in(sessions)))
    app.include_router(_review_routes(platform, sessions, run))
    return app


async def _with_headers(request: Request, call_next: Callable[[Request], Any]) -> Response:
    response = cast(Response, await call_next(request))
    response.headers.update(HEADERS)
    return response


async def _refused(request: Request, error: Exception) -> Response:
    refused = cast(HTTPException, error)
    if refused.status_code == 401:
        wanted = request.url.path if request.method == "GET" else "/"
        return RedirectResponse("/login" if wanted == "/" else f"/login?page={quote(wanted, safe='/')}", 303)
    return HTMLResponse(pages.message("Not possible", str(refused.detail)), refused.status_code)


async def _failed(_: Request, error: Exception) -> Response:
    status = 503 if isinstance(error, ServiceError) else 409
    return HTMLResponse(pages.message("Not possible", str(error)), status)


def _signed_in(sessions: Sessions) -> Any:
    """Return a dependency: the session of a request."""

    def session_of(request: Request) -> Session:
        session = sessions.find(request.cookies.get(COOKIE, ""))
        if session is None:
            raise HTTPException(401, "sign in first")
        return session

    return Depends(session_of)


def _session_routes(sessions: Sessions) -> APIRouter:
    router, signed_in = APIRouter(), _signed_in(sessions)

    @router.get("/health")
    def health() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/login", response_class=HTMLResponse)
    def login(page: str = "/") -> str:
        return pages.login(page=_own_page(page))

    @router.post("/login")
    def sign_in(fields: Form = POSTED) -> Response:
        page = _own_page(fields.get("page", "/"))
        if wait := sessions.wait():
            sessions.count_attempt()
            problem = f"Too many wrong keys. Try again in {wait:.0f} seconds."
            return HTMLResponse(pages.login(problem, page), 429, {"Retry-After": f"{wait:.0f}"})
        cookie = sessions.sign_in(fields.get("name", "").strip()[:200], fields.get("key", "").strip())
        if cookie is None:
            return HTMLResponse(pages.login("Give your name and the review key.", page), 401)
        response = RedirectResponse(page, 303)
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", max_age=int(LONGEST_SESSION))
        return response

    @router.post("/logout")
    def sign_out(request: Request, session: Session = signed_in, fields: Form = POSTED) -> Response:
        require_token(session, fields)
        sessions.sign_out(request.cookies.get(COOKIE, ""))
        return RedirectResponse("/login", 303)

    return router


def _own_page(page: str) -> str:
    """Return a path of this application, in place of an address that leads elsewhere."""
    return page if OWN_PAGE.fullmatch(page) else "/"


def _review_routes(platform: Platform, sessions: Sessions, run: Callable[[], Run]) -> APIRouter:
    router, signed_in = APIRouter(), _signed_in(sessions)

    @router.get("/", response_class=HTMLResponse)
    def waiting(session: Session = signed_in) -> str:
        specs = read_folder(platform.settings.models).specs
        return pages.waiting(verdicts.waiting(specs, platform, run()), session)

    @router.get("/{model}/{evidence_hash}", response_class=HTMLResponse)
    def report(model: str, evidence_hash: str, session: Session = signed_in) -> str:
        return _report(platform, run(), _spec(platform, model), evidence_hash, session)

    @router.post("/{model}/{evidence_hash}")
    def decide(
        model: str, evidence_hash: str, session: Session = signed_in, fields: Form = POSTED
    ) -> Response:
        require_token(session, fields)
        verdict = next((one for one in VERDICTS if one == fields.get("verdict")), None)
        if verdict is None or len(evidence_hash) != 64:
            raise HTTPException(400, "choose approve, reject or defer, for one whole evidence hash")
        verdicts.give_verdict(
            _spec(platform, model),
            platform,
            replace(run(), actor=session.name),
            verdict,
            fields.get("comment", ""),
            evidence_hash=evidence_hash,
        )
        return RedirectResponse(f"/{model}/{evidence_hash}", 303)

    return router


def _spec(platform: Platform, model: str) -> ModelSpec:
    specs = read_folder(platform.settings.models).specs
    spec = next((spec for spec in specs if spec.name == model), None)
    if spec is None:
        raise HTTPException(404, f"there is no model {model}")
    return spec


def _report(platform: Platform, run: Run, spec: ModelSpec, evidence_hash: str, session: Session) -> str:
    subject = verdicts.subject(spec, platform, run, evidence_hash=evidence_hash)
    approval = platform.ledger.approval(subject.evidence_hash)
    return reports.html(
        spec,
        verdicts.with_verdicts(platform, subject, run.now()),
        subject.decision,
        subject.evidence_hash,
        _plots(platform.reports(spec.name, subject.evidence.version)),
        history_with_delivery(platform, spec.name, 10),
        actions=pages.actions(subject, approval, session),
    )


def _plots(folder: Path) -> dict[str, bytes]:
    return {file.stem: file.read_bytes() for file in sorted(folder.glob("*.png"))}


def review_key(settings: Settings) -> str:
    """Return MLOPS_REVIEW_KEY, else the key of `<home>/review_key`, created at the first start.

    Args:
        settings: Settings of the installation.

    Returns:
        The key.
    """
    return key_files.read_or_create_key(settings, key_files.REVIEW)


def serve(platform: Platform, run: Callable[[], Run], port: int = PORT) -> None:
    """Serve on 127.0.0.1 until interrupted.

    Args:
        platform: The open stores and settings.
        run: Returns a new lifecycle run.
        port: TCP port.
    """
    import uvicorn

    app = create_review(platform, review_key(platform.settings), run)
    uvicorn.run(app, host=HOSTS[0], port=port, log_level="warning", server_header=False)
