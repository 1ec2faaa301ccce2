"""`python -m mlops_assets.serving`: the API on MLOPS_HOST (127.0.0.1) and MLOPS_API_PORT (8000)."""

from __future__ import annotations

import os
import socket

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
from mlops_assets.settings import Settings, Stores

if __name__ == "__main__":
    settings = Settings.from_environment(os.environ)
    stores = Stores.from_environment(os.environ)
    ledger = CachedLedger.open_with(
        settings.home / "serving" / "ledger", stores.ledger_url, stores.approvals_url
    )
    platform = Platform.open(settings, stores, ledger)
    champions = Champions(platform, last_states=ledger.last_states)
    log = PredictionLog(platform.ledger.store_served)
    keys = Keys(key_files.read_key(settings, key_files.API), platform.ledger.api_keys)
    metrics_port = int(os.environ.get("MLOPS_METRICS_PORT", "0"))
    app = create_app(
        champions,
        keys,
        platform.ledger,
        log,
        (settings.host, metrics_port) if metrics_port else None,
        Rollouts(platform, champions),
    )
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=int(os.environ.get("MLOPS_API_PORT", "8000")),
        http=inline_protocol(app.inline),
        ws="none",
        timeout_keep_alive=10,
        timeout_graceful_shutdown=30,
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    # a socket that listens already, inherited from `mlops up`: nobody else can have taken its port
    inherited = os.environ.get("MLOPS_API_FD")
    tune_collector()
    uvicorn.Server(config).run([socket.socket(fileno=int(inherited))] if inherited else None)
