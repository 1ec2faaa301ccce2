"""Bundles: written at once or not at all, and refused, with the reason, when anything about them is wrong."""

from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_assets import training
from mlops_assets.artifacts import FeatureMatrix
from mlops_assets.errors import BundleError
from mlops_assets.training.bundles import manifest as manifests
from mlops_assets_tests.stored_bundles import replaced, rewritten, stored

NAMES = ("a", "b")


def model(name: str = "ridge") -> training.Algorithm:
    values = np.random.default_rng(0).normal(size=(60, 2))
    return training.ALGORITHMS[name]("regression").fit(FeatureMatrix(NAMES, values), values[:, 0] * 3)


def save(folder: Path, algorithm: training.Algorithm | None = None, **changes: Any) -> str:
    content: dict[str, Any] = {
        "preparation": {"fill": 1.5},
        "spec": {"name": "pump"},
        "profile": {"rows": 60},
        "sample": FeatureMatrix(NAMES, np.random.default_rng(1).normal(size=(5, 2))),
        "data": [{"table": "features", "version": 3}],
        **changes,
    }
    return stored(folder, algorithm or model(), **content)


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, str]:
    folder = tmp_path / "pump" / "1"
    return folder, save(folder)


def test_a_bundle_comes_back_whole(bundle: tuple[Path, str]) -> None:
    folder, digest = bundle
    loaded = training.load_bundle(folder, expected_manifest_sha256=digest)
    assert (loaded.preparation, loaded.spec, loaded.profile) == (
        {"fill": 1.5},
        {"name": "pump"},
        {"rows": 60},
    )
    assert (loaded.manifest.seed, loaded.manifest.code_commit) == (7, "abc")
    assert loaded.manifest.data == [{"table": "features", "version": 3}]
    assert loaded.manifest.signature["output"] == {"type": "double"}
    assert loaded.manifest_sha256 == digest
    assert (
        loaded.size_bytes
        == sum(path.stat().st_size for path in folder.iterdir()) - (folder / "manifest.json").stat().st_size
    )
    assert training.read_profile(folder, expected_manifest_sha256=digest) == {"rows": 60}
    np.testing.assert_allclose(loaded.algorithm.predict(loaded.sample), loaded.expected)
    assert [path.name for path in folder.parent.iterdir()] == ["1"], "no draft is left"


def test_an_interval_is_vouched_for_and_may_be_absent(bundle: tuple[Path, str], tmp_path: Path) -> None:
    assert training.load_bundle(bundle[0], expected_manifest_sha256=bundle[1]).interval is None
    folder = tmp_path / "pump" / "2"
    digest = save(folder, interval={"level": 0.9, "below": 1.0})
    opened = training.load_bundle(folder, expected_manifest_sha256=digest)
    assert opened.interval == {"level": 0.9, "below": 1.0}
    (folder / "interval.json").write_bytes((folder / "interval.json").read_bytes().replace(b"1.0", b"0.1"))
    with pytest.raises(BundleError, match=r"'interval.json' was altered"):
        training.load_bundle(folder, expected_manifest_sha256=digest)
    (folder / "interval.json").unlink()
    with pytest.raises(BundleError, match=r"'interval.json' is missing"):
        training.load_bundle(folder, expected_manifest_sha256=digest)


def test_equal_trainings_give_equal_bytes(tmp_path: Path) -> None:
    assert save(tmp_path / "1") == save(tmp_path / "2")


def test_a_version_is_written_once(bundle: tuple[Path, str]) -> None:
    folder, digest = bundle
    assert save(folder) == digest, "the same again is fine: a step was retried"
    with pytest.raises(BundleError, match="written once"):
        save(folder, code_commit="other")
    training.load_bundle(folder, expected_manifest_sha256=digest)


def test_a_save_that_breaks_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="no space"):
        save(tmp_path / "pump" / "1")
    assert list((tmp_path / "pump").iterdir()) == []


def test_drafts_of_killed_saves_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".1.dead.tmp").mkdir()
    save(tmp_path / "1")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_truncated(bundle: tuple[Path, str]) -> None:
    folder, digest = bundle
    path = folder / "model.skops"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BundleError, match=r"'model.skops' is truncated: \d+ bytes instead of \d+"):
        training.load_bundle(folder, expected_manifest_sha256=digest)


@pytest.mark.parametrize(
    "name", ["model.skops", "algorithm.json", "preparation.json", "profile.json", "sample.json", "spec.json"]
)
def test_one_flipped_bit(bundle: tuple[Path, str], name: str) -> None:
    folder, digest = bundle
    body = bytearray((folder / name).read_bytes())
    body[len(body) // 2] ^= 1
    (folder / name).write_bytes(body)
    with pytest.raises(BundleError, match=f"'{name}' was altered"):
        training.load_bundle(folder, expected_manifest_sha256=digest)


@pytest.mark.parametrize("name", ["model.skops", "manifest.json", "sample.json"])
def test_missing_file(bundle: tuple[Path, str], name: str) -> None:
    folder, digest = bundle
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"{name}'? is missing"):
        training.load_bundle(folder, expected_manifest_sha256=digest)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no such model folder"):
        training.load_bundle(tmp_path / "gone", expected_manifest_sha256=None)


def test_extra_file(bundle: tuple[Path, str]) -> None:
    folder, digest = bundle
    (folder / "note.txt").write_text("hello")
    with pytest.raises(BundleError, match=r"'note.txt' is not in the manifest"):
        training.load_bundle(folder, expected_manifest_sha256=digest)


def test_altered_manifest(bundle: tuple[Path, str]) -> None:
    folder, digest = bundle
    rewritten(folder, lambda content: content.update(seed=8))
    with pytest.raises(BundleError, match=r"manifest.json was altered.*roll back"):
        training.load_bundle(folder, expected_manifest_sha256=digest)
    with pytest.raises(BundleError, match="was altered"):
        training.read_profile(folder, expected_manifest_sha256=digest)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b"\x80\x04.", b'{"format": 99}', b'{"format": 1, "files": 3}']
)
def test_what_is_no_manifest(bundle: tuple[Path, str], body: bytes) -> None:
    folder, _ = bundle
    (folder / "manifest.json").write_bytes(body)
    with pytest.raises(BundleError, match=r"manifest\.json"):
        training.load_bundle(folder, expected_manifest_sha256=None)


def test_another_version_of_the_library(bundle: tuple[Path, str]) -> None:
    folder, _ = bundle

    def older(content: dict[str, Any]) -> None:
        content["environment"]["packages"]["scikit-learn"] = "1.5.1"

    digest = rewritten(folder, older)
    with pytest.raises(
        BundleError, match=r"scikit-learn 1\.5\.1 trained it, .* is installed; .* train again"
    ):
        training.load_bundle(folder, expected_manifest_sha256=digest)


def test_a_patch_release_is_the_same_version() -> None:
    ours = manifests.environment_of(["numpy"])["packages"]["numpy"].rsplit(".", 1)[0]
    assert manifests.incompatible({"packages": {"numpy": f"{ours}.999"}}, ["numpy"]) == []
    assert manifests.incompatible({}, ["numpy"]) != []


class Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, ("touch /tmp/mlops-assets-test-bomb",)


BOMB_MARK = Path("/tmp/mlops-assets-test-bomb")


@pytest.mark.parametrize("name", ["model.skops", "model.pkl"])
def test_a_hostile_pickle_is_never_run(bundle: tuple[Path, str], name: str) -> None:
    folder, _ = bundle
    BOMB_MARK.unlink(missing_ok=True)
    digest = replaced(folder, name, pickle.dumps(Bomb()))
    with pytest.raises(BundleError, match="pickle"):
        training.load_bundle(folder, expected_manifest_sha256=digest)
    assert not BOMB_MARK.exists()


def test_a_hostile_skops_file_is_never_built(bundle: tuple[Path, str]) -> None:
    folder, _ = bundle
    BOMB_MARK.unlink(missing_ok=True)
    with zipfile.ZipFile(io.BytesIO((folder / "model.skops").read_bytes())) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    schema.update(
        {
            "__class__": "system",
            "__module__": "os",
            "__loader__": "FunctionNode",
            "content": {"module_path": "os", "function": "system"},
        }
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, body in {**members, "schema.json": json.dumps(schema).encode()}.items():
            archive.writestr(name, body)
    digest = replaced(folder, "model.skops", out.getvalue())
    with pytest.raises(BundleError, match=r"types that are not trusted: .*system"):
        training.load_bundle(folder, expected_manifest_sha256=digest)


@pytest.mark.parametrize("name", ["../secret.json", "/etc/passwd", "..", "sub/file"])
def test_a_manifest_cannot_point_outside(bundle: tuple[Path, str], name: str) -> None:
    folder, _ = bundle
    digest = rewritten(folder, lambda content: content["files"].update({name: {"sha256": "0", "size": 1}}))
    with pytest.raises(BundleError, match="is not a file of this model"):
        training.load_bundle(folder, expected_manifest_sha256=digest)


def test_a_link_is_no_file(bundle: tuple[Path, str], tmp_path: Path) -> None:
    folder, digest = bundle
    elsewhere = tmp_path / "elsewhere"
    (folder / "spec.json").rename(elsewhere)
    (folder / "spec.json").symlink_to(elsewhere)
    with pytest.raises(BundleError, match=r"'spec.json' is missing"):
        training.load_bundle(folder, expected_manifest_sha256=digest)


def test_a_model_that_answers_differently_is_not_used(bundle: tuple[Path, str]) -> None:
    folder, _ = bundle
    sample = json.loads((folder / "sample.json").read_bytes())
    sample["predictions"][0] += 0.001
    digest = replaced(folder, "sample.json", json.dumps(sample).encode())
    with pytest.raises(BundleError, match="no longer predicts"):
        training.load_bundle(folder, expected_manifest_sha256=digest)


def test_an_unknown_algorithm(bundle: tuple[Path, str]) -> None:
    folder, _ = bundle
    digest = rewritten(folder, lambda content: content.update(algorithm="oracle"))
    with pytest.raises(BundleError, match="unknown algorithm 'oracle'"):
        training.load_bundle(folder, expected_manifest_sha256=digest)


def test_a_profile_with_nan_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save(tmp_path / "1", profile={"mean": float("nan")})
    assert not (tmp_path / "1").exists()


def test_the_manifest_records_the_machine_whose_arithmetic_made_the_model() -> None:
    environment = manifests.environment_of(())
    assert environment["processor"]
    assert re.fullmatch(r"openblas \d+\.\d+\.\S+ \w+|mkl .*|blis .*|flexiblas .*", environment["blas"])
