"""`python -m mlops_assets.serving`: the API on MLOPS_HOST (127.0.0.1) and MLOPS_API_PORT (8000).

MLOPS_SERVING_TARGET says what it serves: champions (`production`), or challengers that passed their gates (`staging`).
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server

from mlops_assets import logs
from mlops_assets.serving.worker_metrics import Combined
from mlops_assets.serving.workers import WORKER, Workers, end_with_parent
from mlops_assets.settings import Settings, Stores


def serve(settings: Settings, metrics_port: int) -> None:
    """Serve in this process until it is told to end.

    Args:
        settings: Folders and host.
        metrics_port: Where the metrics can be read without a key; 0 for nowhere.
    """
    import uvicorn

    from mlops_assets import key_files
    from mlops_assets.lifecycle.platform import Platform
    from mlops_assets.serving.app import create_app
    from mlops_assets.serving.cached_ledger import CachedLedger
    from mlops_assets.serving.champions import Champions
    from mlops_assets.serving.garbage_collector import tune_collector
    from mlops_assets.serving.inline import inline_protocol
    from mlops_assets.serving.keys import Keys
    from mlops_assets.serving.prediction_log import PredictionLog
    from mlops_assets.serving.rollouts import Rollouts
    from mlops_assets.serving.targets import serves_staging, staging_champions

    stores = Stores.from_environment(os.environ)
    ledger = CachedLedger.open_with(
        settings.home / "serving" / "ledger", stores.ledger_url, stores.approvals_url
    )
    platform = Platform.open(settings, stores, ledger)
    staging = serves_staging(os.environ)
    champions = (
        staging_champions(platform) if staging else Champions(platform, last_states=ledger.last_states)
    )
    keys = Keys(key_files.read_key(settings, key_files.API), platform.ledger.api_keys)
    folder = os.environ.get(WORKER)
    if folder is not None:
        end_with_parent()
    app = create_app(
        champions,
        keys,
        # what staging is asked is not production: it logs nothing, takes no labels and judges no roll-out
        None if staging else platform.ledger,
        None if staging else PredictionLog(platform.ledger.store_served),
        (settings.host, metrics_port) if metrics_port and folder is None else None,
        None if staging else Rollouts(platform, champions),
        None if folder is None else Path(folder),
        log_requests=logs.logs_requests(os.environ),
    )
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=api_port(),
        http=inline_protocol(app.inline),
        ws="none",
        timeout_keep_alive=10,
        timeout_graceful_shutdown=30,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    listener = inherited()
    tune_collector()
    uvicorn.Server(config).run(None if listener is None else [listener])


def supervise(settings: Settings, count: int, metrics_port: int) -> None:
    """Serve in several processes until this one is told to end.

    Args:
        settings: Folders and host.
        count: How many processes.
        metrics_port: Where the metrics of all can be read without a key; 0 for nowhere.
    """
    listener = inherited() or socket.create_server((settings.host, api_port()), backlog=2048)
    with tempfile.TemporaryDirectory(prefix="mlops-api-") as folder:
        if metrics_port:
            registry = CollectorRegistry()
            registry.register(Combined(Path(folder)))
            start_http_server(metrics_port, settings.host, registry=registry)
        Workers(count, listener, Path(folder), os.environ).run()


def api_port() -> int:
    """Return the port of the API."""
    return int(os.environ.get("MLOPS_API_PORT", "8000"))


def inherited() -> socket.socket | None:
    """Return the socket that listens already, from `mlops up`: nobody else can have taken its port."""
    descriptor = os.environ.get("MLOPS_API_FD")
    return None if descriptor is None else socket.socket(fileno=int(descriptor))


def worker_count() -> int:
    """Return how many processes serve."""
    written = os.environ.get("MLOPS_API_WORKERS", "1")
    if not written.isdigit() or not 1 <= int(written) <= 64:
        sys.exit(f"MLOPS_API_WORKERS is {written!r}: write how many processes serve, 1 to 64")
    return int(written)


if __name__ == "__main__":
    logs.configure(os.environ)
    settings = Settings.from_environment(os.environ)
    metrics_port = int(os.environ.get("MLOPS_METRICS_PORT", "0"))
    count = worker_count()
    if count > 1 and WORKER not in os.environ:
        supervise(settings, count, metrics_port)
    else:
        serve(settings, metrics_port)
