"""The review page: challengers that wait for a person, each with its gate report and three buttons.

Comes in: a browser on this machine, with the review key. Goes out: pages, and answers through `lifecycle.people`, the
same door the command line uses. It is an application of its own and not part of the prediction API: whoever may ask
for predictions may not therefore promote models. Needs the ledger and the bundles, neither Dagster nor MLflow.

Against other sites in the same browser: only known hosts are answered, a session cookie that no other site can send,
a token in every form, and the Origin of every post.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from mlops_assets import reports
from mlops_assets.errors import MlopsError, ServiceError
from mlops_assets.ledger.records import Verdict
from mlops_assets.lifecycle.approvals import answers
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec, read_folder
from mlops_assets.review import pages as pages
from mlops_assets.settings import Settings

HOSTS: Final = ("127.0.0.1", "localhost")
PORT: Final = 8001
COOKIE: Final = "mlops_review"
LARGEST_FORM: Final = 64 * 1024
VERDICTS: Final[tuple[Verdict, ...]] = ("approve", "reject", "defer")
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Session:
    """Who sits in front of the browser, and the token their forms carry."""

    name: str
    token: str


Form = dict[str, str]


async def form(request: Request) -> Form:
    """The fields of a posted form, from our own pages only."""
    if request.headers.get("origin") != f"{request.url.scheme}://{request.headers.get('host')}":
        raise HTTPException(403, "this form was not sent by the review page")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "the form is too large")
    fields = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def create_review(platform: Platform, key: str, run: Callable[[], Run]) -> FastAPI:
    """The application. run gives the circumstances of one request; its actor is replaced by the person's name."""
    app = FastAPI(title="mlops_assets review", openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))
    sessions: dict[str, Session] = {}

    @app.middleware("http")
    async def guarded(request: Request, call_next: Callable[[Request], Any]) -> Response:
        response = cast(Response, await call_next(request))
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(HTTPException)
    async def in_words(_: Request, error: HTTPException) -> Response:
        if error.status_code == 401:
            return RedirectResponse("/login", 303)
        return HTMLResponse(pages.message("Not possible", str(error.detail)), error.status_code)

    @app.exception_handler(MlopsError)
    async def not_possible(_: Request, error: MlopsError) -> Response:
        return HTMLResponse(
            pages.message("Not possible", str(error)), 503 if isinstance(error, ServiceError) else 409
        )

    def signed_in(request: Request) -> Session:
        session = sessions.get(request.cookies.get(COOKIE, ""))
        if session is None:
            raise HTTPException(401, "sign in first")
        return session

    def specs() -> tuple[ModelSpec, ...]:
        return read_folder(platform.settings.models).specs

    def spec_of(model: str) -> ModelSpec:
        found = next((spec for spec in specs() if spec.name == model), None)
        if found is None:
            raise HTTPException(404, f"there is no model {model}")
        return found

    who_asks, posted = Depends(signed_in), Depends(form)

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/login", response_class=HTMLResponse)
    def login() -> str:
        return pages.login()

    @app.post("/login")
    def sign_in(fields: Form = posted) -> Response:
        name = fields.get("name", "").strip()[:200]
        if not name or not secrets.compare_digest(fields.get("key", "").strip().encode(), key.encode()):
            return HTMLResponse(pages.login("Give your name and the review key."), 401)
        session = secrets.token_urlsafe(32)
        sessions[session] = Session(name, secrets.token_urlsafe(32))
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, session, httponly=True, samesite="strict", max_age=8 * 3600)
        return answer

    @app.post("/logout")
    def sign_out(request: Request, who: Session = who_asks, fields: Form = posted) -> Response:
        _require_token(who, fields)
        sessions.pop(request.cookies.get(COOKIE, ""), None)
        return RedirectResponse("/login", 303)

    @app.get("/", response_class=HTMLResponse)
    def waiting(who: Session = who_asks) -> str:
        return pages.waiting(answers.waiting(specs(), platform, run()), who.name, who.token)

    @app.get("/{model}/{evidence_hash}", response_class=HTMLResponse)
    def report(model: str, evidence_hash: str, who: Session = who_asks) -> str:
        spec, now = spec_of(model), run().now()
        found = answers.subject(spec, platform, run(), evidence_hash=evidence_hash)
        actions = pages.actions(found, platform.ledger.approval(found.evidence_hash), who.name, who.token)
        return reports.html(
            spec,
            answers.as_it_stands(platform, found, now),
            found.decision,
            found.evidence_hash,
            _plots(platform.reports(model, found.evidence.version)),
            platform.ledger.history(model, 10),
            actions=actions,
        )

    @app.post("/{model}/{evidence_hash}")
    def answer(model: str, evidence_hash: str, who: Session = who_asks, fields: Form = posted) -> Response:
        _require_token(who, fields)
        verdict = next((one for one in VERDICTS if one == fields.get("verdict")), None)
        if verdict is None or len(evidence_hash) != 64:
            raise HTTPException(400, "choose approve, reject or defer, for one whole evidence hash")
        answers.answer(
            spec_of(model),
            platform,
            replace(run(), actor=who.name),
            verdict,
            fields.get("comment", ""),
            evidence_hash=evidence_hash,
        )
        return RedirectResponse(f"/{model}/{evidence_hash}", 303)

    return app


def _require_token(who: Session, fields: Form) -> None:
    if not secrets.compare_digest(fields.get("token", "").encode(), who.token.encode()):
        raise HTTPException(403, "this form is not of your session; open the page again")


def _plots(folder: Path) -> dict[str, bytes]:
    return {file.stem: file.read_bytes() for file in sorted(folder.glob("*.png"))}


def review_key(settings: Settings) -> str:
    """MLOPS_REVIEW_KEY, else the one in `<home>/review_key`, made at the first start and readable by its owner only."""
    given = settings.environ.get("MLOPS_REVIEW_KEY", "").strip()
    if given:
        return given
    file = settings.home / "review_key"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
    key = file.read_text(encoding="utf-8").strip()
    if not key:
        raise ServiceError(f"the review page has no key; set MLOPS_REVIEW_KEY or write one to {file}")
    return key


def serve(platform: Platform, run: Callable[[], Run], port: int = PORT) -> None:
    """Serve on this machine's own address until interrupted."""
    import uvicorn

    app = create_review(platform, review_key(platform.settings), run)
    uvicorn.run(app, host=HOSTS[0], port=port, log_level="warning", server_header=False)
