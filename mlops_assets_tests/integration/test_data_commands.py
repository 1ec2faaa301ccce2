"""`mlops data`: versions listed, compared, tagged, restored and checked out, proven by content hash."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

from mlops_assets import stages
from mlops_assets.artifacts import TableVersion, from_json
from mlops_assets.datasets import content_hash
from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.local_platform import LocalPlatform, readings

pytestmark = [pytest.mark.slow, pytest.mark.integration]


def test_versions_come_back_byte_equal(
    local_platform: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = local_platform.model()
    body = spec.model_dump(mode="json", exclude_unset=True)
    (local_platform.settings.models / f"{spec.name}.yaml").write_text(json.dumps(body))
    local_platform.run_lifecycle(spec)
    datasets, raw = local_platform.platform.datasets, stages.RAW_READINGS
    first = datasets.latest(spec.name, raw)
    made_from = local_platform.platform.ledger.model_version(spec.name, 1).data_versions
    tagged = mlops(monkeypatch, "data", "tag", spec.name, "dataset-v1.0")
    assert (tagged.code, tagged.out[:14]) == (0, "dataset-v1.0: ")

    readings(300, slope=5.0).write_parquet(local_platform.file(spec.name))
    local_platform.run_lifecycle(spec, rows=300)
    second = datasets.latest(spec.name, raw)
    assert first is not None
    assert second is not None
    assert (second.version, second.content_hash != first.content_hash) == (first.version + 1, True)
    for text in (("log", spec.name), ("diff", spec.name, str(first.version), str(second.version))):
        done = mlops(monkeypatch, "data", *text)
        assert (done.code, done.err) == (0, "")

    # what model version 1 was made from, and the tag, by hash: also after newer data came
    for what, tables in ((f"{spec.name}@1", len(made_from)), (f"{spec.name}@dataset-v1.0", 3)):
        folder = tmp_path / what.partition("@")[2]
        done = mlops(monkeypatch, "data", "checkout", what, str(folder))
        assert (done.code, done.err) == (0, "")
        printed = dict(re.findall(r"^(\w+) .* content (\w+)$", done.out, re.MULTILINE))
        assert len(printed) >= tables
        for table, digest in printed.items():
            assert content_hash(pl.read_parquet(folder / f"{table}.parquet")) == digest
        assert printed[raw] == first.content_hash
        for body_ in made_from.values():
            version = from_json(TableVersion, body_)
            assert printed[version.table] == version.content_hash

    restored = mlops(monkeypatch, "data", "restore", spec.name, str(first.version))
    assert restored.out == (
        f"{spec.name}/{raw}: version {second.version + 1} holds the rows of version {first.version} again\n"
    )
    newest = datasets.latest(spec.name, raw)
    assert newest is not None
    assert newest.content_hash == first.content_hash == content_hash(datasets.read(newest))
    assert datasets.read(second).height == 300, "nothing was removed"

    wrong = mlops(monkeypatch, "data", "checkout", f"{spec.name}@dataset-v2.0", str(tmp_path / "no"))
    assert wrong.code == 1
    assert "dataset-v1.0" in wrong.err
