"""The cloud workload: 24 lags per metric, windows of 6 h, 24 h and 7 d, and more: over 150 features."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from mlops_assets.features import build, feature_names, fit_preparation, leakage, online, recent, split
from mlops_assets.simulators import SIMULATORS
from mlops_assets.simulators.cloud_workload import FIRST_RUN
from mlops_assets_tests.unit.features.feature_factory import model

METRICS = ("cpu_percent", "memory_percent", "network_mbps", "request_rate")
SPEC = model(
    problem="classification",
    target="scaling_event",
    timestamp="timestamp",
    entity="service_id",
    training={"algorithms": [{"name": "lightgbm"}]},
    evaluation={"primary": "f1"},
    features={
        "calendar": ["hour", "day_of_week"],
        "cyclical": ["hour", "day_of_week"],
        "lags": {"columns": METRICS, "steps": list(range(1, 25))},
        "differences": {"columns": METRICS, "steps": [1, 6]},
        "rolling": {
            "columns": METRICS,
            "windows": ["6h", "24h", "7d"],
            "statistics": ["mean", "std", "min", "max"],
        },
        "ratios": [["cpu_percent", "replicas"], ["queue_length", "request_rate"]],
        "interactions": [["cpu_percent", "memory_percent"]],
        "grouped": [{"by": "service_id", "columns": ["cpu_percent"], "statistics": ["mean", "std"]}],
        "scaling": "standard",
    },
    split={"gap": "1h"},
)


def test_more_than_150_features_equal_online_and_without_leaks() -> None:
    frame = SIMULATORS["cloud_workload"](*FIRST_RUN, seed=42)
    built = build(SPEC, frame)
    names = feature_names(SPEC, built.columns)
    assert len(names) > 150
    parts = split(SPEC, built)
    assert leakage(SPEC, parts) == ()
    preparation = fit_preparation(SPEC, parts.train)
    matrix = preparation.apply(parts.test)
    assert np.isfinite(matrix.values).all()
    assert len(preparation.names) + len(preparation.dropped) == len(names) + 2
    newest = frame.filter(frame["timestamp"] > FIRST_RUN[1] - timedelta(minutes=10))
    history = recent(SPEC, frame.filter(frame["timestamp"] <= FIRST_RUN[1] - timedelta(minutes=10)))
    response = online(SPEC, history, newest.drop("scaling_event"))
    expected = newest.select("timestamp", "service_id").join(
        built, on=["timestamp", "service_id"], how="left"
    )
    np.testing.assert_array_equal(preparation.apply(response).values, preparation.apply(expected).values)
