"""`mlops features ...`: the feature store of a model: apply, materialize, get, list."""

from __future__ import annotations

import click

from mlops_assets.cli import tables
from mlops_assets.cli.context import model_spec, open_platform, settings
from mlops_assets.cli.options import JSON, MODEL
from mlops_assets.cli.output import print_json


@click.group()
def features() -> None:
    """Work with a model's features in Feast; definitions come from the model file.

    Online values are in SQLite below MLOPS_HOME unless MLOPS_ONLINE_STORE names redis://host:6379/0 or
    postgresql://user:password@host:5432/name. Needs the extra 'feast'.
    """


@features.command()
@MODEL
def apply(model: str) -> None:
    """Register MODEL's features: entity, views, services for training and inference, push sources."""
    from mlops_assets.lifecycle import feature_store

    spec = model_spec(model)
    with open_platform() as platform:
        registered = feature_store.apply(spec, platform)
    views = sorted({feature["view"] for feature in registered})
    click.echo(f"{model}: {len(registered)} features in {len(views)} views: {', '.join(views)}")
    click.echo(f"services {model}_training and {model}_inference; now 'mlops features materialize {model}'")


@features.command()
@MODEL
def materialize(model: str) -> None:
    """Put each entity's newest features into the online store."""
    from mlops_assets.lifecycle import feature_store

    spec = model_spec(model)
    with open_platform() as platform:
        count = feature_store.materialize(spec, platform)
    click.echo(f"{model}: newest features of {count} entities are online")


@features.command()
@MODEL
@click.argument("entities", nargs=-1, required=True)
@JSON
def get(model: str, entities: tuple[str, ...], as_json: bool) -> None:
    """Print the online features of the named ENTITIES; a dash stands for a missing value."""
    from mlops_assets.lifecycle import feature_store

    spec = model_spec(model)
    values = feature_store.get(spec, settings(), entities)
    if as_json:
        print_json(values.to_dicts())
    else:
        tables.print_online_features(values, spec.entity or "")


@features.command(name="list")
@MODEL
@JSON
def list_(model: str, as_json: bool) -> None:
    """List every registered feature: meaning, sources, statistics, version."""
    from mlops_assets.lifecycle import feature_store

    registered = feature_store.registered(model_spec(model), settings())
    if as_json:
        print_json(registered)
    else:
        tables.print_registered_features(registered, model)


COMMANDS = (features,)
