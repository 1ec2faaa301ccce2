"""A scorer from the stores of the platform: champions and roll-outs that follow the ledger, the loop, the metrics."""

from __future__ import annotations

import threading

from mlops_assets.lifecycle.platform import Platform
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.rollouts import Rollouts
from mlops_assets.serving.streams.kafka import KafkaStream, StreamPlan
from mlops_assets.serving.streams.metrics import StreamMetrics
from mlops_assets.serving.streams.scorer import Scorer


def run_stream(
    platform: Platform, model: str, plan: StreamPlan, stop: threading.Event, metrics_port: int = 0
) -> None:
    """Predict the messages of a topic until stopped.

    Args:
        platform: The open stores.
        model: Name of the model.
        plan: The topics.
        stop: Set to end; the batch under way is finished first.
        metrics_port: Port of the metrics on `MLOPS_HOST`; 0 for none.

    Raises:
        DataError: A topic is missing, or has too few partitions.
        MissingExtraError: confluent-kafka is not installed.
        ServiceError: The broker does not respond.
    """
    champions = Champions(platform)
    rollouts = Rollouts(platform, champions)
    metrics = StreamMetrics(model, plan.topic)
    stream = KafkaStream(plan, Scorer(model, champions, rollouts), platform.ledger.store_served, metrics)
    if metrics_port:
        metrics.serve(platform.settings.host, metrics_port)
    champions.start()
    rollouts.start()
    try:
        stream.run(stop)
    finally:
        rollouts.stop()
        champions.stop()
