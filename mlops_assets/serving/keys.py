"""The key that callers must send: from the environment, or from the file that `mlops up` writes."""

from __future__ import annotations

from mlops_assets.errors import ServiceError
from mlops_assets.settings import Settings


def api_key(settings: Settings) -> str:
    """MLOPS_API_KEY, else `<home>/api_key`. Raises ServiceError without either: the API never runs open."""
    given = settings.environ.get("MLOPS_API_KEY", "").strip()
    if given:
        return given
    file = settings.home / "api_key"
    try:
        key = file.read_text(encoding="utf-8").strip()
    except OSError:
        key = ""
    if not key:
        raise ServiceError(f"the prediction API has no key; set MLOPS_API_KEY or write one to {file}")
    return key
