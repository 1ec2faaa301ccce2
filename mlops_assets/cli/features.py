"""`mlops features ...`: the feature store of a model: apply, materialize, get, list."""

from __future__ import annotations

import json

import click

from mlops_assets.cli.opening import platform, settings, spec_of

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


@click.group()
def features() -> None:
    """A model's features in Feast: definitions come from the model file.

    Online values are in SQLite below MLOPS_HOME unless MLOPS_ONLINE_STORE names redis://host:6379/0 or
    postgresql://user:password@host:5432/name. Needs the extra 'feast'.
    """


@features.command()
@click.argument("model")
def apply(model: str) -> None:
    """Register MODEL's features: entity, views, services for training and inference, push sources."""
    from mlops_assets.lifecycle import feature_store

    spec = spec_of(model)
    with platform() as opened:
        made = feature_store.apply(spec, opened)
    views = sorted({one["view"] for one in made})
    click.echo(f"{model}: {len(made)} features in {len(views)} views: {', '.join(views)}")
    click.echo(f"services {model}_training and {model}_inference; now 'mlops features materialize {model}'")


@features.command()
@click.argument("model")
def materialize(model: str) -> None:
    """Put each entity's newest features into the online store."""
    from mlops_assets.lifecycle import feature_store

    spec = spec_of(model)
    with platform() as opened:
        count = feature_store.materialize(spec, opened)
    click.echo(f"{model}: newest features of {count} entities are online")


@features.command()
@click.argument("model")
@click.argument("entities", nargs=-1, required=True)
@JSON
def get(model: str, entities: tuple[str, ...], as_json: bool) -> None:
    """Online features of the named ENTITIES; a dash stands for a value that is not there."""
    from mlops_assets.cli import tables
    from mlops_assets.lifecycle import feature_store

    spec = spec_of(model)
    found = feature_store.get(spec, settings(), entities)
    if as_json:
        click.echo(json.dumps(found.to_dicts(), indent=2))
    else:
        tables.online_features(found, spec.entity or "")


@features.command(name="list")
@click.argument("model")
@JSON
def list_(model: str, as_json: bool) -> None:
    """Every registered feature: what it means, what it is made from, its statistics, its version."""
    from mlops_assets.cli import tables
    from mlops_assets.lifecycle import feature_store

    found = feature_store.registered(spec_of(model), settings())
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        tables.registered_features(found, model)


COMMANDS = (features,)
