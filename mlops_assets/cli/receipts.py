"""The receipt of a prediction, for people or for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from mlops_assets.cli.output import minute, number, print_json

MOST_FEATURES: Final = 15
"""Features listed for people; JSON has all."""


def print_receipt(receipt: Mapping[str, Any], *, as_json: bool) -> None:
    """Print a receipt.

    Args:
        receipt: What `lifecycle.receipts.receipt` returned.
        as_json: Print JSON in place of text.
    """
    if as_json:
        print_json(receipt)
        return
    made, version, move = receipt["prediction"], receipt["version"], receipt["promotion"]
    value = number(made["value"]) if made["label"] is None else f"{made['label']} ({number(made['value'])})"
    bounds = f" [{number(made['low'])}, {number(made['high'])}]" if made["low"] is not None else ""
    about = f" for {made['entity']}" if made["entity"] else ""
    click.echo(f"{made['model']} predicted {value}{bounds}{about} at {minute(made['at'])} UTC")
    click.echo(
        f"predicted at {minute(made['predicted_at'])} UTC by version {made['version']}, revision {made['revision']}"
    )
    label = receipt["label"]
    truth = (
        f"{label['truth']}, received {minute(label['received_at'])}"
        if label and label["truth"]
        else "not yet"
    )
    click.echo(f"label: {truth}")
    click.echo(
        f"trained: {minute(version['created_at'])} UTC, code {version['code_commit'] or 'unknown'}, "
        f"seed {version['seed']}, bundle sha256 {str(version['manifest_sha256'])[:12]}"
    )
    if move:
        click.echo(
            f"{move['action'].replace('_', ' ')}: {minute(move['at'])} UTC by {move['actor']}: {move['reason']}"
        )
    approval = receipt["approval"]
    if approval:
        click.echo(
            f"{approval['verdict']}: {minute(approval['at'])} UTC by {approval['actor']}: {approval['comment']}"
        )
    for gate in (receipt["evidence"] or {"gates": ()})["gates"]:
        click.echo(f"  {gate['verdict']:<20} {gate['gate']}: {gate['reason']}")
    _print_values(made, receipt["explanation"])


def _print_values(made: Mapping[str, Any], explanation: Mapping[str, Any]) -> None:
    click.echo("values as sent: " + ", ".join(f"{name}={value}" for name, value in made["readings"].items()))
    if "missing" in explanation:
        click.echo(f"no explanation: {explanation['missing']}")
        return
    click.echo(f"SHAP ({explanation['method']}), from {number(explanation['base'])}:")
    for name, value, contribution in explanation["contributions"][:MOST_FEATURES]:
        click.echo(f"  {contribution:+.4g}  {name} = {number(value)}")
