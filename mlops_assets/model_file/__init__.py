"""Model files: what may stand in one, and reading it.

Comes in: the text of a YAML file. Goes out: a frozen `ModelSpec`, or every problem with file, line and key.
Nothing here touches data; whether a column exists is for `readings` to find out.
"""

from mlops_assets.model_file.consistency import risks
from mlops_assets.model_file.loader import (
    Problem,
    examine,
    find_model,
    load_model,
    load_models,
    model_files,
    problem_at,
)
from mlops_assets.model_file.model import ModelSpec
from mlops_assets.model_file.schema import schema_text

__all__ = [
    "ModelSpec",
    "Problem",
    "examine",
    "find_model",
    "load_model",
    "load_models",
    "model_files",
    "problem_at",
    "risks",
    "schema_text",
]
