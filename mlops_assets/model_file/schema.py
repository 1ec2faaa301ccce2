"""The JSON schema of a model file, for editors. `models/schema.json` is this text, kept fresh by a test."""

from __future__ import annotations

import json

from mlops_assets.model_file.model import ModelSpec


def schema_text() -> str:
    """Return the schema as indented JSON with a newline at the end."""
    schema = ModelSpec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "mlops_assets model file"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
