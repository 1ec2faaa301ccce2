"""Refused model files in Dagster: one broken file is one asset with its problems, and stops no model."""

import re
from collections.abc import Sequence

import dagster as dg

from mlops_assets.model_file import BrokenFile
from mlops_assets.reports.markdown_text import plain_markdown

GROUP = "broken_model_files"


def broken_file_assets(broken: Sequence[BrokenFile]) -> list[dg.AssetSpec]:
    """Return one asset per broken file; its description lists every problem with file, line and key.

    Args:
        broken: the files that `read_folder` refused.

    Returns:
        Asset specifications that are never executed.
    """
    return [
        dg.AssetSpec(
            key=[GROUP, re.sub(r"\W", "_", file.file.name)],
            group_name=GROUP,
            description="\n".join(
                [
                    f"Nothing of the model '{plain_markdown(file.name)}' runs until this is fixed:",
                    *(f"- {plain_markdown(str(problem))}" for problem in file.problems),
                ]
            ),
            kinds={"yaml"},
            metadata={"problems": len(file.problems), "file": str(file.file)},
        )
        for file in broken
    ]
