"""The metrics of several processes read as those of one service."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from mlops_assets.serving import worker_metrics


def text(requests: int, ledger_up: int, queued: int, seconds: tuple[int, int]) -> str:
    return (
        f"# HELP mlops_requests_total Requests\n# TYPE mlops_requests_total counter\n"
        f'mlops_requests_total{{model="m",status="200"}} {requests}\n'
        f"# TYPE mlops_ledger_up gauge\nmlops_ledger_up {ledger_up}\n"
        f"# TYPE mlops_prediction_log_queued gauge\nmlops_prediction_log_queued {queued}\n"
        f"# TYPE mlops_champion_age_seconds gauge\n"
        f'mlops_champion_age_seconds{{model="m"}} {requests}\n'
        f"# TYPE mlops_request_seconds histogram\n"
        f'mlops_request_seconds_bucket{{le="0.1"}} {seconds[0]}\n'
        f'mlops_request_seconds_bucket{{le="+Inf"}} {seconds[1]}\n'
        f"mlops_request_seconds_count {seconds[1]}\nmlops_request_seconds_sum {seconds[1]}\n"
    )


def values(folder: Path) -> dict[str, float]:
    families = text_string_to_metric_families(worker_metrics.combined(folder).decode())
    return {
        sample.name + sample.labels.get("le", ""): sample.value
        for family in families
        for sample in family.samples
    }


def test_counters_add_up_and_survive_their_process(tmp_path: Path) -> None:
    (tmp_path / "1.running").write_text(text(3, 1, 2, (1, 2)))
    (tmp_path / "2.running").write_text(text(4, 0, 5, (3, 3)))
    (tmp_path / ".3").write_text("half written")
    expected = {
        "mlops_requests_total": 7.0,
        "mlops_ledger_up": 0.0,
        "mlops_prediction_log_queued": 7.0,
        "mlops_champion_age_seconds": 4.0,
        "mlops_request_seconds_bucket0.1": 4.0,
        "mlops_request_seconds_bucket+Inf": 5.0,
        "mlops_request_seconds_count": 5.0,
        "mlops_request_seconds_sum": 5.0,
    }
    assert values(tmp_path) == expected
    worker_metrics.retire(tmp_path, 2)
    worker_metrics.retire(tmp_path, 99)
    assert values(tmp_path) == expected | {
        "mlops_ledger_up": 1.0,
        "mlops_prediction_log_queued": 2.0,
        "mlops_champion_age_seconds": 3.0,
    }
    worker_metrics.store(tmp_path, text(1, 1, 0, (0, 0)).encode())
    assert values(tmp_path)["mlops_requests_total"] == 8.0
