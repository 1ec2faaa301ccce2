"""Fields of posted forms, from our own pages only: the Origin of every post is checked, and the session's token."""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import parse_qs

from fastapi import HTTPException, Request

from mlops_assets.review.sessions import Session

LARGEST_FORM: Final = 64 * 1024

Form = dict[str, str]


async def form(request: Request) -> Form:
    """Return the fields of a posted form.

    Args:
        request: The POST request.

    Returns:
        First value by field.

    Raises:
        HTTPException: Another page sent it, or it is too large.
    """
    if request.headers.get("origin") != f"{request.url.scheme}://{request.headers.get('host')}":
        raise HTTPException(403, "this form was not sent by the review page")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, "the form is too large")
    fields = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def require_token(session: Session, fields: Form) -> None:
    """Check that the form carries the session's token.

    Args:
        session: The person's session.
        fields: Result of `form`.

    Raises:
        HTTPException: It does not.
    """
    if not secrets.compare_digest(fields.get("token", "").encode(), session.token.encode()):
        raise HTTPException(403, "this form is not of your session; open the page again")
