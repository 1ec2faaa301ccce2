"""The command that compares two versions of a model: diff."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from mlops_assets.cli.context import model_spec, new_run, open_platform
from mlops_assets.cli.options import JSON
from mlops_assets.cli.output import Column, print_json, print_records


@click.command()
@click.argument("older", metavar="MODEL@OLDER")
@click.argument("newer", metavar="MODEL@NEWER")
@click.option(
    "--picture", type=click.Path(dir_okay=False, path_type=Path), help="Where to write the picture (PNG)."
)
@JSON
def diff(older: str, newer: str, picture: Path | None, as_json: bool) -> None:
    """Show which predictions flip from MODEL@OLDER to MODEL@NEWER on the same rows, by slice, and how far they move.

    Both versions predict as production would serve them. The picture shows each row's two predictions.
    """
    from mlops_assets.lifecycle.version_diff import version_diff
    from mlops_assets.reports.flips import FLIP_HEAD, flip_note, flip_rows

    model, first = _version(older)
    other, second = _version(newer)
    if model != other:
        raise click.UsageError(f"{older} and {newer} are versions of two models")
    spec = model_spec(model)
    with open_platform() as platform:
        result = version_diff(spec, platform, new_run(), first, second)
        path = picture or platform.reports(model, second) / f"flips_from_{first}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(result.picture)
    if as_json:
        print_json(
            {
                "model": model,
                "older": first,
                "newer": second,
                "rows": result.note,
                "flips": [asdict(one) for one in result.flips],
                "picture": str(path),
            }
        )
        return
    click.echo(f"{model} v{first} -> v{second} on {result.note}")
    rows = [dict(zip(FLIP_HEAD, cells, strict=True)) for cells in flip_rows(result.flips)]
    print_records(rows, [Column.of(name, name) for name in FLIP_HEAD], as_json=False, empty="no rows")
    click.echo(flip_note(result.flips))
    click.echo(f"picture: {path}")


def _version(text: str) -> tuple[str, int]:
    model, _, number = text.partition("@")
    if not number.isdecimal():
        raise click.UsageError(f"{text!r} names no version; write {model}@3")
    return model, int(number)


COMMANDS = (diff,)
