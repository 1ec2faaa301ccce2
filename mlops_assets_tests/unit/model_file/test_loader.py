"""Model files are read strictly: every problem at once, with file, line, key and the mend, and never a traceback."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.errors import SpecError
from mlops_assets.model_file import ModelSpec, examine, load_model, load_models

GOOD = """\
name: sales
description: Sales per day
owners: [team:sales]
problem: regression
target: sold
timestamp: day
source: {kind: file, path: sales.csv}
training: {algorithms: [ridge, {lightgbm: {num_leaves: 7}}], time_limit: 5m}
evaluation: {primary: rmse, also: [mae]}
gates:
  - beats_champion: {metric: rmse, by: 2%}
  - min_rows
"""


def write(folder: Path, text: str, name: str = "sales.yaml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def messages(folder: Path, text: str) -> list[str]:
    spec, problems = examine(write(folder, text))
    assert spec is None
    return [f"{problem.line} {problem.key}: {problem.message}" for problem in problems]


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    spec = load_model(write(tmp_path, GOOD))
    assert spec.training.time_limit == timedelta(minutes=5)
    assert [choice.name for choice in spec.training.algorithms] == ["ridge", "lightgbm"]
    assert spec.training.algorithms[1].params == {"num_leaves": 7}
    assert [gate.kind for gate in spec.gates] == ["beats_champion", "min_rows"]
    assert spec.monitoring.stale_after == timedelta(days=14)


def test_digest_ignores_layout_but_not_meaning(tmp_path: Path) -> None:
    spec = load_model(write(tmp_path, GOOD))
    relaid = load_model(write(tmp_path, GOOD.replace("by: 2%", "by: 0.02") + "# a remark\n"))
    changed = load_model(write(tmp_path, GOOD.replace("by: 2%", "by: 3%")))
    assert spec.digest() == relaid.digest() != changed.digest()


def test_a_spec_survives_its_own_json(tmp_path: Path) -> None:
    spec = load_model(write(tmp_path, GOOD))
    assert ModelSpec.model_validate_json(spec.model_dump_json()) == spec


def test_every_problem_is_reported_at_once_in_order_of_lines(tmp_path: Path) -> None:
    text = GOOD.replace("target:", "tarjet:").replace("5m", "5 minutes").replace("lightgbm", "ligthgbm")
    result = messages(tmp_path, text)
    assert result == [
        "1 target: is required",
        "5 tarjet: unknown key; did you mean 'target'?",
        "8 training.algorithms[1].name: unknown algorithm 'ligthgbm'; did you mean 'lightgbm'?",
        (
            "8 training.time_limit: '5 minutes' is not a duration; "
            "write a whole number and a unit such as 90s, 30m, 6h, 14d or 2w"
        ),
    ]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("by: 2%", "by: 200%", "gates[0].beats_champion.by"),
        ("by: 2%", "bye: 2%", "did you mean 'by'?"),
        ("beats_champion", "beat_champion", "did you mean 'beats_champion'?"),
        ("primary: rmse", "primary: f1", "has no meaning for regression"),
        ("primary: rmse", "primary: rsme", "did you mean 'rmse'?"),
        ("metric: rmse", "metric: r2", "is not measured; add it to evaluation.also"),
        ("name: sales", "name: Sales 2", "lower-case letters"),
        ("[team:sales]", "[]", "owners"),
        ("[team:sales]", "[somebody]", "team:name"),
        ("kind: file", "kind: fiel", "did you mean 'file'?"),
        ("problem: regression", "problem: regresion", "did you mean 'regression'?"),
        ("algorithms: [ridge,", "algorithms: [logistic,", "does not solve regression"),
        (
            "algorithms: [ridge,",
            "algorithms: [{lightgbm: {loss: hubber}},",
            "did you mean 'huber'? It has absolute",
        ),
        (
            "algorithms: [ridge,",
            "algorithms: [{lightgbm: {loss: focal}},",
            "no loss 'focal' for regression; it has",
        ),
        ("timestamp: day\n", "features: {calendar: [hour]}\n", "needs a 'timestamp'"),
        ("timestamp: day\n", "timestamp: day\nsplit: {train: 80%}\n", "must add up to 1"),
        (
            "timestamp: day\n",
            "timestamp: day\nsplit: {strategy: stratified}\n",
            "a time series is split by time",
        ),
        (
            "timestamp: day\n",
            "timestamp: day\nfeatures: {inputs: [sold]}\n",
            "cannot be an input of its own model",
        ),
        ("timestamp: day\n", "timestamp: day\nschedules: {retrain: '0 25 * * *'}\n", "is not a cron line"),
        (
            "timestamp: day\n",
            "timestamp: day\nschedules: {timezone: Mars/Base}\n",
            "unknown time zone 'Mars/Base'",
        ),
        ("timestamp: day\n", "timestamp: day\nmonitoring: {psi: {warn: .nan}}\n", "monitoring.psi.warn"),
        ("timestamp: day\n", "timestamp: day\nvalidation: {min_rows: '5'}\n", 'got "5"'),
        (
            "also: [mae]",
            "also: [mae], seasons: [1d], baseline: simple",
            "has no effect under 'baseline: simple'",
        ),
        ("also: [mae]", "also: [mae], seasons: [0d]", "is not a duration"),
        ("also: [mae]", "also: [mae], baseline: none", "evaluation.baseline"),
    ],
)
def test_each_mistake_is_named_with_its_mend(tmp_path: Path, old: str, new: str, expected: str) -> None:
    result = messages(tmp_path, GOOD.replace(old, new))
    assert any(expected in message for message in result), result


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "the file is empty"),
        ("- a\n- b\n", "a model file is a mapping"),
        ("name: [", "not valid YAML"),
        ("a: &x 1\nb: *x\n", "anchors and aliases"),
        ("a: !!python/object/apply:os.system [ls]\n", "the tag"),
        ("name: a\nname: b\n", "is written twice (first on line 1)"),
        ("a: " + "[" * 30 + "]" * 30, "nested deeper than 20"),
        ("a: b\n---\nc: d\n", "not valid YAML"),
        ("? [a]\n: b\n", "a key must be plain text"),
        ("a: {{ env('HOME') }}\n", "a key must be plain text"),
        ("# " + "x" * 300_000, "larger than 256 KiB"),
    ],
)
def test_hostile_or_broken_text_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    assert any(expected in message for message in messages(tmp_path, text))


def test_seasons_under_a_simple_baseline_would_be_idle(tmp_path: Path) -> None:
    text = GOOD.replace("problem: regression", "problem: forecasting\nfeatures: {horizon: 1d}")
    assert load_model(write(tmp_path, text.replace("also: [mae]", "seasons: [7d]"))).evaluation.seasons
    idle = text.replace("also: [mae]", "seasons: [7d], baseline: simple")
    assert any("has no effect under" in message for message in messages(tmp_path, idle))


def test_classes_have_no_logarithm(tmp_path: Path) -> None:
    text = GOOD.replace("problem: regression", "problem: classification").replace("rmse", "f1")
    text = text.replace(", also: [mae]", "").replace("algorithms: [ridge, ", "algorithms: [")
    text = text.replace("time_limit: 5m", "target_transform: log1p")
    assert messages(tmp_path, text) == [
        "8 training.target_transform: is for numbers; classes have no logarithm"
    ]


def test_algorithms_and_losses_that_onnx_has_not_are_told_with_the_mend(tmp_path: Path) -> None:
    text = GOOD.replace("time_limit: 5m", "onnx: true")
    own = "algorithms: [{python: {estimator: a.b:C}}, {lightgbm: {loss: log_cosh}}, "
    reported = messages(tmp_path, text.replace("algorithms: [", own))
    assert len(reported) == 2
    assert (
        "training.algorithms[0]: 'python' cannot be written as ONNX; these can: linear, ridge, "
        in reported[0]
    )
    assert reported[0].endswith("leave it out, or set 'onnx: false'")
    assert (
        "training.algorithms[1]: 'lightgbm' with the loss 'log_cosh' cannot be written as ONNX" in reported[1]
    )
    assert load_model(write(tmp_path, text)).training.onnx


def test_words_of_old_yaml_stay_words(tmp_path: Path) -> None:
    spec = load_model(write(tmp_path, GOOD.replace("target: sold", "target: no")))
    assert spec.target == "no"


def test_unreadable_files_are_problems_too(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    assert "is not UTF-8 text" in str(examine(tmp_path / "latin.yaml")[1][0])
    assert "cannot be read" in str(examine(tmp_path / "absent.yaml")[1][0])


def test_two_files_cannot_share_a_name(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    write(tmp_path, GOOD, "again.yaml")
    with pytest.raises(SpecError, match=r"'sales' is also the name of again\.yaml"):
        load_models(tmp_path)


def test_problems_of_all_files_are_reported_together(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("target:", "tarjet:"))
    write(tmp_path, GOOD.replace("kind: file", "kind: fiel"), "other.yaml")
    with pytest.raises(SpecError) as caught:
        load_models(tmp_path)
    assert "tarjet" in str(caught.value)
    assert "fiel" in str(caught.value)
