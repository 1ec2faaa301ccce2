"""A page of a stranger in a browser that knows the key of the prediction API: nothing readable, nothing done."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.serving.app import create_app
from mlops_assets.serving.keys import Keys
from mlops_assets_tests.unit.serving.served_models import FakeChampions, server
from mlops_assets_tests.waiting import patience

KEY = "stranger-proof"
HOSTILE = """<!doctype html><title>loading</title>
<script src="{url}/metrics"></script><script src="{url}/openapi.json"></script>
<iframe name=f src="{url}/docs"></iframe>
<form method=post target=f action="{url}/labels/double" enctype="text/plain">
<input name='{"labels": [{"id": "x", "value": 1}], "a": "' value='"}'></form>
<script>
document.forms[0].submit()
const body = JSON.stringify({readings: [{x: 1, z: 2, kind: "a"}]}), seen = []
const ask = (path, options) => fetch("{url}" + path, {credentials: "include", ...options})
  .then(response => response.text()).then(text => text && seen.push(path))
const requests = ["/metrics", "/docs", "/openapi.json", "/models", "/health"].map(path => ask(path, {}))
for (const path of ["/predict/double", "/labels/double", "/explain/double"]) {
  requests.push(ask(path, {method: "POST", body}), ask(path, {method: "POST", body, mode: "no-cors"}))
  requests.push(ask(path, {method: "POST", body, headers: {"Content-Type": "application/json", "x-api-key": "x"}}))
}
new WebSocket("{url}/metrics".replace("http", "ws"))
Promise.allSettled(requests).then(() => setTimeout(() => {
  try { if (frames[0].document.body.innerText) seen.push("frame") } catch (error) {}
  document.title = "read: " + seen.join(" ") + "."
}, 1000))
</script>"""


def test_a_page_of_a_stranger_reads_and_does_nothing(tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    app = create_app(FakeChampions(), Keys(KEY))  # type: ignore[arg-type]
    arrived: list[tuple[str, str, int]] = []

    async def counted(
        scope: MutableMapping[str, Any], receive: Any, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                arrived.append((scope["method"], scope["path"], message["status"]))
            await send(message)

        await app(scope, receive, noted)

    async def stranger(
        scope: MutableMapping[str, Any], _: Any, send: Callable[[Any], Awaitable[None]]
    ) -> None:
        if scope["type"] == "http":
            headers = [(b"content-type", b"text/html")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": pages[scope["path"]].encode()})

    with server(counted) as port, server(stranger, lifespan="off") as other:
        own, foreign = f"http://127.0.0.1:{port}", f"http://localhost:{other}"
        signed_in = f"http://prometheus:{KEY}@127.0.0.1:{port}/docs"
        pages = {
            "/": f"<script>open('{signed_in}'); setTimeout(() => location = '{foreign}/hostile', 3000)</script>"
        }
        pages["/hostile"] = HOSTILE.replace("{url}", own)
        pages["/favicon.ico"] = ""
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-popup-blocking"]
        command += [
            f"--user-data-dir={tmp_path / 'p'}",
            "--virtual-time-budget=30000",
            "--dump-dom",
            f"{foreign}/",
        ]
        result = subprocess.run(command, capture_output=True, text=True, timeout=patience(100), check=False)
    assert "<title>read: .</title>" in result.stdout, (result.stdout[:300], result.stderr[-500:])
    assert ("GET", "/docs", 200) in arrived, "the browser is signed in"
    assert {status for method, _, status in arrived if method != "GET"} <= {401, 403, 405}, arrived
    assert ("POST", "/predict/double", 401) in arrived
