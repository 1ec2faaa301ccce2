"""The documentation page of the API, drawn on the server: no scripts, nothing loaded from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

TEMPLATES: Final = Path(__file__).parent / "templates"


def documentation(schema: Mapping[str, Any]) -> str:
    """Return the page: every route with its description, and an example request for each model.

    Args:
        schema: The OpenAPI document.

    Returns:
        HTML, escaped.
    """
    from mlops_assets.reports.rendering import (
        environment,
    )  # draws plots elsewhere: heavy for a service's start

    routes = [
        {
            "method": method.upper(),
            "path": path,
            "description": operation.get("description", ""),
            "example": _example(operation),
        }
        for path, operations in schema["paths"].items()
        for method, operation in operations.items()
    ]
    template = environment(TEMPLATES).get_template("documentation.html")
    return template.render(info=schema["info"], routes=routes)


def _example(operation: Mapping[str, Any]) -> str | None:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return json.dumps(content["example"]) if "example" in content else None
