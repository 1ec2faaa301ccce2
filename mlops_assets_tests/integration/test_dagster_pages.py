"""Dagster's own server: its API promotes nothing that gates refuse, its pages show hostile text as text."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
import yaml
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import ModuleTarget
from dagster_webserver.app import create_app_from_workspace_process_context
from starlette.testclient import TestClient

from mlops_assets.defs.failures import sentences
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.local_platform import LocalPlatform, readings
from mlops_assets_tests.unit.serving.served_models import server
from mlops_assets_tests.waiting import patience, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.integration]

LAUNCH = """mutation($selector: JobOrPipelineSelector!) {
  launchRun(executionParams: {selector: $selector, runConfigData: {}, mode: "default"})
  {__typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""
SCRIPT = "<img src=x onerror=\"document.title='executed'\">"


@contextmanager
def dagster_over(
    local_platform: LocalPlatform, spec: ModelSpec
) -> Iterator[tuple[Any, WorkspaceProcessContext]]:
    """The webserver's application over a code server that has this model file."""
    file = local_platform.settings.models / f"{spec.name}.yaml"
    file.write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_unset=True), sort_keys=False))
    target = ModuleTarget("mlops_assets.definitions", None, None, "mlops_assets")
    try:
        with dg.DagsterInstance.get() as instance, WorkspaceProcessContext(instance, target) as workspace:
            yield create_app_from_workspace_process_context(workspace), workspace
    finally:
        file.unlink()


def test_the_api_promotes_nothing_around_the_gates(local_platform: LocalPlatform) -> None:
    """`production_model` alone, without its checks: queued by Dagster's API, run by a worker of the code server."""
    spec = local_platform.model(
        gates=["no_missing_predictions", {"metric_at_most": {"metric": "rmse", "limit": 0.001}}]
    )
    train = ("raw_readings", "validated_data", "features", "trained_model")
    assert local_platform.alone(spec, train).success
    selector = {
        "repositoryLocationName": "mlops_assets",
        "repositoryName": "__repository__",
        "pipelineName": spec.name,
        "assetSelection": [{"path": [spec.name, "production_model"]}],
        "assetCheckSelection": [],
    }
    with dagster_over(local_platform, spec) as (app, workspace), TestClient(app) as client:

        def launched() -> tuple[str, str]:
            response = client.post("/graphql", json={"query": LAUNCH, "variables": {"selector": selector}})
            run = response.json()["data"]["launchRun"]
            assert run["__typename"] == "LaunchRunSuccess", run
            instance, run_id = workspace.instance, run["run"]["runId"]
            instance.launch_run(run_id, workspace.create_request_context())

            def finished() -> bool:
                stored = instance.get_run_by_id(run_id)
                return stored is not None and stored.is_finished

            wait_until(finished, 120)
            events = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.dagster_event]
            stored = instance.get_run_by_id(run_id)
            assert stored is not None
            return stored.status.value, "; ".join(sentence for _, sentence in sentences(events))

        status, why = launched()
        assert (status, "evaluation_report" in why) == ("FAILURE", True), why
        local_platform.alone(spec, ("evaluation_report",))
        status, _ = launched()
        assert status == "SUCCESS", "a challenger that is not good enough fails nothing"
    assert local_platform.champion(spec) is None
    assert local_platform.actions(spec) == [("kept", 1)]


def test_hostile_names_and_values_run_nowhere_in_dagsters_pages(
    local_platform: LocalPlatform, tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium on this machine")
    column, kinds = f"k {SCRIPT}", [f"{SCRIPT}{kind}" for kind in "ab"]
    frame = readings().with_columns(pl.Series(column, [kinds[row % 2] for row in range(400)]))
    spec = local_platform.model(
        frame,
        description=f"y {SCRIPT}",
        gates=["no_missing_predictions"],
        evaluation={"primary": "rmse", "slices": [column]},
    )
    finished = local_platform.run_lifecycle(spec)
    assert finished.success, finished.failures
    paths = [
        f"/runs/{finished.run_id}",
        f"/assets/{spec.name}/features",
        f"/assets/{spec.name}/evaluation_report",
    ]
    with dagster_over(local_platform, spec) as (app, _), server(app) as port:
        shown = 0
        for number, path in enumerate(paths):
            command = [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                f"--user-data-dir={tmp_path / 'p'}",
            ]
            command += [
                "--window-size=1400,2400",
                f"--screenshot={tmp_path / f'{number}.png'}",
                "--timeout=20000",
            ]
            command += ["--virtual-time-budget=40000", "--dump-dom", f"http://127.0.0.1:{port}{path}"]
            page = subprocess.run(
                command, capture_output=True, text=True, timeout=patience(150), check=False
            ).stdout
            assert spec.name in page, "the page did not load"
            assert "<title>executed" not in page, path
            assert '<img src="x"' not in page, path
            shown += page.count("&lt;img src=x")
    assert shown, "the pages show the text itself"
