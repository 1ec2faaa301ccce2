"""The Compose file: valid, whole, and which database role each service connects as."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
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


def test_the_compose_file_follows_the_specification(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema is not installed; make dev brings it")

    def checked(file: Path) -> subprocess.CompletedProcess[str]:
        command = [
            sys.executable,
            "-m",
            "check_jsonschema",
            "--builtin-schema",
            "vendor.compose-spec",
            str(file),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    right = checked(FOLDER / "compose.yaml")
    assert right.returncode == 0, right.stdout
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((FOLDER / "compose.yaml").read_text().replace("retries: 20", "retry: 20"))
    assert "retry" in checked(wrong).stdout


def test_everything_that_a_service_names_exists() -> None:
    compose = yaml.safe_load((FOLDER / "compose.yaml").read_text())
    for name, service in compose["services"].items():
        for other, how in service.get("depends_on", {}).items():
            needed = compose["services"][other]
            assert how["condition"] == "service_completed_successfully" or "healthcheck" in needed, (
                name,
                other,
            )
        assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            there = (FOLDER / source).exists() if source.startswith(".") else source in compose["volumes"]
            assert there, (name, volume)
