"""What a change of model files leads to: stale assets, flips, columns that callers send, files gone or broken."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner

from mlops_assets import stages
from mlops_assets.cli.main import cli
from mlops_assets.errors import SpecError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.file_history import changes
from mlops_assets.lifecycle.plan import plan, stale_stages
from mlops_assets.model_file import ModelSpec, load_model
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station, begin
from mlops_assets_tests.unit.lifecycle.test_reports import git, written


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    """A model with a champion, whose file is committed."""
    station = begin(tmp_path, ledger)
    station.challenge(rmse=1.5)
    models = station.platform.settings.models
    git(models, "init", "-q")
    written(station, models)
    git(models, "add", ".")
    git(models, "commit", "-q", "-m", "models")
    return station


def changed(station: Station, **sections: object) -> ModelSpec:
    """The model file with these sections, written over the committed one."""
    file = station.platform.settings.models / "station.yaml"
    file.write_text(json.dumps(json.loads(file.read_text()) | sections))
    return load_model(file)


def test_nothing_changed_is_nothing_planned(station: Station) -> None:
    assert plan(station.platform, "HEAD") == ()
    with pytest.raises(SpecError, match="git knows no commit 'nowhere'"):
        plan(station.platform, "nowhere")


def test_changed_gates_show_the_decisions_that_flip_and_train_nothing(station: Station) -> None:
    file = station.platform.settings.models / "station.yaml"
    file.write_text(station.with_limit(1.4).model_dump_json())
    [one] = plan(station.platform, "HEAD")
    assert (one.state, one.stale[0]) == ("changed", stages.EVALUATION_REPORT)
    assert one.replay is not None
    assert [flip.version for flip in one.replay.flips] == [1]


@pytest.mark.parametrize(
    ("sections", "first"),
    [
        ({"source": {"kind": "file", "path": "other.csv"}}, stages.RAW_READINGS),
        ({"validation": {"min_rows": 7}}, stages.VALIDATED_DATA),
        ({"split": {"seed": 12}}, stages.TRAINED_MODEL),
        ({"monitoring": {"window": "8d"}}, None),
        ({"description": "another"}, None),
    ],
)
def test_what_lies_downstream_of_a_changed_section_is_stale(
    station: Station, sections: dict[str, object], first: str | None
) -> None:
    before = station.spec
    stale = stale_stages(changes(before, changed(station, **sections)))
    assert stale == (stages.STAGES[stages.STAGES.index(first) :] if first else ())


def test_columns_that_features_begin_or_cease_to_read_are_named(station: Station) -> None:
    git_file = station.platform.settings.models / "station.yaml"
    changed(station, features={"inputs": ["x", "z"]})
    git(git_file.parent, "commit", "-qam", "inputs")
    changed(station, features={"inputs": ["x", "w"]})
    [one] = plan(station.platform, "HEAD")
    assert (one.columns_added, one.columns_removed) == (("w",), ("z",))


def test_a_file_that_is_gone_leaves_a_champion_that_nothing_watches(station: Station) -> None:
    file = station.platform.settings.models / "station.yaml"
    file.unlink()
    [one] = plan(station.platform, "HEAD")
    champion = station.platform.ledger.champion("station")
    assert champion is not None
    assert (one.model, one.state, one.in_production) == ("station", "removed", champion.version)


def test_a_renamed_file_keeps_its_model(station: Station) -> None:
    file = station.platform.settings.models / "station.yaml"
    file.rename(file.with_name("works.yaml"))
    [one] = plan(station.platform, "HEAD")
    assert (one.model, one.state, one.file, one.file_before) == (
        "station",
        "renamed",
        "works.yaml",
        "station.yaml",
    )


def test_a_broken_file_is_first_and_fails_the_check(
    station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = station.platform.settings.models
    (models / "broken.yaml").write_text("name: broken\nproblem: regresion\n")
    (models / "fresh.yaml").write_text(station.spec.model_copy(update={"name": "fresh"}).model_dump_json())
    assert [(one.model, one.state) for one in plan(station.platform, "HEAD")] == [
        ("broken", "broken"),
        ("fresh", "added"),
    ]
    monkeypatch.setattr("mlops_assets.cli.plan.open_platform", lambda: nullcontext(station.platform))
    result = CliRunner().invoke(cli, ["plan", "--against", "HEAD", "--annotations"])
    assert result.exit_code == 1
    assert "::error file=" in result.output
    assert "line=2::problem:" in result.output
    assert "### `fresh`: added (fresh.yaml)" in result.output
    assert "How long a training takes is not known" in result.output
