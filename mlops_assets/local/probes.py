"""How `mlops up` knows that a service does its work: it asks for some.

Comes in: an address, `http://` or `unix:` with the path of a socket. Goes out: whether the work was done.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlops_assets.local.ports import HOST

GRPC_SECONDS = 30.0


def responds(url: str) -> bool:
    """Return whether the URL responds with status 200.

    Args:
        url: `http://...`, or a URL of `unix_url`.

    Returns:
        False for another status, an error or a timeout.
    """
    return _http(url) is not None


def heartbeats(graphql: str, since: float) -> bool:
    """Return whether every required daemon has sent a heartbeat, as Dagster's webserver reports.

    Args:
        graphql: URL of Dagster's GraphQL endpoint.
        since: Seconds since 1970.

    Returns:
        False also when the webserver does not respond.
    """
    data = _graphql(
        graphql, "{instance{daemonHealth{allDaemonStatuses{daemonType required healthy lastHeartbeatTime}}}}"
    )
    if data is None:
        return False
    needed = [each for each in data["instance"]["daemonHealth"]["allDaemonStatuses"] if each["required"]]
    return bool(needed) and all((each["lastHeartbeatTime"] or 0) >= since for each in needed)


def load_error(graphql: str) -> str | None:
    """Return why Dagster could not load the model files, in one line; None when it could.

    Args:
        graphql: URL of Dagster's GraphQL endpoint.

    Returns:
        One line, or None.
    """
    query = (
        "{workspaceOrError{... on Workspace{locationEntries{name locationOrLoadError{__typename "
        "... on PythonError{message errorChain{error{message}}}}}}}}"
    )
    data = _graphql(graphql, query)
    for entry in data["workspaceOrError"].get("locationEntries", []) if data else []:
        problem = entry["locationOrLoadError"]
        if problem and problem["__typename"] == "PythonError":
            causes = [problem["message"], *(each["error"]["message"] for each in problem["errorChain"] or [])]
            return f"but the model files do not load: {causes[-1].strip()}"
    return None


def gives_definitions(target: str) -> bool:
    """Return whether the code location gives its definitions out.

    The code server is a proxy: it accepts connections and calls itself healthy while the process behind it, which has
    the definitions, is dead. So it is queried for them, without Dagster's own client, which takes seconds to import.

    Args:
        target: `unix:` with the path of a socket, or `host:port`.

    Returns:
        False when the process behind the proxy does not respond.
    """
    import grpc

    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(target, options=options) as channel:
        method = channel.unary_unary("/api.DagsterApi/ListRepositories")
        try:
            method(b"", timeout=GRPC_SECONDS)
        except grpc.RpcError:
            return False
    return True


def _graphql(url: str, query: str) -> Any | None:
    response = _http(url, json.dumps({"query": query}))
    return None if response is None else json.loads(response).get("data")


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def unix_url(path: Path, route: str) -> str:
    """Return the URL of a route on a unix socket, for `responds`.

    Args:
        path: The socket.
        route: Path of the route, for example `/health`.

    Returns:
        `unix:PATH|ROUTE`.
    """
    return f"unix:{path}|{route}"


def _http(url: str, body: str | None = None, timeout: float = 5.0) -> bytes | None:
    """Return the body of a 200 response, else None. No proxy: the address is always this machine."""
    connection: http.client.HTTPConnection
    if url.startswith("unix:"):
        path, _, route = url.removeprefix("unix:").partition("|")
        connection = _UnixConnection(path, timeout)
    else:
        parts = urlsplit(url)
        route = parts.path or "/"
        connection = http.client.HTTPConnection(parts.hostname or HOST, parts.port, timeout=timeout)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", route, body, headers)
        response = connection.getresponse()
        content = response.read()
        return content if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


if __name__ == "__main__":
    # the health check of a code location in a container
    sys.exit(0 if gives_definitions(sys.argv[1]) else 1)
