"""A folder of model files. One broken file does not stop commands about the models of the others.

Comes in: a folder. Goes out: every model that can be read, and every file that cannot, with its problems.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlops_assets.errors import SpecError
from mlops_assets.model_file.loader import Problem, examine, format_problems, shown
from mlops_assets.model_file.model import ModelSpec

_NAME_LINE: Final = re.compile(r"(?m)^name:[ \t]*['\"]?([a-z][a-z0-9_]*)")


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """A model file that is refused. name: the name that it gives itself, else the name of the file."""

    file: Path
    name: str
    problems: tuple[Problem, ...]

    @property
    def sentence(self) -> str:
        """Return one sentence: the first problem, and how many more there are."""
        more = f" (and {len(self.problems) - 1} more: mlops validate)" if len(self.problems) > 1 else ""
        return f"{self.problems[0]}{more}"


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The models of a folder, sorted by name, the file of each, and the files that are broken."""

    specs: tuple[ModelSpec, ...]
    files: Mapping[str, Path]
    broken: tuple[BrokenFile, ...]

    def find(self, name: str) -> ModelSpec | None:
        """Return the model of that name, or None when no file has it.

        Args:
            name: Name of the model.

        Returns:
            The model file.

        Raises:
            SpecError: the file of exactly this model is broken.
        """
        problems = [problem for file in self.broken if file.name == name for problem in file.problems]
        if problems:
            raise SpecError(format_problems(problems))
        return next((spec for spec in self.specs if spec.name == name), None)


def model_files(folder: Path) -> list[Path]:
    """Return the model files of a folder, sorted.

    Args:
        folder: Folder of model files.

    Returns:
        Files that end in .yaml or .yml.
    """
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def read_folder(folder: Path) -> ModelFolder:
    """Read every model file of a folder; two files with one name are both broken, since either may be the mistake.

    Args:
        folder: Folder of model files.

    Returns:
        Valid models by name, and broken files with their problems.
    """
    by_name: dict[str, list[tuple[Path, ModelSpec]]] = defaultdict(list)
    broken = []
    for file in model_files(folder):
        spec, problems = examine(file)
        if spec is None:
            broken.append(BrokenFile(file, _stated_name(file), tuple(problems)))
        else:
            by_name[spec.name].append((file, spec))
    for name, copies in by_name.items():
        for file, _ in copies if len(copies) > 1 else ():
            others = ", ".join(other.name for other, _ in copies if other != file)
            problem = Problem(shown(file), 1, "name", f"{name!r} is also the name of {others}")
            broken.append(BrokenFile(file, name, (problem,)))
    single = {name: copies[0] for name, copies in by_name.items() if len(copies) == 1}
    return ModelFolder(
        specs=tuple(single[name][1] for name in sorted(single)),
        files={name: file for name, (file, _) in single.items()},
        broken=tuple(sorted(broken, key=lambda one: one.file)),
    )


def load_models(folder: Path) -> tuple[ModelSpec, ...]:
    """Read every model file of a folder, sorted by name, where each must be valid.

    Args:
        folder: Folder of model files.

    Returns:
        The models.

    Raises:
        SpecError: a file is refused; the message lists the problems of all files.
    """
    contents = read_folder(folder)
    if contents.broken:
        raise SpecError(format_problems([problem for file in contents.broken for problem in file.problems]))
    return contents.specs


def find_model(folder: Path, name: str) -> tuple[Path, ModelSpec] | None:
    """Return the file that holds a model and the model; None when no file does, or when it cannot be read.

    Args:
        folder: Folder of model files.
        name: Name of the model.

    Returns:
        File and model, or None.
    """
    contents = read_folder(folder)
    spec = next((spec for spec in contents.specs if spec.name == name), None)
    return None if spec is None else (contents.files[name], spec)


def _stated_name(file: Path) -> str:
    try:
        match = _NAME_LINE.search(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        match = None
    return match[1] if match else file.stem
