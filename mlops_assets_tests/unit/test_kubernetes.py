"""The Kubernetes tree: every reference resolves, every container is bounded, probed and without rights or secrets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_assets.ledger.roles import PASSWORDS

REPOSITORY = Path(__file__).parents[2]
TREE = REPOSITORY / "deploy" / "kubernetes"
OVERLAYS = ("dev", "staging", "production")
OF_THE_DATABASE_IMAGE = {"PGDATA"}
Resource = dict[str, Any]


def parsed(path: Path) -> list[Resource]:
    return list(yaml.safe_load_all(path.read_text()))


def resources(kustomization: Path) -> Iterator[Resource]:
    """Every resource that a folder's kustomization leads to, as `kubectl kustomize` finds them, before patches."""
    (document,) = parsed(kustomization / "kustomization.yaml")
    for name in (*document["resources"], *document.get("components", ())):
        path = (kustomization / name).resolve()
        assert path.exists(), f"{kustomization.name} names {name}, which does not exist"
        yield from resources(path) if path.is_dir() else parsed(path)


def pods(manifests: list[Resource]) -> Iterator[tuple[Resource, Resource]]:
    for each in manifests:
        spec = each.get("spec", {})
        spec = spec.get("jobTemplate", {"spec": spec})["spec"]
        if "template" in spec:
            yield each, spec["template"]["spec"]


def containers(pod: Resource) -> list[Resource]:
    return [*pod.get("initContainers", ()), *pod["containers"]]


def variables(manifests: list[Resource]) -> Iterator[tuple[str, Resource]]:
    for owner, pod in pods(manifests):
        for container in containers(pod):
            for variable in container["env"]:
                yield f"{owner['metadata']['name']}/{container['name']}/{variable['name']}", variable


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Path:
    return TREE / "overlays" / str(request.param)


@pytest.fixture
def manifests(overlay: Path) -> list[Resource]:
    return list(resources(overlay))


def test_every_file_is_read_by_a_kustomization_or_by_the_script() -> None:
    named = {"kustomization.yaml"}
    for path in TREE.rglob("kustomization.yaml"):
        named |= {Path(name).name for name in parsed(path)[0]["resources"]}
    script = (TREE / "up.sh").read_text()
    files = {path for path in TREE.rglob("*") if path.is_file() and path.name != "up.sh"}
    assert {path.name for path in files if path.name not in named and path.name not in script} == set()


def test_no_resource_is_there_twice(manifests: list[Resource]) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in manifests]
    assert sorted(names) == sorted(set(names))


def test_every_patch_changes_something_that_exists(overlay: Path, manifests: list[Resource]) -> None:
    for patch in parsed(overlay / "kustomization.yaml")[0]["patches"]:
        target = patch["target"]
        hit = [
            each
            for each in manifests
            if each["kind"] == target["kind"] and target.get("name") in (None, each["metadata"]["name"])
        ]
        assert hit, f"no resource for the patch of {target}"
        for operation in yaml.safe_load(patch["patch"]):
            parts = operation["path"].strip("/").split("/")
            for each in hit:
                value: Any = each
                for part in parts[: None if operation["op"] == "replace" else -1]:
                    assert part in value, (target, operation["path"])
                    value = value[part]


def test_services_budgets_autoscalers_and_policies_choose_pods_that_exist(manifests: list[Resource]) -> None:
    labels = [
        each["spec"]["template"]["metadata"]["labels"]
        for each, _ in pods(manifests)
        if "template" in each["spec"]
    ]
    deployments = {each["metadata"]["name"] for each in manifests if each["kind"] == "Deployment"}
    for each in manifests:
        spec = each.get("spec", {})
        if each["kind"] == "HorizontalPodAutoscaler":
            assert spec["scaleTargetRef"]["name"] in deployments
        chosen = spec.get("selector") if each["kind"] == "Service" else None
        chosen = chosen or (spec.get("podSelector") or spec.get("selector") or {}).get("matchLabels")
        if chosen:
            assert any(chosen.items() <= one.items() for one in labels), each["metadata"]["name"]


def test_every_variable_is_a_setting(manifests: list[Resource]) -> None:
    known = set(re.findall(r"[A-Z][A-Z_]+", (REPOSITORY / "README.md").read_text()))
    known |= set(
        re.findall(r"^ +([A-Z_]+):", (REPOSITORY / "deploy/compose/compose.yaml").read_text(), re.MULTILINE)
    )
    known |= {*PASSWORDS.values(), *OF_THE_DATABASE_IMAGE}
    assert {label for label, variable in variables(manifests) if variable["name"] not in known} == set()


def test_secrets_are_references_under_the_name_of_their_variable(manifests: list[Resource]) -> None:
    assert not [each for each in manifests if each["kind"] == "Secret"]
    for label, variable in variables(manifests):
        if re.search(
            r"_(PASSWORD|KEY|TOKEN)$|_(DATABASE|POSTGRES|APPROVALS|RETENTION)_URL$|STORE_URI$",
            variable["name"],
        ):
            assert variable["valueFrom"]["secretKeyRef"]["key"] == variable["name"], label
            assert "value" not in variable, label
    text = yaml.safe_dump_all([*manifests, *parsed(TREE / "dagster.yaml")])
    assert not re.search(r"://[^/\s]*:[^/\s]*@", text), "an address with a password"


def test_only_the_migration_and_the_backup_connect_as_the_owner(manifests: list[Resource]) -> None:
    owners = {
        label.split("/")[0]
        for label, variable in variables(manifests)
        if variable.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == "mlops-owner"
    }
    assert owners - {"database"} == {"mlops-migrate", "backup"}


def test_every_container_is_bounded_and_without_rights(manifests: list[Resource]) -> None:
    for owner, pod in pods(manifests):
        label = owner["metadata"]["name"]
        assert pod["automountServiceAccountToken"] is False, label
        assert pod["securityContext"]["runAsNonRoot"] is True, label
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, label
        volumes = {volume["name"] for volume in pod["volumes"]}
        volumes |= {claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates", ())}
        for container in containers(pod):
            limits = container["resources"]["limits"]
            assert {"cpu", "memory", "ephemeral-storage"} <= limits.keys(), (label, container["name"])
            assert container["resources"]["requests"].keys() == limits.keys(), (label, container["name"])
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, (label, container["name"])
            assert {mount["name"] for mount in container["volumeMounts"]} <= volumes, (
                label,
                container["name"],
            )


def test_services_have_probes_and_jobs_an_end(manifests: list[Resource]) -> None:
    for owner, pod in pods(manifests):
        if owner["kind"] in ("Job", "CronJob"):
            spec = owner["spec"].get("jobTemplate", owner)["spec"]
            assert {"activeDeadlineSeconds", "backoffLimit"} <= spec.keys(), owner["metadata"]["name"]
            continue
        for container in pod["containers"]:
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), container["name"]
            ports = {port["name"] for port in container["ports"]}
            probed = {probe["httpGet"]["port"] for probe in _probes(container) if "httpGet" in probe}
            assert probed <= ports, container["name"]


def _probes(container: Resource) -> list[Resource]:
    return [container[name] for name in ("startupProbe", "livenessProbe", "readinessProbe")]


def waiting() -> list[list[str]]:
    """The commands that wait for the migration, one per service that needs the ledger."""
    return [
        container["command"]
        for _, pod in pods(list(resources(TREE / "base")))
        for container in pod.get("initContainers", ())
        if container["name"] == "migrated"
    ]


def test_all_that_needs_the_ledger_waits_for_the_migration() -> None:
    users = {
        owner["metadata"]["name"]
        for owner, pod in pods(list(resources(TREE / "base")))
        for container in pod["containers"]
        if {"MLOPS_DATABASE_URL", "MLFLOW_BACKEND_STORE_URI"} & {each["name"] for each in container["env"]}
    }
    commands = waiting()
    assert len(commands) == len(users - {"mlops-migrate"})
    (command,) = {tuple(each) for each in commands}
    assert command[:2] == ("python", "-c")
    nowhere = {**os.environ, "MLOPS_DATABASE_URL": "postgresql://mlops_app@127.0.0.1:9"}
    refused = subprocess.run(
        [sys.executable, *command[1:]], env=nowhere, capture_output=True, text=True, check=False
    )
    assert refused.returncode != 0
    assert "ServiceError" in refused.stderr


def build(overlay: Path) -> str | None:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return None
    return subprocess.run(
        [kubectl, "kustomize", str(overlay)], capture_output=True, text=True, check=True
    ).stdout


def test_the_overlays_build(overlay: Path) -> None:
    built = build(overlay)
    if built is None:
        pytest.skip("kubectl is not installed: the overlays are checked by reading, not built")
    images = set(re.findall(r"image: (\S+)", built))
    assert images
    assert not [image for image in images if ":" not in image or image.endswith(":latest")]


def test_every_resource_follows_the_schema_of_the_api(overlay: Path, manifests: list[Resource]) -> None:
    schemas = pytest.importorskip(
        "kubernetes_validate", reason="kubernetes-validate (100 MB of schemas) is not installed"
    )
    built = build(overlay)
    for each in manifests if built is None else yaml.safe_load_all(built):
        if not each["apiVersion"].startswith("monitoring.coreos.com"):  # in no schema of Kubernetes itself
            schemas.validate(each, "1.32", strict=True)
