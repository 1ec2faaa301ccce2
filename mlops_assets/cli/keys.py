"""`mlops keys ...`: keys of the prediction API. A key is printed once; the ledger has its hash."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from mlops_assets.cli.context import actor, now, open_platform
from mlops_assets.cli.options import JSON, Expiry
from mlops_assets.cli.output import Column, minute, print_records
from mlops_assets.errors import MlopsError

if TYPE_CHECKING:
    from mlops_assets.ledger import ApiKey, Ledger


@click.group()
def keys() -> None:
    """Create, list, rotate and revoke the keys of the prediction API."""


@keys.command()
@click.option("--owner", required=True, help="Who uses the key: a person, a team, a program.")
@click.option(
    "--role",
    required=True,
    type=click.Choice(("predict", "read", "operate")),
    help="predict: predictions, explanations and labels; read: documentation and metrics; operate: both.",
)
@click.option(
    "--expires", type=Expiry(), help="An instant, or a duration from now such as 90d; default never."
)
@click.option(
    "--per-minute", type=click.IntRange(min=1), help="Requests per minute and process; default no limit."
)
def create(owner: str, role: str, expires: datetime | None, per_minute: int | None) -> None:
    """Create a key and print it: the only time that it can be read."""
    with open_platform() as platform:
        click.echo(_create(platform.ledger, owner, role, expires, per_minute))


@keys.command(name="list")
@JSON
def list_keys(as_json: bool) -> None:
    """List all keys, ended ones too: owner, role, end, limit. The keys themselves are stored nowhere."""
    with open_platform() as platform:
        records = [
            {name: value for name, value in asdict(key).items() if name != "hash"}
            | {"state": _state(key, now())}
            for key in platform.ledger.api_keys()
        ]
    print_records(
        records,
        (
            Column.of("id"),
            Column.of("owner"),
            Column.of("role"),
            Column.of("state"),
            Column("created", lambda record: minute(record["created_at"])),
            Column("expires", lambda record: minute(record["expires_at"])),
            Column.of("per minute"),
        ),
        as_json=as_json,
        empty="no key yet: mlops keys create --owner NAME --role predict",
    )


@keys.command()
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """End the key ID now; running processes refuse it within seconds."""
    with open_platform() as platform:
        _known(platform.ledger, key_id)
        changed = platform.ledger.end_api_key(key_id, now(), revoke=True)
    click.echo(f"{key_id} is revoked" if changed else f"{key_id} was revoked before")


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--grace",
    default="7d",
    show_default=True,
    help="How long the old key goes on, such as 2h or 7d; time to bring the new one everywhere.",
)
def rotate(key_id: str, grace: str) -> None:
    """Create a key with the owner, role and limit of the key ID, which then expires."""
    from mlops_assets.model_file.values import parse_duration

    try:
        later = parse_duration(grace)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--grace") from None
    with open_platform() as platform:
        old, at = _known(platform.ledger, key_id), now()
        if _state(old, at) != "active":
            raise MlopsError(
                f"the key {key_id} is {_state(old, at)}; create another with 'mlops keys create'"
            )
        term = old.expires_at - old.created_at if old.expires_at else None
        secret = _create(platform.ledger, old.owner, old.role, at + term if term else None, old.per_minute)
        platform.ledger.end_api_key(key_id, at + later, revoke=False)
    end = min(at + later, old.expires_at or at + later)
    click.echo(f"{key_id} expires at {end:%Y-%m-%d %H:%M} UTC", err=True)
    click.echo(secret)


def _create(ledger: Ledger, owner: str, role: str, expires: datetime | None, per_minute: int | None) -> str:
    from mlops_assets.ledger import ApiKey
    from mlops_assets.serving.keys import digest, new_key

    at = now()
    if expires is not None and expires <= at:
        raise MlopsError(f"a key that expires at {expires:%Y-%m-%d %H:%M} UTC could never be used")
    secret, identity = new_key()
    record = ApiKey(
        identity, digest(secret.encode()), owner, "predict", at, actor(), expires, None, per_minute
    )
    roles: dict[str, ApiKey] = {
        "predict": record,
        "read": replace(record, role="read"),
        "operate": replace(record, role="operate"),
    }
    ledger.create_api_key(roles[role])
    return secret


def _known(ledger: Ledger, key_id: str) -> ApiKey:
    for key in ledger.api_keys():
        if key.id == key_id:
            return key
    raise MlopsError(f"there is no key {key_id!r}; 'mlops keys list' shows all")


def _state(key: ApiKey, at: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at - at <= timedelta(0) else "active"


COMMANDS = (keys,)
