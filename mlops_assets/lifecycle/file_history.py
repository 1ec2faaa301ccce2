"""A model file as it is and as it was at a git ref: both read as strictly, and compared key by key.

Comes in: a model file, a git ref. Goes out: the file as it was, names of files, changed keys. What a change leads to is
in `plan` and `reports`.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from mlops_assets.errors import SpecError
from mlops_assets.model_file import ModelSpec, find_model, load_model

NOTHING: Final = "(not there)"
MODEL_FILES: Final = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Change:
    """One key of a model file, and what stood there before and stands there now."""

    key: str
    before: str
    after: str


def changes(before: ModelSpec, after: ModelSpec) -> tuple[Change, ...]:
    """Return the keys whose values differ, defaults written out.

    Args:
        before: The older model file.
        after: The newer one.

    Returns:
        Changes in alphabetical order of keys.
    """
    old, new = dict(_flat(before)), dict(_flat(after))
    return tuple(
        Change(key, old.get(key, NOTHING), new.get(key, NOTHING))
        for key in sorted({*old, *new})
        if old.get(key) != new.get(key)
    )


def file_of(models: Path, name: str) -> Path:
    """Return the file that holds a model.

    Args:
        models: Folder of model files.
        name: Name of the model.

    Returns:
        The file.

    Raises:
        SpecError: When no file holds it.
    """
    if result := find_model(models, name):
        return result[0]
    raise SpecError(f"no file in {models} holds the model {name!r}")


def model_at(file: Path, ref: str) -> ModelSpec | None:
    """Return the model file as it was at a git ref.

    Args:
        file: The model file in the checkout.
        ref: A commit, branch or tag.

    Returns:
        The model file, or None when it did not exist there.

    Raises:
        SpecError: When the ref is unknown or the file there cannot be read.
    """
    folder = file.resolve().parent
    _require_commit(folder, ref)
    text = _git(folder, "show", "--end-of-options", f"{ref}:./{file.name}")
    if text is None:
        return None
    with tempfile.TemporaryDirectory(prefix="mlops-ref-") as scratch:
        copy = Path(scratch) / file.name
        copy.write_text(text, encoding="utf-8")
        return load_model(copy)


def files_at(folder: Path, ref: str) -> tuple[str, ...]:
    """Return the names of the model files that a folder had at a git ref.

    Args:
        folder: Folder of model files.
        ref: A commit, branch or tag.

    Returns:
        Names, sorted.

    Raises:
        SpecError: When the ref is unknown.
    """
    _require_commit(folder.resolve(), ref)
    listing = _git(folder.resolve(), "ls-tree", "--name-only", "-z", "--end-of-options", ref, "./") or ""
    return tuple(sorted(Path(name).name for name in listing.split("\0") if name.endswith(MODEL_FILES)))


def _require_commit(folder: Path, ref: str) -> None:
    if _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}") is None:
        raise SpecError(f"git knows no commit {ref!r} in {folder}; in continuous integration, fetch it first")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SpecError(f"git could not be run: {error}") from None
    return done.stdout if done.returncode == 0 else None


def _flat(spec: BaseModel) -> Iterator[tuple[str, str]]:
    def walk(value: Any, path: str) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                yield from walk(inner, f"{path}.{key}" if path else key)
        elif isinstance(value, list) and any(isinstance(inner, dict) for inner in value):
            for index, inner in enumerate(value):
                named = inner.get("kind") or inner.get("name") if isinstance(inner, dict) else None
                yield from walk(inner, f"{path}[{named or index}{f' {index}' if named else ''}]")
        else:
            yield path, json.dumps(value, ensure_ascii=False)

    yield from walk(spec.model_dump(mode="json"), "")
