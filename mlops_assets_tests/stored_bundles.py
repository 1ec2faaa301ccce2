"""Stored models for tests that are about the model, and what somebody may do to them afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.training.bundles.manifest import sha256


def stored(folder: Path, model: training.Algorithm, sample: FeatureMatrix, **beside: Any) -> str:
    """Save a fitted model, with next to nothing beside it but what is asked for; the hash of its manifest."""
    nothing: dict[str, Any] = {"preparation": {}, "spec": {}, "profile": {}, "data": []}
    known = {**nothing, "code_commit": "abc", "seed": 7, **beside}
    return training.save_bundle(folder, algorithm=model, sample=sample, **known)


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> str:
    """Alter the manifest as somebody would who also controls the recorded hash."""
    path = folder / "manifest.json"
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))
    return sha256(path.read_bytes())


def replaced(folder: Path, name: str, body: bytes) -> str:
    """Put a file in as somebody would who also controls the recorded hash."""
    (folder / name).write_bytes(body)
    entry = {"sha256": sha256(body), "size": len(body)}
    return rewritten(folder, lambda content: content["files"].update({name: entry}))
