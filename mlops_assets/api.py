"""The public API, for notebooks and other programs: `import mlops_assets`.

Comes in: model names, files and tables of readings. Goes out: frozen records and polars tables. The environment of the
caller is read and never changed: `run` works in a child process. Heavy libraries are imported where they are used.
The stores are those of the environment (`MLOPS_HOME` and the other variables of the README), unless `settings` is
passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlops_assets.settings import Settings

if TYPE_CHECKING:
    import polars as pl

    from mlops_assets.lifecycle.platform import Platform
    from mlops_assets.lifecycle.predictor import BundlePredictor
    from mlops_assets.model_file import ModelSpec, Problem


@dataclass(frozen=True, slots=True)
class RunResult:
    """The end of a lifecycle run.

    Attributes:
        model: name of the model.
        success: False when a step failed or the challenger was refused.
        output: what `mlops run` prints: data versions, gates, decision.
    """

    model: str
    success: bool
    output: str


@dataclass(frozen=True, slots=True)
class Champion:
    """The model in production, loaded and verified; predicts without any store.

    Attributes:
        spec: the model file as it was when this version was trained.
        version: the version.
    """

    spec: ModelSpec
    version: int
    _predictor: BundlePredictor = field(repr=False)
    _recent: pl.DataFrame = field(repr=False)

    def predict(self, readings: pl.DataFrame) -> pl.DataFrame:
        """Predict new readings.

        Args:
            readings: one row per reading, with the columns of the source; lags and windows look back at the readings
                that the last lifecycle run stored.

        Returns:
            One row per reading, in the same order: `prediction`; for numbers `low` and `high` (missing where the model
            has no interval); for classes `probability_<class>`.

        Raises:
            DataError: a column is missing or has the wrong type.
        """
        import polars as pl

        from mlops_assets import features

        built = features.online(self.spec, self._recent, readings)
        values = self._predictor.predict(built)
        columns: dict[str, Any] = {"prediction": values}
        if self.spec.problem != "classification":
            bounds = self._predictor.bounds(built, values)
            columns |= {"low": bounds.low, "high": bounds.high} if bounds is not None else {}
        probabilities = self._predictor.probabilities(built)
        if probabilities is not None:
            columns |= {
                f"probability_{name}": probabilities[:, index]
                for index, name in enumerate(self._predictor.classes)
            }
        return pl.DataFrame(columns)


def load_model_file(file: str | Path) -> ModelSpec:
    """Read one model file.

    Args:
        file: path of the YAML file.

    Returns:
        The frozen model file.

    Raises:
        SpecError: the file is refused; the message lists every problem with file, line, key and the fix.

    Example:
        >>> import mlops_assets
        >>> spec = mlops_assets.load_model_file("models/wine_classifier.yaml")
        >>> spec.problem, spec.evaluation.primary
        ('classification', 'f1')
    """
    from mlops_assets.model_file import load_model

    return load_model(Path(file))


def validate(path: str | Path) -> tuple[Problem, ...]:
    """Check one model file, or every model file of a folder.

    Args:
        path: a YAML file or a folder.

    Returns:
        Every problem with its file, line, key and message; empty when all files are valid.

    Example:
        >>> import mlops_assets
        >>> mlops_assets.validate("models")
        ()
    """
    from mlops_assets.model_file import examine, read_folder

    path = Path(path)
    if path.is_dir():
        return tuple(problem for file in read_folder(path).broken for problem in file.problems)
    return tuple(examine(path)[1])


def run(
    model: str, *, as_of: datetime | None = None, force: bool = False, settings: Settings | None = None
) -> RunResult:
    """Run the whole lifecycle of a model once, in a child process, and wait for it.

    Args:
        model: name of the model.
        as_of: use only what was known at this instant (with a time zone); default now.
        force: train although neither data nor model file changed since the last challenger.
        settings: addresses of the stores; default those of the environment.

    Returns:
        Whether it succeeded, and what it printed.

    Example:
        >>> import mlops_assets
        >>> mlops_assets.run("wine_classifier").success
        True
    """
    from mlops_assets.local.environment import environment

    current = settings or Settings.from_environment(os.environ)
    command = [sys.executable, "-c", "from mlops_assets.cli import main; main()", "run", model]
    command += ["--as-of", as_of.isoformat()] if as_of else []
    command += ["--force"] if force else []
    done = subprocess.run(
        command,
        env=environment(current, _prepare(current)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    return RunResult(model, done.returncode == 0, done.stdout)


def status(model: str | None = None, *, settings: Settings | None = None) -> list[dict[str, Any]]:
    """Return champion, last decision, alerts and rollback target of every model, or of one.

    Args:
        model: name of the model; default every model that has a file or ran before.
        settings: addresses of the stores; default those of the environment.

    Returns:
        One dict per model, as `mlops status --json` prints it.

    Example:
        >>> import mlops_assets
        >>> [state["champion"] for state in mlops_assets.status("wine_classifier")]
        [1]
    """
    from mlops_assets.lifecycle.status import status_records
    from mlops_assets.model_file import read_folder

    with _open(settings) as platform:
        names = {spec.name for spec in read_folder(platform.settings.models).specs}
        names |= set(platform.ledger.models())
        return status_records(platform, [model] if model else sorted(names), datetime.now(UTC))


def load_champion(model: str, *, settings: Settings | None = None) -> Champion:
    """Load the model that is in production; every file of it is checked against the hash in the ledger first.

    Args:
        model: name of the model.
        settings: addresses of the stores; default those of the environment.

    Returns:
        The champion, ready to predict.

    Raises:
        LedgerError: the model has no champion.
        BundleError: the stored model is damaged.

    Example:
        >>> import mlops_assets
        >>> champion = mlops_assets.load_champion("wine_classifier")
        >>> champion.version
        1
    """
    import polars as pl

    from mlops_assets import features, stages
    from mlops_assets.errors import LedgerError
    from mlops_assets.lifecycle.model_loading import load_version, spec_of_bundle

    with _open(settings) as platform:
        champion = platform.ledger.champion(model)
        if champion is None:
            raise LedgerError(f"{model!r} has no champion; run 'mlops run {model}' first")
        predictor, bundle = load_version(platform, model, champion.version)
        spec = spec_of_bundle(bundle)
        table = platform.datasets.latest(model, stages.VALIDATED_DATA)
        recent = features.recent(spec, platform.datasets.read(table)) if table else pl.DataFrame()
    return Champion(spec, champion.version, predictor, recent)


def predict(model: str, readings: pl.DataFrame, *, settings: Settings | None = None) -> pl.DataFrame:
    """Predict new readings with the champion. For many calls, keep the result of `load_champion`.

    Args:
        model: name of the model.
        readings: one row per reading, with the columns of the source.
        settings: addresses of the stores; default those of the environment.

    Returns:
        One row per reading, as `Champion.predict` returns it.

    Example:
        >>> import mlops_assets
        >>> from sklearn.datasets import load_wine
        >>> import polars as pl
        >>> bottles = pl.from_pandas(load_wine(as_frame=True).data.head(2))
        >>> bottles = bottles.rename(lambda name: name.replace("/", "_per_"))
        >>> mlops_assets.predict("wine_classifier", bottles)["prediction"].to_list()
        ['class_0', 'class_0']
    """
    return load_champion(model, settings=settings).predict(readings)


@contextmanager
def _open(settings: Settings | None) -> Iterator[Platform]:
    from mlops_assets.lifecycle.platform import Platform

    current = settings or Settings.from_environment(os.environ)
    platform = Platform.open(current, _prepare(current))
    try:
        yield platform
    finally:
        platform.ledger.close()


def _prepare(settings: Settings) -> Any:
    from mlops_assets.local.postgres import prepare

    return prepare(settings, lambda _: None)
