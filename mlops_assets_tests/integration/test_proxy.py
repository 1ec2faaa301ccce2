"""The shipped proxy with TLS: a real nginx before the real sign-in. Without a key no page, with it all of them."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlops_assets.local import front
from mlops_assets_tests.waiting import patience, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.slow]

TEMPLATE = Path(__file__).parents[2] / "deploy" / "compose" / "proxy.conf.template"
DOMAIN, KEY = "mlops.test", "the-session-key"
GATED = {"dagster": 3000, "mlflow": 5000, "review": 8001}
"""Names behind the sign-in, and their ports in the deployment."""


class Page(BaseHTTPRequestHandler):
    """A server behind the sign-in: its page says which it is and what it was asked."""

    def do_GET(self) -> None:
        name = getattr(self.server, "title", "")
        body = json.dumps({"page": name, "host": self.headers["Host"], "path": self.path}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None: ...


def served(stack: ExitStack, title: str) -> int:
    """Start a page, and return its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    setattr(server, "title", title)  # noqa: B010
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stack.callback(server.server_close)
    stack.callback(thread.join)
    stack.callback(server.shutdown)
    return int(server.server_address[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def certificate(folder: Path) -> Path:
    """Write a certificate for every name of the domain, signed by itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"*.{DOMAIN}")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "tls_certificate").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain
    )
    (folder / "tls_key").write_bytes(private)
    return folder / "tls_certificate"


@dataclass
class Proxy:
    """A running nginx: its ports, and the authority that a client trusts."""

    secure: int
    plain: int
    authority: Path

    def get(
        self, name: str, path: str = "/", method: str = "GET", **headers: str
    ) -> http.client.HTTPResponse:
        """Ask for a page of a name over TLS, its certificate verified."""
        context = ssl.create_default_context(cafile=str(self.authority))
        connection = http.client.HTTPSConnection(name, self.secure, timeout=patience(30), context=context)
        plain = socket.create_connection(("127.0.0.1", self.secure), timeout=patience(30))
        connection.sock = context.wrap_socket(plain, server_hostname=name)
        spelled = {key.replace("_", "-"): value for key, value in headers.items()}
        connection.request(method, path, headers={"Host": name, **spelled})
        response = connection.getresponse()
        response.text = response.read().decode()  # type: ignore[attr-defined]
        connection.close()
        return response


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not on this machine; install the package nginx-light")
    folder = tmp_path_factory.mktemp("proxy")
    authority = certificate(folder)
    with ExitStack() as stack:
        ports = {name: free_port() for name in GATED}
        gates = tuple(
            front.Gate(None, ports[name], f"127.0.0.1:{served(stack, name)}", name) for name in GATED
        )
        made = Proxy(free_port(), free_port(), authority)
        started = subprocess.Popen(
            [sys.executable, "-m", "mlops_assets.local.front", front.Plan("", gates).as_argument()],
            env={**os.environ, front.KEY_VARIABLE: KEY},
        )
        stack.callback(started.wait)
        stack.callback(started.terminate)
        text = TEMPLATE.read_text().replace("${MLOPS_DOMAIN}", DOMAIN).replace("/run/secrets", str(folder))
        for name, port in GATED.items():
            text = text.replace(f"front:{port}", f"127.0.0.1:{ports[name]}")
            text = text.replace(f"localhost:{port}", f"localhost:{ports[name]}")
        text = text.replace("api:8000", f"127.0.0.1:{served(stack, 'api')}")
        text = text.replace("listen 443", f"listen 127.0.0.1:{made.secure}")
        text = text.replace("listen 80", f"listen 127.0.0.1:{made.plain}")
        assert "${" not in text
        temporary = " ".join(
            f"{kind}_temp_path {folder}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"pid {folder}/pid; error_log {folder}/error.log; daemon off; events {{}}\n"
            f"http {{ access_log off; {temporary}\n{text}\n}}"
        )
        command = [nginx, "-p", str(folder), "-c", str(folder / "nginx.conf")]
        tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
        assert tested.returncode == 0, tested.stderr
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        stack.callback(server.wait)
        stack.callback(server.terminate)
        wait_until(lambda: responds_at(made.secure) and all(map(responds_at, ports.values())), 60)
        yield made


def responds_at(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def text_of(response: http.client.HTTPResponse) -> str:
    return str(getattr(response, "text", ""))


@pytest.mark.parametrize("name", GATED)
def test_without_the_key_no_page_and_with_it_every_page(proxy: Proxy, name: str) -> None:
    host = f"{name}.{DOMAIN}"
    strangers: tuple[dict[str, str], ...] = (
        {},
        {"Authorization": "Bearer wrong"},
        {"Cookie": "mlops_session=wrong"},
        {"X_Forwarded_For": "127.0.0.1"},
    )
    for headers in strangers:
        for method, path in (
            ("GET", "/"),
            ("POST", "/graphql"),
            ("GET", "/api/2.0/mlflow/x"),
            ("GET", "//x"),
        ):
            response = proxy.get(host, path, method, **headers)
            assert response.status == 401, (headers, path)
            assert '"page"' not in text_of(response)
    signed = proxy.get(host, f"/runs?session={KEY}")
    assert (signed.status, signed.getheader("Location")) == (303, "/runs")
    cookie = str(signed.getheader("Set-Cookie"))
    assert {"httponly", "samesite=strict", "secure"} <= set(re.split(r"; *", cookie.lower()))
    page = proxy.get(host, "/runs", Cookie=cookie.partition(";")[0])
    assert (page.status, json.loads(text_of(page))["page"]) == (200, name)
    program = proxy.get(host, "/", Authorization=f"Bearer {KEY}")
    assert (program.status, json.loads(text_of(program))["page"]) == (200, name)
    assert str(page.getheader("Strict-Transport-Security")).startswith("max-age=")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("https://dagster.mlops.test", 200),
        ("https://mlflow.mlops.test", 403),
        ("https://evil.example", 403),
        ("https://dagster.mlops.test.evil.example", 403),
        ("http://dagster.mlops.test", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_origins_reach_nothing_through_a_signed_in_browser(
    proxy: Proxy, origin: str, status: int
) -> None:
    host = f"dagster.{DOMAIN}"
    response = proxy.get(host, "/graphql", "POST", Origin=origin, Authorization=f"Bearer {KEY}")
    assert response.status == status


def test_the_api_is_reached_and_its_metrics_are_not(proxy: Proxy) -> None:
    assert json.loads(text_of(proxy.get(f"api.{DOMAIN}", "/health")))["page"] == "api"
    assert proxy.get(f"api.{DOMAIN}", "/metrics").status == 404


def test_plain_http_leads_to_tls_and_other_names_get_no_connection(proxy: Proxy) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", proxy.plain, timeout=patience(30))
    connection.request("GET", f"/x?session={KEY}", headers={"Host": f"dagster.{DOMAIN}"})
    response = connection.getresponse()
    assert response.status == 301
    assert str(response.getheader("Location")).startswith(f"https://dagster.{DOMAIN}/")
    connection.close()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode, context.minimum_version = False, ssl.CERT_NONE, version
        with (
            socket.create_connection(("127.0.0.1", proxy.secure), timeout=patience(30)) as plain,
            pytest.raises(ssl.SSLError),
        ):
            context.wrap_socket(plain, server_hostname="other.example")
