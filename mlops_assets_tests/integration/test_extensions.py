"""Each extension of CONTRIBUTING.md, added for real to a copy of the source: how many files, and its suite passes.

A file is what a person edits; what `make references` writes is not counted.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.integration]

ROOT = Path(__file__).parents[2]
COPIED = (
    "mlops_assets",
    "mlops_assets_tests",
    "models",
    "deploy",
    "docs",
    "tools",
    "setup.cfg",
    "pyproject.toml",
    "README.md",
)
UNIT = "mlops_assets_tests/unit"


@dataclass(frozen=True)
class Extension:
    """New files, lines inserted before an anchor, the suites that pick it up, a check of its use."""

    new: dict[str, str] = field(default_factory=dict)
    lines: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    suites: tuple[str, ...] = ()
    check: str = "pass"

    @property
    def files(self) -> int:
        """How many files a person edits."""
        return len({*self.new, *self.lines})


EXTENSIONS = {
    "model": Extension(
        new={
            "models/second_wine.yaml": (ROOT / "models" / "wine_classifier.yaml")
            .read_text(encoding="utf-8")
            .replace("name: wine_classifier", "name: second_wine")
        },
        check="import mlops_assets; assert mlops_assets.validate('models') == ()",
    ),
    "algorithm": Extension(
        new={
            "mlops_assets/training/algorithms/lasso.py": '''
"""Least squares with few weights."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from mlops_assets.model_file.algorithms.scikit_learn import LassoParameters
from mlops_assets.training.algorithms.base.algorithm import FitData
from mlops_assets.training.algorithms.base.scaling import standardized
from mlops_assets.training.algorithms.base.sklearn import ScikitAlgorithm


class Lasso(ScikitAlgorithm):
    """scikit-learn's Lasso behind a StandardScaler."""

    parameters = LassoParameters
    explain: ClassVar[Literal["tree", "linear", "other"]] = "other"

    def _estimator_for(self, data: FitData) -> Any:
        from sklearn.linear_model import Lasso as Model

        return standardized(Model(**{"alpha": 0.01, "random_state": data.seed, **self.params}))
'''
        },
        lines={
            "mlops_assets/model_file/algorithms/scikit_learn.py": [
                ("    RidgeParameters,\n    Logistic", "    LassoParameters,\n"),
                (
                    "class LogisticParameters(",
                    '''class LassoParameters(AlgorithmParameters):
    """Least squares with few weights."""

    name: ClassVar[str] = "lasso"
    modules: ClassVar[tuple[str, ...]] = SCIKIT_LEARN
    problems: ClassVar[tuple[Problem, ...]] = NUMBERS

    alpha: NonNegative | None = None


''',
                ),
            ],
            "mlops_assets/training/algorithms/__init__.py": [
                (
                    "from mlops_assets.training.algorithms.lightgbm",
                    "from mlops_assets.training.algorithms.lasso import Lasso\n",
                ),
                ('    "ridge": Ridge,', '    "lasso": Lasso,\n'),
            ],
        },
        suites=(f"{UNIT}/training/test_conformity.py -k lasso",),
    ),
    "metric": Extension(
        lines={
            "mlops_assets/metrics/numbers.py": [
                (
                    "NUMBER_METRICS: Final",
                    '''def largest_error(scored: Scored) -> float:
    """Compute the largest absolute error, in units of the target."""
    return float(np.max(np.abs(scored.predicted - scored.truth)))


''',
                ),
                (
                    '    Metric("rmse"',
                    '    Metric("largest_error", "lower", NUMBERS, largest_error, bound=0.0),\n',
                ),
            ],
        },
        suites=(f"{UNIT}/metrics/test_metrics.py -k largest_error",),
    ),
    "drift method": Extension(
        lines={
            "mlops_assets/drift_methods.py": [
                (
                    "DRIFT_METHODS: Final",
                    '''def total_variation(expected: Bins, actual: Bins) -> float:
    """Compute half the summed difference of the proportions, 0 to 1."""
    e, a = _filled(expected, actual)
    return float(0.5 * np.abs(e - a).sum())


''',
                ),
                (
                    '    "kl": DriftMethod',
                    '    "total_variation": DriftMethod("Total variation", total_variation, warn=0.05, act=0.1),\n',
                ),
            ],
            "docs/lifecycle.md": [("| `kl` |", "| `total_variation` | total variation | 0.05, 0.1 |\n")],
        },
        suites=(f"{UNIT}/test_drift_methods.py -k 'total_variation or docs'",),
    ),
    "gate": Extension(
        new={
            "mlops_assets/promotion/gates/size.py": '''
"""The size of the stored model."""

from __future__ import annotations

from mlops_assets.artifacts import Evidence, GateResult
from mlops_assets.model_file.gates import MaxSize
from mlops_assets.promotion.gate_results import failed, passed


def max_size(params: MaxSize, evidence: Evidence) -> GateResult:
    """Judge the size of the stored model."""
    size = evidence.evaluation.size_bytes
    verdict = passed if size < params.limit_bytes else failed
    return verdict(params.kind, f"the model has {size:,} bytes", size=size)
'''
        },
        lines={
            "mlops_assets/model_file/gates.py": [
                (
                    "GATES: Final",
                    '''class MaxSize(GateParameters):
    """The stored model is smaller than `limit_bytes`."""

    kind: Literal["max_size"] = "max_size"
    limit_bytes: int = 10_000


''',
                ),
                ("        BeatsChampion,\n        MetricAtMost", "        MaxSize,\n"),
            ],
            "mlops_assets/promotion/gates/__init__.py": [
                (
                    "from mlops_assets.promotion.gates.slices",
                    "from mlops_assets.promotion.gates.size import max_size\n",
                ),
                ('    "beats_champion": beats', '    "max_size": max_size,\n'),
            ],
        },
        suites=(
            f"{UNIT}/promotion/test_gate_matrix.py -k has_a_function",
            f"{UNIT}/promotion/test_new_gate.py",
        ),
    ),
    "source": Extension(
        new={
            "mlops_assets/readings/sources/tally.py": '''
"""Numbers from 1."""

from __future__ import annotations

import polars as pl

from mlops_assets.model_file.source import TallySource
from mlops_assets.readings.request import Fetched, Request


def read_tally(source: TallySource, _request: Request) -> Fetched:
    """Return the rows."""
    return Fetched(pl.DataFrame({"y": range(1, source.rows + 1)}), f"tally of {source.rows}")
'''
        },
        lines={
            "mlops_assets/model_file/source.py": [
                (
                    "SOURCES: Final",
                    '''class TallySource(Windowed):
    """Numbers from 1."""

    kind: Literal["tally"]
    rows: int = 3


''',
                ),
                ('    "sql": SqlSource,', '    "tally": TallySource,\n'),
            ],
            "mlops_assets/readings/sources/registry.py": [
                (
                    "from mlops_assets.readings.sources.files",
                    "from mlops_assets.readings.sources.tally import read_tally\n",
                ),
                ('    "sql": read_sql,', '    "tally": read_tally,\n'),
            ],
        },
        suites=(f"{UNIT}/readings/test_new_source.py",),
    ),
    "kind of feature": Extension(
        new={
            "mlops_assets/features/kinds/squares.py": '''
"""Squares of columns: `flow_squared`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import polars as pl

from mlops_assets.features.kinds.kind import Feature, FeatureKind, LookBack, Rows
from mlops_assets.model_file import ModelSpec


class Squares(FeatureKind):
    """The column multiplied by itself."""

    example: ClassVar[Any] = ("a",)

    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield one feature per column."""
        for name in spec.features.squares:
            yield Feature(f"{name}_squared", "pairs", (name,), f"{name} times itself")

    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return nothing: the value is the row's own."""
        return LookBack()

    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        """Yield each square."""
        for name in spec.features.squares:
            yield (pl.col(name) ** 2).alias(f"{name}_squared")
'''
        },
        lines={
            "mlops_assets/model_file/features.py": [
                ("    interactions: tuple[", "    squares: tuple[NumberColumn, ...] = ()\n")
            ],
            "mlops_assets/features/kinds/__init__.py": [
                (
                    "from mlops_assets.features.kinds.rolling",
                    "from mlops_assets.features.kinds.squares import Squares\n",
                ),
                ('    "ratios": Ratios()', '    "squares": Squares(),\n'),
            ],
        },
        suites=(f"{UNIT}/features/test_kinds.py -k 'squares or every_key'",),
    ),
    "kind of alert": Extension(
        lines={
            "mlops_assets/lifecycle/alerts/kinds.py": [
                (
                    '    "run_failed": AlertKind',
                    '    "pump_on_fire": AlertKind("critical", "a pump burns", "both"),\n',
                )
            ],
        },
        suites=(f"{UNIT}/lifecycle/test_alerts.py -k has_a_kind",),
        check="from mlops_assets.lifecycle.alerts import ALERT_KINDS; assert 'pump_on_fire' in ALERT_KINDS",
    ),
}
FILES = {
    "model": 1,
    "algorithm": 3,
    "metric": 1,
    "drift method": 2,
    "gate": 3,
    "source": 3,
    "kind of feature": 3,
    "kind of alert": 1,
}
"""What CONTRIBUTING.md promises; a channel of alerts is an address in the environment and touches no file."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.mark.parametrize("name", EXTENSIONS)
def test_an_extension_is_a_few_files_and_passes_its_suite(name: str, original: Path, tmp_path: Path) -> None:
    extension, clone = EXTENSIONS[name], tmp_path / "clone"
    shutil.copytree(original, clone)
    for path, text in extension.new.items():
        assert not (clone / path).exists()
        (clone / path).write_text(text.lstrip("\n"), encoding="utf-8")
    for path, insertions in extension.lines.items():
        text = (clone / path).read_text(encoding="utf-8")
        for anchor, inserted in insertions:
            assert text.count(anchor) == 1, (path, anchor)
            text = text.replace(anchor, inserted + anchor)
        (clone / path).write_text(text, encoding="utf-8")
    assert extension.files == FILES[name]
    call(clone, "-c", extension.check)
    call(clone, "-m", "tools.references")
    for suite in extension.suites:
        call(clone, "-m", "pytest", "-q", "-p", "no:cacheprovider", *shlex.split(suite))


def call(clone: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone), "MLOPS_MODELS": "models"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout[-3000:]}{done.stderr[-3000:]}"


def test_contributing_has_a_row_for_each() -> None:
    rows = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    for name in (*EXTENSIONS, "channel of alerts"):
        assert any(row.startswith((f"| a {name} |", f"| an {name} |")) for row in rows), name
