"""The site of all models: what its pages show before and after runs, and what it never overwrites."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_assets.errors import MlopsError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_site import write_site
from mlops_assets.model_file import load_model, read_folder
from mlops_assets.model_file.explained import explained
from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import begin

MODELS = Path(__file__).parents[3] / "models"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def text_of(page: Path) -> str:
    """What a reader sees: no tags, no style, single spaces."""
    html = re.sub(r"<style>.*?</style>", "", page.read_text(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_every_written_key_of_the_shipped_files_is_explained_at_its_line() -> None:
    for file in sorted(MODELS.glob("*.yaml")):
        lines = file.read_text().splitlines()
        keys = explained(file, load_model(file))
        assert [one.key for one in keys if not one.meaning] == [], file.name
        for one in keys:
            name = re.sub(r"\[\d+\]$", "", one.key).rpartition(".")[2]
            assert name in lines[one.line - 1] or one.value.split(":")[0] in lines[one.line - 1], one
        written = {line.partition(":")[0] for line in lines if re.match(r"[a-z]", line)}
        assert written == {one.key for one in keys if re.fullmatch(r"\w+", one.key)}


def test_parameters_of_an_algorithm_and_of_a_gate_are_shown() -> None:
    file = MODELS / "cloud_scaling_event.yaml"
    values = {one.key: one.value for one in explained(file, load_model(file))}
    assert values["gates[3].beats_champion.by"] == "2%"
    assert "num_leaves" in values["training.algorithms[1].lightgbm"]


def test_the_command_writes_pages_before_any_run_and_starts_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MLOPS_MODELS", str(MODELS))
    printed = mlops(monkeypatch, "docs", "--out", str(tmp_path / "site"))
    assert printed.code == 0
    assert "no ledger" in printed.err
    assert not (tmp_path / "home").exists()
    assert "There is no ledger here yet" in text_of(tmp_path / "site" / "index.html")
    page = text_of(tmp_path / "site" / "models" / "pump_efficiency.html")
    assert "flow_m3h_lag_1 lags flow_m3h" in page
    assert "mlops run pump_efficiency" in page
    assert "beats_champion_rmse" in page


def test_the_pages_show_champion_and_challenger_gates_and_decisions(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(tmp_path, ledger)
    models = station.platform.settings.models
    (models / "station.yaml").write_text(station.spec.model_dump_json())
    (models / "broken.yaml").write_text("name: broken\n")
    station.challenge(rmse=1.0)
    station.challenge(rmse=1.5, champion_rmse=1.0)
    index, page = write_site(tmp_path / "site", read_folder(models), station.platform, station.now)
    line = text_of(index)
    assert "station Efficiency of two pumps regression version 1" in line
    assert "kept version 2" in line
    assert "broken.yaml:1" in line
    shown = text_of(page)
    assert "champion, v1 newest challenger, v2" in shown
    assert "On the same rows: challenger v2 and champion v1" in shown
    assert re.search(r"beats_champion_rmse fail", shown)
    assert "v2" in shown
    assert "kept" in shown
    assert shown.count("flow_lag_1") == 1
    html = page.read_text()
    assert 'src="data:image/png;base64,' in html
    assert not re.search(r"<script|<link [^>]*href=\"http|src=\"http|url\(", html)
    assert re.findall(r"<h(\d)", html)[0] == "1"


def test_a_model_that_only_the_ledger_knows_is_named(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(tmp_path, ledger)
    station.challenge()
    [index] = write_site(
        tmp_path / "site", read_folder(station.platform.settings.models), station.platform, station.now
    )
    assert "declared by no file station" in text_of(index)


def test_pages_of_removed_models_go_and_pages_of_others_are_never_overwritten(tmp_path: Path) -> None:
    models, site = tmp_path / "models", tmp_path / "site"
    models.mkdir()
    file = models / "wine.yaml"
    file.write_text((MODELS / "wine_classifier.yaml").read_text())
    write_site(site, read_folder(models), None, NOW)
    file.unlink()
    write_site(site, read_folder(models), None, NOW)
    assert [path.name for path in site.rglob("*.html")] == ["index.html"]
    (site / "index.html").write_text("<h1>my own page</h1>")
    with pytest.raises(MlopsError, match=r"index.html was not written by 'mlops docs'"):
        write_site(site, read_folder(models), None, NOW)
    assert (site / "index.html").read_text() == "<h1>my own page</h1>"


def test_every_page_of_the_project_has_the_one_base() -> None:
    package = Path(__file__).parents[3] / "mlops_assets"
    whole = [
        file.name for file in package.rglob("templates/*.html") if "<html" in file.read_text(encoding="utf-8")
    ]
    assert whole == ["page.html"]
