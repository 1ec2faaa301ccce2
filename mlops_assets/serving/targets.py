"""What a serving process follows: champions (production), or challengers that passed their gates (staging)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from mlops_assets.errors import DataError
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.staging import staging_state
from mlops_assets.serving.champions import POLL_SECONDS, Champions

VARIABLE: Final = "MLOPS_SERVING_TARGET"
TARGETS: Final = ("production", "staging")


def serves_staging(environ: Mapping[str, str]) -> bool:
    """Return whether the process serves staging.

    Args:
        environ: Environment variables.

    Returns:
        False for production, which is the default.

    Raises:
        DataError: Another target is named.
    """
    target = environ.get(VARIABLE) or TARGETS[0]
    if target not in TARGETS:
        raise DataError(f"{VARIABLE} is {target!r}; write {' or '.join(TARGETS)}")
    return target == "staging"


def staging_champions(platform: Platform, poll_seconds: float = POLL_SECONDS) -> Champions:
    """Return the models that staging serves, which follow the ledger.

    Args:
        platform: The stores.
        poll_seconds: Seconds between two looks at the ledger.

    Returns:
        What `create_app` serves.
    """

    def run() -> Run:
        now = datetime.now(UTC)
        return Run("staging", now, lambda: now, "serving", "", lambda _: None)

    return Champions(platform, poll_seconds, state_of=lambda model: staging_state(platform, model, run()))
