"""The Compose file: which database role each service connects as."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from mlops_assets.ledger.roles import PASSWORDS

FOLDER = Path(__file__).parents[2] / "deploy" / "compose"
OWNER = "postgresql(\\+psycopg2)?://mlops:"


def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    return services


def test_only_prepare_connects_as_the_owner_and_it_applies_the_roles() -> None:
    prepare = services().pop("prepare")
    assert prepare["command"] == ["mlops", "migrate", "--roles"]
    assert set(PASSWORDS.values()) <= set(prepare["environment"])
    for name, service in services().items():
        owner = [key for key, value in service["environment"].items() if re.match(OWNER, value)]
        assert bool(owner) == (name == "prepare"), (name, owner)


def test_only_the_review_page_may_record_verdicts() -> None:
    allowed = {
        name for name, one in services().items() if "MLOPS_APPROVALS_URL" in one.get("environment", {})
    }
    assert allowed == {"review"}
    assert "mlops_approver:" in services()["review"]["environment"]["MLOPS_APPROVALS_URL"]


def test_every_variable_of_the_compose_file_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{([A-Z_]+)", (FOLDER / "compose.yaml").read_text()))
    example = set(re.findall(r"^([A-Z_]+)=", (FOLDER / ".env.example").read_text(), re.MULTILINE))
    assert used == example
