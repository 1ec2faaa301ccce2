"""Write the generated references of the documentation: `python -m tools.references` (or `make references`).

Comes in: the model file's sections, the command line, the metrics, the gates, the algorithms. Goes out: one file per
reference. A test fails when a file is not what this program would write.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from mlops_assets.cli.main import cli
from mlops_assets.metrics import METRICS
from mlops_assets.model_file import schema_text
from mlops_assets.model_file.gates import GATES, gate_table
from mlops_assets.model_file.source import SOURCES, source_table
from mlops_assets.operations.exporter.families import FAMILIES
from tools.dashboards import dashboards
from tools.model_file_page import WRITTEN_BY, model_file_page

ROOT: Final = Path(__file__).resolve().parents[1]
COMPLETION: Final = (
    'Shell completion of commands, models and gates: put `eval "$(_MLOPS_COMPLETE=bash_source mlops)"` '
    "(or `zsh_source`, `fish_source`) into the start file of your shell."
)


def references() -> dict[Path, str]:
    """Return every generated file with its content."""
    return {
        ROOT / "models" / "schema.json": schema_text(),
        ROOT / "docs" / "model_file.md": model_file_page(ROOT / "models"),
        ROOT / "docs" / "cli.md": command_page(),
        ROOT / "docs" / "metrics.md": metric_page(),
        ROOT / "docs" / "gates.md": with_table(ROOT / "docs" / "gates.md", gate_table(GATES)),
        ROOT / "docs" / "readings.md": with_table(ROOT / "docs" / "readings.md", source_table(SOURCES)),
        **{ROOT / "deploy" / "monitoring" / "dashboards" / name: text for name, text in dashboards().items()},
        ROOT / "docs" / "monitoring.md": with_table(ROOT / "docs" / "monitoring.md", exporter_table()),
    }


def exporter_table() -> str:
    """Return the table of everything that the exporter serves."""
    rows = [
        f"| `{one.name}` | {', '.join(f'`{label}`' for label in one.labels)} | {one.most} | {one.help} |"
        for one in FAMILIES
    ]
    return "\n".join(["| metric | labels | series at most | meaning |", "| --- | --- | --- | --- |", *rows])


def with_table(page: Path, table: str) -> str:
    """Return a page that people write, with its generated table replaced by this one."""
    head, rows = table.splitlines()[0], table.splitlines()
    lines = page.read_text(encoding="utf-8").splitlines()
    start = lines.index(head)
    end = next((index for index in range(start, len(lines)) if not lines[index].startswith("|")), len(lines))
    return "\n".join([*lines[:start], *rows, *lines[end:]]) + "\n"


def command_page() -> str:
    """Return the page with every command and its options."""
    lines = ["# The command line", "", WRITTEN_BY, ""]
    lines += [
        COMPLETION,
        "",
    ]
    for path, command in _commands(cli, "mlops"):
        lines += [f"## `{path}`", "", inspect.cleandoc(command.help or ""), ""]
        if isinstance(command, click.Group):
            continue
        context = click.Context(command, info_name=path)
        usage = " ".join(command.collect_usage_pieces(context))
        lines += ["```", f"{path} {usage}", "```", ""]
        options = [param for param in command.params if isinstance(param, click.Option)]
        if options:
            lines += ["| option | meaning |", "| --- | --- |"]
            for option in options:
                record = option.get_help_record(context)
                if record:
                    lines.append(f"| `{_cell(record[0])}` | {_cell(record[1])} |")
            lines.append("")
    return "\n".join(lines)


def metric_page() -> str:
    """Return the page with every metric."""
    lines = ["# Metrics", "", WRITTEN_BY, ""]
    lines += ["| metric | better | problems | meaning |", "| --- | --- | --- | --- |"]
    for name, metric in METRICS.items():
        better = {"zero": "closest to 0"}.get(metric.direction, metric.direction)
        lines.append(f"| `{name}` | {better} | {', '.join(metric.problems)} | {_cell(metric.description)} |")
    lines += ["", f"{len(GATES)} gates decide by them: see [gates](gates.md).", ""]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _commands(inner, f"{path} {name}")


if __name__ == "__main__":
    for file, text in references().items():
        file.write_text(text, encoding="utf-8")
