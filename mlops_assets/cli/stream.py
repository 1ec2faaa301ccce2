"""`mlops stream`: predictions for the messages of a Kafka topic, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

import click

from mlops_assets.cli.context import model_spec, open_platform
from mlops_assets.cli.options import MODEL

SECRETS: Final = {"MLOPS_KAFKA_USER": "sasl.username", "MLOPS_KAFKA_PASSWORD": "sasl.password"}


@click.command()
@MODEL
@click.option("--servers", required=True, metavar="HOST:PORT,...", help="Bootstrap servers of Kafka.")
@click.option("--input", "topic", required=True, metavar="TOPIC", help="Topic of the readings.")
@click.option("--output", required=True, metavar="TOPIC", help="Topic of the predictions.")
@click.option(
    "--dead-letters",
    metavar="TOPIC",
    help="Topic of messages that cannot be predicted, with the reason; default INPUT.dead-letters.",
)
@click.option("--group", help="Consumer group; default mlops_assets.MODEL.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Further librdkafka property, such as security.protocol=SASL_SSL.",
)
@click.option(
    "--metrics-port", default=0, type=click.IntRange(0, 65535), help="Port of the metrics; default none."
)
def stream(
    model: str,
    servers: str,
    topic: str,
    output: str,
    dead_letters: str | None,
    group: str | None,
    options: tuple[str, ...],
    metrics_port: int,
) -> None:
    """Predict every message of a Kafka topic with MODEL's champion, until Ctrl-C.

    A message is one reading as a JSON object, or the body of a request to the prediction API. User name and password of
    the broker are read from MLOPS_KAFKA_USER and MLOPS_KAFKA_PASSWORD.
    """
    from mlops_assets import logs
    from mlops_assets.serving.streams.kafka import StreamPlan
    from mlops_assets.serving.streams.run import run_stream

    logs.configure(os.environ)
    model_spec(model)
    properties = {"bootstrap.servers": servers}
    for option in options:
        name, separator, value = option.partition("=")
        if not separator or not name:
            raise click.UsageError(f"{option!r} is no property; write NAME=VALUE")
        properties[name] = value
    properties |= {
        name: os.environ[variable] for variable, name in SECRETS.items() if os.environ.get(variable)
    }
    plan = StreamPlan(
        group or f"mlops_assets.{model}", topic, output, dead_letters or f"{topic}.dead-letters", properties
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with open_platform() as platform:
        click.echo(f"{model}: {topic} -> {output}, group {plan.group}; Ctrl-C ends", err=True)
        run_stream(platform, model, plan, stop, metrics_port)


COMMANDS = (stream,)
