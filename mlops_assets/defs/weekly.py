"""The weekly report over all models: one asset, every Monday, with what the runs of the week cost."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from mlops_assets.artifacts import RunCost
from mlops_assets.defs.automation import model_of
from mlops_assets.defs.metadata import page_link, rows_table
from mlops_assets.defs.resources import PROCESSOR_TAG, run_of
from mlops_assets.lifecycle import page_links
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.week import WEEK, send_week_report
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports.week import cost_text

MOST_RUNS = 20_000
"""Runs of a week that are counted: 200 models with a run every half hour would be more than a page can explain."""
MONDAY = "0 6 * * 1"


def weekly_report(
    specs: Sequence[ModelSpec],
) -> tuple[dg.AssetsDefinition, Any, dg.ScheduleDefinition]:
    """Return the asset, its job and its schedule.

    Args:
        specs: All model files.

    Returns:
        Asset, job, schedule (Mondays at 06:00 UTC).
    """

    @dg.asset(
        key=dg.AssetKey(["platform", "weekly_report"]),
        group_name="platform",
        description="Is each champion still the best one available? Promised and delivered, cost, open alerts.",
        kinds={"postgres"},
        required_resource_keys={"platform"},
    )
    def report(context: dg.AssetExecutionContext) -> Iterator[Any]:
        platform: Platform = context.resources.platform.open()
        run = run_of(context, None)
        week = send_week_report(specs, platform, run, run_costs(context.instance, run.as_of))
        rows = [
            {
                "model": one.model,
                "still the best": one.still_best.replace("_", " "),
                "because": one.reason,
                "health": one.health.replace("_", " "),
                "promised and delivered": one.delivery,
                "cost": cost_text(one.cost),
                "open alerts": one.open_alerts,
            }
            for one in week.models
        ]
        yield dg.MaterializeResult(
            metadata={
                "summary": week.sentence,
                "page": page_link(platform, page_links.WEEK_PATH),
                "models": rows_table(rows),
                "open_alerts": len(week.alerts),
            }
        )

    job = dg.define_asset_job(
        "weekly_report", selection=[report], description="The weekly report over all models."
    )
    schedule = dg.ScheduleDefinition(
        name="weekly_report",
        job=job,
        cron_schedule=MONDAY,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return report, job, schedule


def run_costs(instance: dg.DagsterInstance, end: datetime) -> dict[str, RunCost]:
    """Return what the runs that began in the week before cost, by model.

    Args:
        instance: Dagster's instance.
        end: End of the week, with a zone.

    Returns:
        Cost by model; runs that have not ended, and runs of no single model, are left out.
    """
    costs: dict[str, RunCost] = {}
    since = dg.RunsFilter(created_after=end - WEEK, created_before=end)
    for record in instance.get_run_records(since, limit=MOST_RUNS):
        model = model_of(record.dagster_run)
        if model is None or record.start_time is None or record.end_time is None:
            continue
        known, used = costs.get(model, RunCost()), record.dagster_run.tags.get(PROCESSOR_TAG)
        costs[model] = RunCost(
            known.runs + 1,
            known.failed + record.dagster_run.is_failure,
            known.seconds + max(0.0, record.end_time - record.start_time),
            cpu_seconds=known.cpu_seconds + float(used or 0),
            cpu_runs=known.cpu_runs + (used is not None),
        )
    return costs


def costs_until(end: datetime) -> dict[str, RunCost]:
    """Return what the runs of the week before cost, by model, for a command that is no run itself.

    Args:
        end: End of the week, with a zone.

    Returns:
        Result of `run_costs`.
    """
    with dg.DagsterInstance.get() as instance:
        return run_costs(instance, end)
