"""Bundle folders compared with the ledger: numbers in use that the ledger does not know, and leftovers of killed saves.

Comes in: the model root. Goes out: version numbers, counts. A ledger that was restored from a backup is older than the
folders; a killed save leaves a temporary folder; a killed training leaves a challenger without a bundle.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from mlops_assets.lifecycle.platform import Platform


def stored_numbers(model_root: Path, model: str) -> tuple[int, ...]:
    """Return the version numbers that have a folder.

    Args:
        model_root: Folder that holds the bundles of all models.
        model: Name of the model.

    Returns:
        Numbers in ascending order.
    """
    names = (folder.name for folder in (model_root / model).glob("*") if folder.is_dir())
    return tuple(sorted(int(name) for name in names if name.isdecimal()))


def free_number(model_root: Path, model: str) -> int:
    """Return the smallest version number above every stored bundle.

    Args:
        model_root: Folder that holds the bundles of all models.
        model: Name of the model.

    Returns:
        A number, from 1.
    """
    return max(stored_numbers(model_root, model), default=0) + 1


def unknown_bundles(platform: Platform, model: str) -> tuple[int, ...]:
    """Return the stored versions that are newer than the ledger knows, for example after a restore.

    Args:
        platform: The open stores and settings.
        model: Name of the model.

    Returns:
        Numbers in ascending order.
    """
    newest = max((row.version for row in platform.ledger.versions(model)), default=0)
    return tuple(number for number in stored_numbers(platform.settings.model_root, model) if number > newest)


def sweep_unfinished(platform: Platform, now: datetime, older_than: timedelta) -> tuple[int, int]:
    """Remove temporary folders of killed saves and archive challengers without a bundle.

    Args:
        platform: The open stores.
        now: The present time.
        older_than: What is younger may still be in the making.

    Returns:
        How many folders were removed, and how many challengers archived.
    """
    removed = 0
    for folder in platform.settings.model_root.glob("*/.*.tmp"):
        try:
            young = now.timestamp() - folder.stat().st_mtime < older_than.total_seconds()
        except FileNotFoundError:
            continue  # its save has just ended
        if not young:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed, platform.ledger.archive_unfinished(now - older_than)
