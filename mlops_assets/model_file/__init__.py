"""Model files: their allowed content, and reading it.

Comes in: the text of a YAML file. Goes out: a frozen `ModelSpec`, or every problem with file, line and key.
Nothing here reads data; whether a column exists is checked by `readings`.
"""

from mlops_assets.model_file.consistency import risks
from mlops_assets.model_file.folder import (
    BrokenFile,
    ModelFolder,
    find_model,
    load_models,
    model_files,
    read_folder,
)
from mlops_assets.model_file.loader import Problem, examine, load_model, old_names, problem_at, stored_model
from mlops_assets.model_file.model import ModelSpec
from mlops_assets.model_file.schema import schema_text

__all__ = [
    "BrokenFile",
    "ModelFolder",
    "ModelSpec",
    "Problem",
    "examine",
    "find_model",
    "load_model",
    "load_models",
    "model_files",
    "old_names",
    "problem_at",
    "read_folder",
    "risks",
    "schema_text",
    "stored_model",
]
