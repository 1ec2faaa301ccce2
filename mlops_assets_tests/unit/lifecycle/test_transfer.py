"""A version goes from one environment to the next: what was judged is what runs, or nothing is."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets import training
from mlops_assets.errors import BundleError, DataError, EvidenceError
from mlops_assets.ledger import Ledger, canonical, invariants, migrate
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.stages.evaluate import evaluate_model
from mlops_assets.lifecycle.stages.promote import promote_model
from mlops_assets.lifecycle.transfer import archive
from mlops_assets.lifecycle.transfer.exporting import export_version
from mlops_assets.lifecycle.transfer.importing import Imported, import_version
from mlops_assets.training.bundles import manifest
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station, begin

pytestmark = pytest.mark.slow
ABSOLUTE: tuple[Any, ...] = ({"metric_at_most": {"metric": "rmse", "limit": 5.0}},)


@pytest.fixture
def staging(tmp_path: Path, ledger: Ledger) -> Station:
    (tmp_path / "staging").mkdir()
    station = begin(tmp_path / "staging", ledger, ABSOLUTE)
    station.train()
    run = station.run()
    evaluate_model(station.spec, station.platform, run)
    promote_model(station.spec, station.platform, run)
    assert station.champion() == 1
    return station


@pytest.fixture
def production(tmp_path: Path, postgres_url: str, staging: Station) -> Iterator[Station]:
    (tmp_path / "production").mkdir()
    migrate(postgres_url)
    with Ledger.open(postgres_url) as ledger:
        made = begin(tmp_path / "production", ledger, ABSOLUTE)
        made.spec = staging.spec
        yield made


@pytest.fixture
def file(tmp_path: Path, staging: Station) -> Path:
    file = tmp_path / "station.mlops"
    export_version(staging.platform, "station", None, file)
    return file


def imported(station: Station, file: Path) -> Imported:
    content = archive.read(file)
    run = replace(station.run(), as_of=content.evidence.as_of)
    return import_version(station.spec, station.platform, run, content)


def altered(file: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The same export with some entries of it changed."""
    with zipfile.ZipFile(file) as old:
        files = {entry.filename: old.read(entry) for entry in old.infolist()}
    change(files)
    made = file.with_name("altered.mlops")
    with zipfile.ZipFile(made, "w") as new:
        for name, body in files.items():
            new.writestr(name, body)
    return made


def nothing_in(station: Station) -> None:
    assert station.platform.ledger.versions("station") == ()
    assert not [
        path for path in (station.platform.settings.model_root / "station").glob("*") if path.is_dir()
    ]


def test_what_was_judged_is_what_runs(staging: Station, production: Station, file: Path) -> None:
    first = imported(production, file)
    assert first.promotion is not None
    assert (first.promotion.decision.outcome, first.status, production.champion()) == (
        "promote",
        "champion",
        1,
    )
    there, here = (load_version(one.platform, "station", 1)[1] for one in (staging, production))
    assert here.manifest_sha256 == there.manifest_sha256
    evidence = production.platform.ledger.evidence_of("station", 1)[0]
    assert evidence.body["champion"] == {"revision": 0, "version": None}
    [record] = production.platform.ledger.newest_records("station/imported", 5)
    assert canonical.digest(record["evidence"]) == record["head"]["evidence_hash"]
    assert invariants(production.platform.ledger) == []
    again = imported(production, file)
    assert (again.version, again.promotion, again.status) == (1, None, "champion")
    assert production.statuses() == {1: "champion"}


def test_the_same_export_has_the_same_bytes_and_replaces_nothing(staging: Station, file: Path) -> None:
    before = file.read_bytes()
    _, digest = export_version(staging.platform, "station", 1, file)
    assert file.read_bytes() == before
    assert len(digest) == 64
    file.write_bytes(b"mine")
    with pytest.raises(BundleError, match="exists and has another content"):
        export_version(staging.platform, "station", 1, file)
    trained = staging.train()
    with pytest.raises(EvidenceError, match="version 2 was never evaluated"):
        export_version(staging.platform, "station", trained.version, file.with_name("other"))


def test_the_target_decides_by_its_own_gates_and_people(
    staging: Station, production: Station, tmp_path: Path
) -> None:
    staging.with_gates(*ABSOLUTE, "approval")
    trained = staging.train()
    evidence_hash = evaluate_model(staging.spec, staging.platform, staging.run()).evidence_hash
    ledger = staging.platform.ledger
    ledger.record_verdict(
        evidence_hash, verdict="approve", actor="ann", comment="looks right", at=staging.tick()
    )
    file = tmp_path / "approved.mlops"
    head, _ = export_version(staging.platform, "station", trained.version, file)
    assert head.verdict is not None
    assert head.verdict.actor == "ann"
    production.spec = staging.spec
    waiting = imported(production, file)
    assert waiting.promotion is not None
    assert (waiting.promotion.decision.outcome, waiting.status, production.champion()) == (
        "keep",
        "challenger",
        None,
    )
    assert "waits for a person" in " ".join(production.sentences)
    again = imported(production, file)
    assert (again.version, again.status) == (waiting.version, "challenger")
    assert len(production.platform.ledger.evidence_of("station", 1)) == 1


def test_another_model_file_is_refused_by_the_key(production: Station, file: Path) -> None:
    production.with_gates({"metric_at_most": {"metric": "rmse", "limit": 6.0}})
    with pytest.raises(EvidenceError, match=r"gates.*limit is 6.0 here, 5.0 there"):
        imported(production, file)
    nothing_in(production)


def test_other_data_is_refused_by_the_table(production: Station, file: Path, staging: Station) -> None:
    source = Path(json.loads(staging.spec.model_dump_json())["source"]["path"])
    rows = pl.read_csv(source)
    rows.head(200).write_csv(source)
    with pytest.raises(DataError, match=r"raw_readings as of .* 200 rows here, 240 there"):
        imported(production, file)
    rows.with_columns(pl.col("power") + 1).write_csv(source)
    with pytest.raises(DataError, match=r"raw_readings as of .*: content \w{12} here"):
        imported(production, file)
    nothing_in(production)


def test_other_libraries_are_refused_by_name(
    production: Station, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = manifest.installed_version
    monkeypatch.setattr(
        manifest, "installed_version", lambda name: "9.9" if name == "scikit-learn" else genuine(name)
    )
    with pytest.raises(
        BundleError, match=r"cannot be loaded here: scikit-learn .* trained it, 9.9 is installed"
    ):
        imported(production, file)
    nothing_in(production)


def test_every_altered_file_is_refused_by_name(production: Station, file: Path) -> None:
    with zipfile.ZipFile(file) as content:
        names = content.namelist()
    for name in names:

        def flip(files: dict[str, bytes], name: str = name) -> None:
            files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])

        with pytest.raises((BundleError, EvidenceError), match=name.removeprefix("bundle/")):
            imported(production, altered(file, flip))
        if name.startswith("bundle/"):

            def lose(files: dict[str, bytes], name: str = name) -> None:
                del files[name]

            with pytest.raises(BundleError, match=name.removeprefix("bundle/")):
                imported(production, altered(file, lose))
    nothing_in(production)


def test_evidence_that_speaks_of_another_bundle_is_refused(production: Station, file: Path) -> None:
    def other(files: dict[str, bytes]) -> None:
        evidence = canonical.parse(files["evidence.json"].decode()) | {"manifest_sha256": "0" * 64}
        text = canonical.canonical_text(evidence)
        head = json.loads(files["export.json"]) | {"evidence_hash": canonical.digest(text)}
        files |= {"evidence.json": text.encode(), "export.json": json.dumps(head).encode()}

    with pytest.raises(BundleError, match="the evidence says 0000"):
        imported(production, altered(file, other))


def test_evidence_that_is_no_evidence_is_refused(file: Path) -> None:
    def foreign(files: dict[str, bytes]) -> None:
        files["evidence.json"] += "é".encode()

    with pytest.raises(EvidenceError, match=r"evidence\.json was altered"):
        archive.read(altered(file, foreign))

    def hashed(files: dict[str, bytes], text: str) -> None:
        head = json.loads(files["export.json"]) | {"evidence_hash": canonical.digest(text)}
        files |= {"evidence.json": text.encode(), "export.json": json.dumps(head).encode()}

    for text in ("{}", "{"):
        with pytest.raises(EvidenceError, match=r"evidence\.json cannot be read"):
            archive.read(altered(file, lambda files, text=text: hashed(files, text)))  # type: ignore[misc]


def test_a_file_of_another_kind_of_zip_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "encrypted.zip"
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("export.json", "{}")
    body = bytearray(file.read_bytes())
    for flags in (body.index(b"PK\x03\x04") + 6, body.index(b"PK\x01\x02") + 8):
        body[flags] |= 1
    file.write_bytes(body)
    with pytest.raises(BundleError, match=r"is damaged or no export: .*encrypted"):
        archive.read(file)


@pytest.mark.parametrize("name", ["../out", "bundle/../out", "bundle/a/b", "/etc/x", "bundle/.hidden"])
def test_no_entry_leaves_the_folder(file: Path, name: str) -> None:
    with pytest.raises(BundleError, match="is not part of an export"):
        archive.read(altered(file, lambda files: files.update({name: b"x"})))
    file.write_bytes(b"PK")
    with pytest.raises(BundleError, match="is damaged or no export"):
        archive.read(file)


STEPS = ("new_version", "record_bundle", "put_record", "record_evidence", "record_performance", "promote")


class Killed(BaseException):
    """What a killed process leaves: nothing after it is carried out."""


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_write_it_leaves_nothing_half(
    production: Station, file: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    """Ended before or after each write to the ledger, and between ledger and bundle; the next import completes it."""
    for step in STEPS:
        genuine = getattr(Ledger, step)

        def dying(*args: Any, genuine: Callable[..., Any] = genuine, **kwargs: Any) -> Any:
            if after:
                genuine(*args, **kwargs)
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(Ledger, step, dying)
            with pytest.raises(Killed):
                imported(production, file)
        assert invariants(production.platform.ledger) == [], step
        if production.champion() is None:
            whole = [one for one in production.platform.ledger.versions("station") if one.bundle_path]
            for one in whole:
                load_version(production.platform, "station", one.version)
            assert len(whole) <= 1, step
    done = imported(production, file)
    assert done.status == "champion"
    assert production.champion() == done.version
    assert sum(one.bundle_path is not None for one in production.platform.ledger.versions("station")) == 1
    assert invariants(production.platform.ledger) == []


def test_killed_while_the_bundle_is_written(
    production: Station, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine, calls = training.write_atomically, []

    def dying(folder: Path, files: dict[str, bytes]) -> None:
        calls.append(folder)
        if len(calls) == 2:
            raise Killed
        genuine(folder, files)

    with monkeypatch.context() as patched:
        patched.setattr(training, "write_atomically", dying)
        with pytest.raises(Killed):
            imported(production, file)
    assert imported(production, file).status == "champion"
