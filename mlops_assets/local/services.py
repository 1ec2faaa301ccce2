"""What `mlops up` starts, and how it knows that each part is ready.

Comes in: `Settings`, `Stores`, ports. Goes out: `Service` values for the supervisor. Passwords travel in environments,
never on command lines, which everybody on the machine can read.
"""

from __future__ import annotations

import json
import shlex
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from mlops_assets import key_files
from mlops_assets.local import exporter, front, processes, sockets
from mlops_assets.local.environment import dagster_home, environment
from mlops_assets.local.ports import HOST, listen, port_of
from mlops_assets.local.probes import gives_definitions, heartbeats, load_error, responds, unix_url
from mlops_assets.local.supervised import Service
from mlops_assets.operations.exporter.server import TOKEN
from mlops_assets.settings import Settings, Stores

DEFINITIONS = "mlops_assets.definitions"
LOCATION = "mlops_assets"
HEARTBEAT_SECONDS = "300"
DAEMON_SECONDS = 600.0
"""Age of a daemon's heartbeat from which it is taken for dead; a busy machine delays it by minutes."""

# The webserver knows ports only. A unix socket in a folder of our own is open to nobody else on the machine.
WEBSERVER = """
import sys
import uvicorn
from dagster_webserver.cli import main
path, run = sys.argv.pop(1), uvicorn.run
uvicorn.run = lambda app, **settings: run(app, uds=path, log_level=settings.get("log_level"))
main()
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the services listen."""

    dagster: int = 3000
    mlflow: int = 5000
    api: int = 8000
    review: int = 8001
    exporter: int = exporter.PORT


@dataclass(frozen=True, slots=True)
class Listeners:
    """Sockets that listen on those ports. They are this process's own, and inherited by the services behind them."""

    dagster: socket.socket
    mlflow: socket.socket
    api: socket.socket
    review: socket.socket
    exporter: socket.socket

    @classmethod
    def on(cls, wanted: Ports) -> Listeners:
        """Listen on the ports, or on the next free ones.

        Args:
            wanted: Ports to listen on; 0 for any.

        Returns:
            Open sockets.
        """
        return cls(*(listen(getattr(wanted, one.name)) for one in fields(wanted)))

    @property
    def ports(self) -> Ports:
        """Return the ports they listen on."""
        return Ports(*(port_of(getattr(self, one.name)) for one in fields(self)))

    def close(self) -> None:
        """Give the ports back."""
        for one in fields(self):
            getattr(self, one.name).close()


def services(settings: Settings, stores: Stores, listeners: Listeners) -> list[Service]:
    """Return every service, in the order in which a person reads about them.

    Args:
        settings: Settings of the installation.
        stores: URLs of the databases.
        listeners: Sockets that the services inherit.

    Returns:
        Commands, environments, logs and probes.
    """
    ports = listeners.ports
    session_key = key_files.create_key(settings.home, key_files.FRONT)
    tracking = settings.mlflow_tracking_uri or f"http://{HOST}:{ports.mlflow}"
    base = {
        **environment(settings, stores),
        "MLFLOW_TRACKING_URI": tracking,
        "MLOPS_HOST": HOST,
        # reports are linked at the address that this `mlops up` serves them at, whatever an earlier one used
        "MLOPS_REVIEW_URL": f"http://{HOST}:{ports.review}",
        "MLOPS_API_URL": f"http://{HOST}:{ports.api}",
        # a busy machine keeps the code server's heartbeat waiting for longer than Dagster's 30 seconds
        "DAGSTER_GRPC_PROXY_HEARTBEAT_TTL_SECONDS": HEARTBEAT_SECONDS,
        processes.MARKER: str(settings.home),
    }
    if settings.mlflow_tracking_uri is None:
        base["MLFLOW_TRACKING_TOKEN"] = key_files.read_key(settings, key_files.FRONT)
    logs = settings.home / "logs"
    code = code_socket(settings)
    run = code.parent
    sockets.make(run)
    code.unlink(missing_ok=True)
    workspace = _write_workspace(settings, code)
    parts = [
        _code_server(base, logs, code),
        _webserver(base, logs, workspace, run, ports.dagster),
        _daemon(base, logs, workspace, run),
        _prediction_api(base, logs, listeners.api),
        _review(base, logs, run, ports.review),
    ]
    gates = [
        _gate(listeners.dagster, run / "web.sock", "Dagster"),
        _gate(listeners.review, run / "review.sock", "The review page"),
    ]
    if settings.mlflow_tracking_uri is None:
        parts.insert(0, _mlflow(settings, stores, base, logs, run, ports.mlflow))
        gates.append(_gate(listeners.mlflow, run / "mlflow.sock", "MLflow"))
    parts.insert(0, _front(base, logs, front.Plan(str(session_key), tuple(gates))))
    parts.append(_exporter(base, logs, listeners.exporter))
    names = {exporter.NAMES: ",".join(part.name for part in parts)}
    return [replace(part, environment={**part.environment, **names}) for part in parts]


def _gate(listener: socket.socket, backend: Path, title: str) -> front.Gate:
    return front.Gate(listener.fileno(), port_of(listener), str(backend), title)


def _front(base: Mapping[str, str], logs: Path, plan: front.Plan) -> Service:
    """Describe the program that asks for the session key before it passes a request on."""

    def works(_: float) -> bool:
        return all(responds(f"http://{HOST}:{gate.port}{front.HEALTH}") for gate in plan.gates)

    return Service(
        name="front",
        title="Sign-in",
        command=(sys.executable, "-m", front.__name__, plan.as_argument()),
        environment=base,
        log=logs / "front.log",
        ready=works,
        works=works,
        wave=1,
        pass_fds=tuple(gate.descriptor for gate in plan.gates if gate.descriptor is not None),
    )


def _mlflow(
    settings: Settings, stores: Stores, base: Mapping[str, str], logs: Path, run: Path, port: int
) -> Service:
    """Describe the MLflow server; one worker is enough for one person.

    Artifacts have plain file addresses, the same for clients of this server and for those that use the database; the
    server shows them and also serves `mlflow-artifacts:` addresses.
    """
    own = {
        **base,
        "MLFLOW_BACKEND_STORE_URI": stores.mlflow_url,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": settings.artifact_root,
        "MLFLOW_ARTIFACTS_DESTINATION": settings.artifact_root,
        "MLFLOW_WORKERS": "1",
        # against pages of other sites that a browser could be tricked into sending here
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{HOST}:{port},localhost:{port}",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port},http://localhost:{port}",
        # background jobs are for language models: three more processes
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN"):
        own.pop(name, None)
    path = run / "mlflow.sock"
    health = unix_url(path, "/health")
    return Service(
        name="mlflow",
        title="MLflow",
        command=(
            *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)),
            *("--uvicorn-opts", f"--uds {shlex.quote(str(path))}"),
        ),
        environment=own,
        log=logs / "mlflow.log",
        ready=lambda _: responds(health),
        works=lambda _: responds(health),
        address=f"http://{HOST}:{port}",
        wave=1,
    )


def _code_server(base: Mapping[str, str], logs: Path, code: Path) -> Service:
    """Describe the code server: it loads the model files for webserver and daemon, and starts the runs."""
    arguments = ["-m", "dagster", "code-server", "start", "--socket", str(code), "--module-name", DEFINITIONS]
    arguments += ["--location-name", LOCATION, "--use-python-environment-entry-point"]
    return Service(
        name="dagster-code",
        title="Dagster code location",
        command=(sys.executable, *arguments),
        environment=base,
        log=logs / "dagster-code.log",
        ready=lambda _: gives_definitions(f"unix:{code}"),
        works=lambda _: gives_definitions(f"unix:{code}"),
    )


def _webserver(base: Mapping[str, str], logs: Path, workspace: Path, run: Path, port: int) -> Service:
    path = run / "web.sock"
    info = unix_url(path, "/server_info")
    arguments = [
        "-c",
        WEBSERVER,
        str(path),
        "--host",
        HOST,
        "--port",
        str(port),
        "--workspace",
        str(workspace),
    ]
    return Service(
        name="dagster-webserver",
        title="Dagster",
        command=(sys.executable, *arguments),
        environment=base,
        log=logs / "dagster-webserver.log",
        ready=lambda _: responds(info),
        works=lambda _: responds(info),
        address=f"http://{HOST}:{port}",
        needs=("dagster-code",),
        remark=lambda: load_error(unix_url(path, "/graphql")),
    )


def _daemon(base: Mapping[str, str], logs: Path, workspace: Path, run: Path) -> Service:
    graphql, info = (unix_url(run / "web.sock", route) for route in ("/graphql", "/server_info"))

    def works(now: float) -> bool | None:
        # the webserver knows the heartbeats; without it nothing can be said about the daemon
        return heartbeats(graphql, now - DAEMON_SECONDS) if responds(info) else None

    return Service(
        name="dagster-daemon",
        title="Dagster daemon (schedules, sensors, run queue)",
        command=(sys.executable, "-m", "dagster._daemon", "run", "--workspace", str(workspace)),
        environment=base,
        log=logs / "dagster-daemon.log",
        ready=lambda began: heartbeats(graphql, began),
        works=works,
        needs=("dagster-code",),
    )


def _prediction_api(base: Mapping[str, str], logs: Path, listener: socket.socket) -> Service:
    health = f"http://{HOST}:{port_of(listener)}/health"
    descriptor = listener.fileno()
    return Service(
        name="api",
        title="Prediction API",
        command=(sys.executable, "-m", "mlops_assets.serving"),
        environment={**base, "MLOPS_API_FD": str(descriptor)},
        log=logs / "api.log",
        ready=lambda _: responds(health),
        works=lambda _: responds(health),
        address=f"http://{HOST}:{port_of(listener)}",
        wave=1,
        pass_fds=(descriptor,),
    )


def _review(base: Mapping[str, str], logs: Path, run: Path, port: int) -> Service:
    """Describe the review page: behind the sign-in, with a key of its own for those who may decide."""
    path = run / "review.sock"
    health = unix_url(path, "/health")
    return Service(
        name="review",
        title="Review page",
        command=(sys.executable, "-m", "mlops_assets.review"),
        environment={**base, "MLOPS_REVIEW_SOCKET": str(path)},
        log=logs / "review.log",
        ready=lambda _: responds(health),
        works=lambda _: responds(health),
        address=f"http://{HOST}:{port}",
        wave=1,
    )


def _exporter(base: Mapping[str, str], logs: Path, listener: socket.socket) -> Service:
    """Describe the exporter: metrics for Prometheus, which sends the key of the file `exporter_key`."""
    address = f"http://{HOST}:{port_of(listener)}"
    descriptor = listener.fileno()
    return Service(
        name="exporter",
        title="Metrics (Prometheus)",
        command=(sys.executable, "-m", exporter.__name__),
        environment={
            **base,
            exporter.DESCRIPTOR: str(descriptor),
            TOKEN: key_files.create_key(Path(base["MLOPS_HOME"]), key_files.EXPORTER).read_text().strip(),
        },
        log=logs / "exporter.log",
        ready=lambda _: responds(f"{address}/health"),
        works=lambda _: responds(f"{address}/health"),
        address=address,
        wave=1,
        pass_fds=(descriptor,),
    )


def code_socket(settings: Settings) -> Path:
    """Return the code server's socket: a client of it can run code, so it is not a port.

    Args:
        settings: Settings of the installation.

    Returns:
        Path of the socket.
    """
    return sockets.folder(settings.home / "run", "code.sock") / "code.sock"


def _write_workspace(settings: Settings, code: Path) -> Path:
    """Write the workspace of webserver and daemon: the shared code server. JSON is YAML."""
    path = dagster_home(settings) / "workspace.yaml"
    server = {"socket": str(code), "host": "localhost", "location_name": LOCATION}
    path.write_text(json.dumps({"load_from": [{"grpc_server": server}]}) + "\n")
    return path
