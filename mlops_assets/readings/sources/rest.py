"""Readings from a REST service: JSON records, page by page, with a key from the environment.

Comes in: a `rest` source. Goes out: the records of all pages. Whatever could make a service
return less than it has (a page limit, a repeated cursor, an ignored page parameter) is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from mlops_assets import live_progress
from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import Paging, RestSource
from mlops_assets.readings.formats.json_records import to_frame
from mlops_assets.readings.formats.json_text import RepeatedKeyError, parse_json
from mlops_assets.readings.request import Fetched, Request, text_names

_RETRIED: Final = (429, 500, 502, 503, 504)
_FIRST_PAUSE_SECONDS: Final = 0.3

Params = dict[str, str]


def read_rest(source: RestSource, request: Request) -> Fetched:
    """Read the records of all pages as rows.

    Args:
        source: Address, paging and key.
        request: The window.

    Returns:
        The readings with their origin.

    Raises:
        SourceError: A response is no list of objects, or pages repeat or end too early.
    """
    import requests

    where = f"rest {source.url}"
    who = f"model {request.model!r}: {where}"
    session = _session(source)
    if source.key_env is not None:
        key = request.settings.environ.get(source.key_env)
        if not key:
            raise SourceError(f"{who}: the environment variable {source.key_env} (source.key_env) is not set")
        session.headers[source.key_header] = f"{source.key_prefix}{key}"
    params = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in source.params.items()
    }
    if source.since_param is not None and request.start is not None:
        params[source.since_param] = request.start.isoformat().replace("+00:00", "Z")
    records: list[Any] = []
    try:
        with session:
            for page in _pages(source, session, params, who):
                records += page
                live_progress.show(f"{len(records):,} rows from {source.url}")
    except requests.RequestException as error:
        reason = "no response in time" if isinstance(error, requests.Timeout) else "cannot be reached"
        raise SourceError(
            f"{who}: {reason} after {source.retries + 1} tries ({type(error).__name__})"
        ) from None
    frame = to_frame(records, who, source.limits)
    return Fetched(frame, where, inferred=text_names(frame))


def _session(source: RestSource) -> Any:
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    session = requests.Session()
    session.headers["Accept"] = "application/json"
    retry = Retry(
        total=source.retries,
        status_forcelist=_RETRIED,
        allowed_methods={"GET"},
        backoff_factor=_FIRST_PAUSE_SECONDS,
        backoff_max=30,
        raise_on_status=False,
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def _pages(source: RestSource, session: Any, params: Params, who: str) -> Iterator[list[Any]]:
    paging = source.paging
    if paging is None:
        yield _records(_body(_get(source, session, source.url, params, who), who), source.records, who)
        return
    if paging.size_param is not None:
        params = {**params, paging.size_param: str(paging.size)}
    paginate = {"page": _by_number, "offset": _by_number, "cursor": _by_cursor, "link": _by_link}[
        paging.style
    ]
    for number, page in enumerate(paginate(source, paging, session, params, who), start=1):
        if number > source.max_pages:
            raise SourceError(
                f"{who}: more than {source.max_pages} pages; raise source.max_pages if there are so many"
            )
        yield page


def _by_number(
    source: RestSource, paging: Paging, session: Any, params: Params, who: str
) -> Iterator[list[Any]]:
    """Page numbers or offsets. A short page is the end only once the service has filled a page of our size."""
    offset, number = 0, 0
    last: list[Any] | None = None
    has_full_page = False
    while True:
        number += 1
        position = number if paging.style == "page" else offset
        response = _get(
            source, session, source.url, {**params, paging.param: str(position)}, who, missing_ends=number > 1
        )
        page = [] if response is None else _records(_body(response, who), source.records, who)
        if not page:
            return
        if page == last:
            raise SourceError(
                f"{who}: {paging.param}={position} returned the previous page again; "
                "name the page parameter in source.paging.param"
            )
        yield page
        offset, last = offset + len(page), page
        has_full_page = has_full_page or len(page) == paging.size
        if has_full_page and len(page) < paging.size:
            return


def _by_cursor(
    source: RestSource, paging: Paging, session: Any, params: Params, who: str
) -> Iterator[list[Any]]:
    visited: set[str] = set()
    query = params
    while True:
        body = _body(_get(source, session, source.url, query, who), who)
        yield _records(body, source.records, who)
        cursor = _lookup(body, paging.cursor or "next")
        if cursor in (None, "", False):
            return
        if str(cursor) in visited:
            raise SourceError(f"{who}: the cursor {str(cursor)!r} came twice; the pages go in circles")
        visited.add(str(cursor))
        query = {**params, paging.param: str(cursor)}


def _by_link(
    source: RestSource, _paging: Paging, session: Any, params: Params, who: str
) -> Iterator[list[Any]]:
    url: str | None = source.url
    query, visited = params, {source.url}
    while url is not None:
        response = _get(source, session, url, query, who)
        yield _records(_body(response, who), source.records, who)
        following = response.links.get("next", {}).get("url")
        if following is None:
            return
        url, query = urljoin(url, following), {}
        if urlsplit(url)[:2] != urlsplit(source.url)[:2]:
            raise SourceError(
                f"{who}: the next page lies on another host ({urlsplit(url).netloc}); the key is not sent there"
            )
        if url in visited:
            raise SourceError(f"{who}: the link to the next page came twice; the pages go in circles")
        visited.add(url)


def _get(
    source: RestSource, session: Any, url: str, params: Params, who: str, *, missing_ends: bool = False
) -> Any:
    """One response; None for 404 where that means the end. No redirect is followed: it could leak the key."""
    response = session.get(url, params=params, timeout=source.timeout.total_seconds(), allow_redirects=False)
    if response.status_code == 404 and missing_ends:
        return None
    if response.is_redirect:
        raise SourceError(
            f"{who}: responds with a redirect to {response.headers.get('Location')}; write that address in source.url"
        )
    if response.status_code in (401, 403):
        key = source.key_env or "source.key_env, which is not declared"
        raise SourceError(f"{who}: refuses access ({response.status_code}); check the key in {key}")
    if not response.ok:
        detail = response.text.strip().replace("\n", " ")[:120]
        raise SourceError(
            f"{who}: responds with {response.status_code} {response.reason}{f': {detail}' if detail else ''}"
        )
    return response


def _body(response: Any, who: str) -> Any:
    try:
        return parse_json(response.content)
    except RepeatedKeyError as error:
        raise SourceError(f"{who}: {error}") from None
    except ValueError:
        kind = response.headers.get("Content-Type", "no content type")
        raise SourceError(
            f"{who}: the response is not JSON ({kind}, {len(response.content)} bytes)"
        ) from None


def _records(body: Any, path: str | None, who: str) -> list[Any]:
    listing = _lookup(body, path) if path else body
    if not isinstance(listing, list):
        keys = f"; its keys are {', '.join(sorted(body)[:8])}" if isinstance(body, dict) else ""
        raise SourceError(
            f"{who}: {f'{path!r} of the body' if path else 'the body'} is no list{keys}; correct source.records"
        )
    return listing


def _lookup(body: Any, path: str) -> Any:
    for key in path.split("."):
        body = body.get(key) if isinstance(body, dict) else None
    return body
