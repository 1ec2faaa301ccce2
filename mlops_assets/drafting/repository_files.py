"""A repository of a user's own: model files, settings, tests, CI and owners, with this package as its dependency.

Comes in: a name, an owner, the release. Goes out: text by path. Writing them is the command's task.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from mlops_assets import __version__
from mlops_assets.model_file import schema_text

TEMPLATES: Final = {
    "README.md": "README.md",
    "requirements.txt": "requirements.txt",
    "pyproject.toml": "pyproject.toml",
    ".gitignore": "gitignore",
    ".github/CODEOWNERS": "CODEOWNERS",
    ".github/workflows/check.yml": "check.yml",
    "definitions/__init__.py": "definitions.txt",
    "definitions/defs/__init__.py": "components.txt",
    "environments/local.env": "local.env",
    "environments/production.env": "production.env",
    "models/wine_classifier.yaml": "wine_classifier.yaml",
    "tests/test_models.py": "test_models.txt",
}
"""Path in the repository: file in `drafting/repository`."""


def repository_files(name: str, owner: str) -> dict[str, str]:
    """Return the files of a new repository.

    Args:
        name: Name of the repository.
        owner: GitHub user or `organization/team` who approves changes of model files, without `@`.

    Returns:
        Text by relative path.
    """
    values = {
        "@NAME@": name,
        "@OWNER@": f"@{owner}",
        "@OWNERS@": f"team:{owner.rpartition('/')[2]}",
        "@VERSION@": __version__,
    }
    folder = files("mlops_assets.drafting").joinpath("repository")
    texts = {path: folder.joinpath(file).read_text(encoding="utf-8") for path, file in TEMPLATES.items()}
    for mark, value in values.items():
        texts = {path: text.replace(mark, value) for path, text in texts.items()}
    return {**texts, "models/schema.json": schema_text()}
