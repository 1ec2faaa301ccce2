"""Model files as people break them: `mlops validate` and `mlops run` say file, line, key and the mend, and stop.

MLOPS_TABLES names a folder that the table of messages is written to.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlops_assets_tests.cli_calls import mlops

WHOLE = """\
name: pump
description: Efficiency of a pump
owners: [people@example.com]
problem: regression
target: efficiency
timestamp: recorded_at
entity: pump_id
source: {kind: file, path: readings.parquet, window: 30d}
validation: {min_rows: 100, max_missing: 5%, freshness: 24h}
features: {calendar: [hour], lags: {columns: [flow], steps: [1, 2]}}
split: {strategy: temporal, train: 70%, validation: 15%, test: 15%}
training:
  algorithms:
    - ridge: {alpha: 1.0}
  time_limit: 30m
evaluation: {primary: rmse, also: [mae]}
gates:
  - beats_champion: {metric: rmse, by: 2%}
  - no_missing_predictions
schedules: {retrain: "0 2 * * 0", timezone: UTC}
"""

# what was done to the file: (text, its replacement), then line, key and words of the message
BROKEN: dict[str, tuple[tuple[str, str], int, str, str]] = {
    "misspelt key": (("target:", "tagret:"), 5, "tagret", "did you mean 'target'"),
    "misspelt key inside": (("min_rows", "min_row"), 9, "validation.min_row", "did you mean 'min_rows'"),
    "missing key": (("target: efficiency\n", ""), 1, "target", "is required"),
    "no algorithms": (("    - ridge: {alpha: 1.0}", "    []"), 13, "training.algorithms", "at least 1"),
    "unknown algorithm": (("ridge:", "rigde:"), 14, "training.algorithms[0]", "did you mean 'ridge'"),
    "unknown parameter": (
        ("alpha", "alhpa"),
        14,
        "training.algorithms[0].ridge.alhpa",
        "did you mean 'alpha'",
    ),
    "parameter of another type": (
        ("alpha: 1.0", "alpha: abc"),
        14,
        "training.algorithms[0].ridge.alpha",
        "'alpha' must be a number of 0 or above, not \"abc\"",
    ),
    "parameter out of choices": (
        ("ridge: {alpha: 1.0}", "svm: {kernel: bogus}"),
        14,
        "training.algorithms[0].svm.kernel",
        "'kernel' must be one of 'linear', 'poly', 'rbf', 'sigmoid'",
    ),
    "parameter on a line of its own": (
        ("ridge: {alpha: 1.0}", "svm:\n        C: 1\n        kernel: bogus"),
        16,
        "training.algorithms[0].svm.kernel",
        "'kernel' must be one of",
    ),
    "estimator that is no estimator": (
        ("ridge: {alpha: 1.0}", 'python: {estimator: "builtins:eval"}'),
        14,
        "training.algorithms[0].python.estimator",
        "'builtins' is part of Python",
    ),
    "algorithm for another problem": (
        ("ridge: {alpha: 1.0}", "logistic: {}"),
        14,
        "training.algorithms[0]",
        "does not solve regression",
    ),
    "unknown kind of source": (
        ("kind: file", "kind: fille"),
        8,
        "source",
        "did you mean 'file'",
    ),
    "unknown gate": (
        ("no_missing_predictions", "no_missing_prediction"),
        19,
        "gates[1]",
        "no_missing_predictions",
    ),
    "gate on a metric that is not measured": (
        ("{metric: rmse, by", "{metric: r2, by"),
        18,
        "gates[0]",
        "not measured",
    ),
    "metric of another problem": (
        ("also: [mae]", "also: [accuracy]"),
        16,
        "evaluation.also[0]",
        "no meaning for",
    ),
    "duration without unit": (("30m", "30"), 15, "training.time_limit", "duration"),
    "share above 100 %": (("max_missing: 5%", "max_missing: 500%"), 9, "validation.max_missing", "0"),
    "number as text": (("min_rows: 100", 'min_rows: "many"'), 9, "validation.min_rows", "integer"),
    "shares that do not add up": (("test: 15%", "test: 25%"), 11, "split", "add up to 1"),
    "target among the inputs": (
        ("{calendar: [hour],", "{inputs: [efficiency], calendar: [hour],"),
        10,
        "features.inputs",
        "own model",
    ),
    "lags without a timestamp": (("timestamp: recorded_at\n", ""), 9, "features", "needs a 'timestamp'"),
    "bad cron": (("0 2 * * 0", "0 25 * * 0"), 20, "schedules.retrain", "cron"),
    "unknown time zone": (
        ("timezone: UTC", "timezone: Mars/Olympus"),
        20,
        "schedules.timezone",
        "Mars/Olympus",
    ),
    "the same key twice": (("entity:", "target:"), 7, "", "target"),
    "a tab": (("  time_limit", "\ttime_limit"), 15, "", "tab"),
    "a bracket left open": (("owners: [people@example.com]", "owners: [people@example.com"), 4, "", ""),
    "a list instead of a mapping": ((WHOLE, "- name: pump\n"), 1, "", "mapping"),
    "an empty file": ((WHOLE, ""), 1, "", "empty"),
    "a python object": (
        ("owners: [people@example.com]", "owners: !!python/object:os.system x"),
        3,
        "",
        "tag",
    ),
    "a name with capitals": (("name: pump", "name: Pump Station"), 1, "name", "Pump Station"),
    "infinity": (("alpha: 1.0", "alpha: 1e999"), 14, "", "too large"),
}
table: dict[str, str] = {}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    models = tmp_path / "models"
    models.mkdir()
    monkeypatch.setenv("MLOPS_MODELS", str(models))
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return models


def test_the_whole_file_is_valid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "pump.yaml").write_text(WHOLE)
    assert mlops(monkeypatch, "validate").code == 0


@pytest.mark.parametrize("what", BROKEN)
def test_broken(folder: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    (old, new), line, key, text = BROKEN[what]
    assert old in WHOLE
    file = folder / "pump.yaml"
    file.write_text(WHOLE.replace(old, new, 1))
    for command in ("validate models/pump.yaml", "validate", "run pump"):
        printed = mlops(monkeypatch, *command.split())
        table[what] = printed.err
        assert printed.code != 0
        assert "Traceback" not in printed.all
        assert f"models/pump.yaml:{line}: {key}" in printed.err, printed.err
        assert text in printed.err, printed.err
    assert not (folder.parent / "home").exists()  # nothing was started for it


def test_a_file_that_is_not_text(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "pump.yaml").write_bytes(WHOLE.encode("utf-16"))
    printed = mlops(monkeypatch, "run", "pump")
    table["saved as UTF-16"] = printed.err
    assert printed.code != 0
    assert "models/pump.yaml:1: is not UTF-8 text" in printed.err


def test_a_misspelt_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "pump.yaml").write_text(WHOLE)
    printed = mlops(monkeypatch, "run", "pumb")
    assert printed.code != 0
    assert "did you mean 'pump'" in printed.err


@pytest.fixture(scope="module", autouse=True)
def _write_table() -> object:
    yield
    if index := os.environ.get("MLOPS_TABLES"):
        rows = "\n".join(f"|{what}|`{' / '.join(text.split(chr(10)))}`|" for what, text in table.items())
        (Path(index) / "model_files.md").write_text(f"|model file|message|\n|---|---|\n{rows}\n")


def test_a_missing_extra_is_a_warning_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlops_assets.model_file.algorithms import ALGORITHM_CATALOGUE

    monkeypatch.setattr(ALGORITHM_CATALOGUE["catboost"], "modules", ("nobody_has_this",))
    file = tmp_path / "pump.yaml"
    file.write_text(WHOLE.replace("ridge: {alpha: 1.0}", "ridge: {alpha: 1.0}\n    - catboost: {}"))
    monkeypatch.setenv("MLOPS_MODELS", str(tmp_path))
    for text in ((), (str(file),)):
        printed = mlops(monkeypatch, "validate", *text)
        assert printed.code == 0
        assert "valid" in printed.out
        [warning] = printed.err.splitlines()
        assert "pump.yaml:15: training.algorithms[1]: the algorithm 'catboost' needs" in warning
        assert "pip install 'mlops-assets[boosting]'" in warning


def test_a_pickle_is_warned_of_and_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pump.yaml"
    own = "python:\n        estimator: shop.models:Robust\n        pickle: true"
    file.write_text(WHOLE.replace("ridge: {alpha: 1.0}", own))
    message = mlops(monkeypatch, "validate", str(file))
    assert (message.code, "is valid" in message.out) == (0, True)
    assert (
        f"warning: {file}:16: training.algorithms[0].python.pickle: shop.models:Robust may be" in message.err
    )
    assert "loading it runs code" in message.err
    monkeypatch.setenv("MLOPS_MODELS", str(tmp_path))
    assert "warning: " in mlops(monkeypatch, "validate").err
    file.write_text(WHOLE.replace("ridge: {alpha: 1.0}", own.replace("true", "1")))
    message = mlops(monkeypatch, "validate", str(file))
    assert (message.code, "'pickle' must be true or false, not 1" in message.err) == (1, True)
