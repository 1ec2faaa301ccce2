"""Commands about models in production: what is wrong with them, and the report with the pictures."""

from __future__ import annotations

from dataclasses import asdict

import click

from mlops_assets.cli.context import model_folder, model_spec, new_run, now, open_platform
from mlops_assets.cli.options import JSON, MODEL, OPTIONAL_MODEL
from mlops_assets.cli.output import Column, minute, print_json, print_records


@click.command()
@OPTIONAL_MODEL
@JSON
def health(model: str | None, as_json: bool) -> None:
    """Diagnose every champion, or that of MODEL with the facts behind it, from the newest reports.

    Broken data comes first: healthy, early warning, ageing and concept drift say nothing while readings are broken.
    Exits with 0 whatever the diagnosis is.
    """
    from mlops_assets.lifecycle.health import health_of

    specs = [model_spec(model)] if model else list(model_folder().specs)
    with open_platform() as platform:
        reports = list(health_of(platform, specs, now()).values())
    if as_json:
        records = [asdict(report) for report in reports]
        print_json(records[0] if model else records)
        return
    if not model:
        columns = (
            Column.of("model"),
            Column.of("champion", "version"),
            Column("health", lambda record: record["diagnosis"].replace("_", " ")),
            Column.of("summary", "sentence"),
        )
        print_records([asdict(report) for report in reports], columns, as_json=False, empty="no model files")
        return
    [report] = reports
    diagnosis = "" if report.diagnosis == "unknown" else f"{report.diagnosis.replace('_', ' ')}: "
    click.echo(f"{report.model}: {diagnosis}{report.sentence}")
    if report.advice:
        click.echo(f"next: {report.advice}")
    print_records(
        [asdict(fact) for fact in report.facts],
        (
            Column.of("about", "name"),
            Column.of("state"),
            Column.of("observed", "sentence"),
            Column("at", lambda record: minute(record["at"])),
        ),
        as_json=False,
        title="facts",
        empty="nothing was observed",
    )


@click.command()
@MODEL
@JSON
def monitoring(model: str, as_json: bool) -> None:
    """Write the monitoring report of MODEL now, and print where it is: health, error by window, drift, in pictures.

    Windows whose error changed when labels came later are listed with each value. The drift schedule writes it daily;
    the review page serves it.
    """
    from mlops_assets import reports
    from mlops_assets.artifacts import to_json
    from mlops_assets.lifecycle import monitoring_report, page_links

    spec = model_spec(model)
    with open_platform() as platform:
        report = monitoring_report.write_monitoring_report(spec, platform, now())
        page = monitoring_report.monitoring_folder(platform, spec.name) / monitoring_report.PAGE
        address = page_links.link(platform.settings, page_links.monitoring_path(spec.name))
    if as_json:
        print_json(to_json(report))
    else:
        click.echo(f"{spec.name}: {report.health.sentence}")
        for line in reports.restatement_lines(report):
            click.echo(line)
        click.echo(address or str(page))


@click.command()
@JSON
def week(as_json: bool) -> None:
    """Report the last seven days of all models: is each champion still the best available, and why?

    Also what promotions delivered, what the runs cost, and alerts that nobody acknowledged. Writes the page; the mail
    is sent by the schedule on Mondays.
    """
    from mlops_assets import reports
    from mlops_assets.artifacts import to_json
    from mlops_assets.defs.weekly import costs_until
    from mlops_assets.lifecycle import page_links
    from mlops_assets.lifecycle.week import week_report, write_week_report

    specs, run = list(model_folder().specs), new_run()
    with open_platform() as platform:
        report = week_report(specs, platform, run, costs_until(run.as_of))
        page = write_week_report(platform, report)
        address = page_links.link(platform.settings, page_links.WEEK_PATH)
    if as_json:
        print_json(to_json(report))
    else:
        click.echo(reports.week_text(report))
        click.echo(f"\n{address or page}")


COMMANDS = (health, monitoring, week)
