"""Arguments and options that several commands share, with their shell completion."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click
from typing_extensions import override

from mlops_assets.cli.context import now, settings


class Instant(click.ParamType[datetime]):
    """An ISO 8601 instant; without an offset it is UTC."""

    name = "instant"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse the instant, or fail with the accepted form."""
        if isinstance(value, datetime):
            return value
        try:
            instant = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(
                f"{value!r} is not an instant; write 2026-01-31 or 2026-01-31T12:00:00+00:00", param, ctx
            )
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


class Expiry(Instant):
    """An instant, or a duration from now such as 14d."""

    name = "instant or duration"

    @override
    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse the instant or the duration, or fail with the accepted forms."""
        from mlops_assets.model_file.values import parse_duration

        try:
            return now() + parse_duration(value)
        except ValueError:
            return super().convert(value, param, ctx)


def complete_models(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the model names that begin with the typed text, read from the model files without parsing them.

    Args:
        _ctx: Click's context; not used.
        _param: Click's parameter; not used.
        incomplete: Text typed so far.

    Returns:
        Names in alphabetical order.
    """
    names = set()
    for file in [*settings().models.glob("*.yaml"), *settings().models.glob("*.yml")]:
        match = re.search(r"(?m)^name:\s*['\"]?(\w+)", file.read_text(encoding="utf-8", errors="replace"))
        if match and match[1].startswith(incomplete):
            names.add(match[1])
    return sorted(names)


def complete_gates(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    """Return the gates of the model named before that begin with the typed text.

    Args:
        ctx: Click's context.
        _param: Click's parameter; not used.
        incomplete: Text typed so far.

    Returns:
        Names in the order of the model file.
    """
    from mlops_assets.model_file import read_folder
    from mlops_assets.model_file.gates import check_names

    spec = read_folder(settings().models).find(str(ctx.params.get("model") or ""))
    return [name for name in check_names(spec.gates) if name.startswith(incomplete)] if spec else []


MODEL = click.argument("model", shell_complete=complete_models)
OPTIONAL_MODEL = click.argument("model", required=False, shell_complete=complete_models)
GATE = click.argument("gate", shell_complete=complete_gates)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of text.")
EVIDENCE = click.option(
    "--evidence", help="Hash of the evidence that you read (12 characters are enough); default the newest."
)
EVALUATED_VERSION = click.option(
    "--version", type=int, help="A version other than the newest that was evaluated."
)
