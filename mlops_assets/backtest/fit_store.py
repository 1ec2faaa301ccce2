"""Fits by what they were made from: each is carried out once, whatever policies request it, and kept on disk.

Comes in: a key (the recipe and its rows) and what fits it. Goes out: the same `Fits`, from memory, from disk, or new. A
backtest that was interrupted finds them again.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import polars as pl

from mlops_assets import features, training
from mlops_assets.artifacts import Candidate, Interval, RefitCheck, Split, digest, from_json, to_json
from mlops_assets.backtest.processor_time import processor_seconds
from mlops_assets.errors import BundleError
from mlops_assets.lifecycle.platform import Run
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.lifecycle.stages.candidates import Study, Trained
from mlops_assets.lifecycle.stages.refit import Refit
from mlops_assets.lifecycle.stages.train import Fit, Fits, fit_recipe
from mlops_assets.model_file import ModelSpec

RECORD: Final = "fit.json"
PREPARATION: Final = "preparation.json"
INTERVAL: Final = "interval.json"
LOCK: Final = ".lock"


def fit_key(recipe: str, rows: str) -> str:
    """Return the key of a fit: equal recipes on equal rows share it.

    Args:
        recipe: `Policy.recipe_digest`.
        rows: Content hash of the feature table.

    Returns:
        20 hexadecimal digits.
    """
    return digest({"recipe": recipe, "rows": rows})[:20]


@dataclass(frozen=True, slots=True)
class StoredFit:
    """What is kept of a fit; the rows that it learned from are not.

    Attributes:
        candidates: Every candidate with its metrics.
        best: The judged winner.
        served: The winner fitted again; the judged one where it was not, or could not be served.
        check: The comparison of both; None without a refit.
        seconds: Wall time.
        cpu_seconds: Processor time.
    """

    candidates: tuple[Candidate, ...]
    best: BundlePredictor
    served: BundlePredictor
    check: RefitCheck | None
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class _Record:
    """Stored. What `fit.json` holds."""

    candidates: tuple[Candidate, ...]
    algorithm: str
    check: RefitCheck | None
    is_refit: bool
    seconds: float
    cpu_seconds: float
    files: dict[str, dict[str, str]]


class FitStore:
    """All fits of one backtest.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._fits: dict[str, StoredFit] = {}
        self.new: dict[str, float] = {}
        """Processor time of the fits that were carried out, not read."""

    def get(self, key: str) -> StoredFit:
        """Return a fit that was made.

        Args:
            key: Key of the fit.

        Returns:
            The fit, from memory or from disk.

        Raises:
            BundleError: It is missing or damaged.
        """
        if key not in self._fits:
            self._fits[key] = self._load(key)
        return self._fits[key]

    def knows(self, key: str) -> bool:
        """Return whether a fit was made.

        Args:
            key: Key of the fit.

        Returns:
            True when `get` finds it.
        """
        return key in self._fits or (self.folder / key / RECORD).exists()

    def fit(self, key: str, carry_out: Fit = fit_recipe) -> Fit:
        """Return what a training calls to fit its candidates: it fits them, or returns the fit of the same key.

        Args:
            key: Names the recipe and the rows.
            carry_out: Fits where no fit of this key exists.

        Returns:
            The function.
        """

        def fitted(spec: ModelSpec, frame: pl.DataFrame, split: Split, run: Run, study: Study) -> Fits:
            with self._one_at_a_time(key):
                if not self.knows(key):
                    began = processor_seconds()
                    fits = carry_out(spec, frame, split, run, study)
                    self._keep(key, fits, processor_seconds() - began)
            return _fits(self.get(key), lambda: features.labeled(spec, frame))

        return fitted

    @contextmanager
    def _one_at_a_time(self, key: str) -> Iterator[None]:
        """Let one process carry out a fit: a second one would replace files that somebody reads."""
        folder = self.folder / key
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _keep(self, key: str, fits: Fits, cpu_seconds: float) -> None:
        again = fits.again
        served = again.served if again else fits.best
        stored = StoredFit(
            tuple(one.candidate if isinstance(one, Trained) else one for one in fits.results),
            fits.best,
            served,
            again.check if again else None,
            fits.seconds,
            cpu_seconds,
        )
        folder = self.folder / key
        names = {"best": fits.best} if served is fits.best else {"best": fits.best, "served": served}
        record = _Record(
            stored.candidates,
            fits.best.algorithm,
            stored.check,
            served is not fits.best,
            fits.seconds,
            cpu_seconds,
            {name: training.store_fit(folder / name, _files(one)) for name, one in names.items()},
        )
        body = json.dumps(to_json(record)).encode()
        fresh = folder / f".{RECORD}"
        fresh.write_bytes(body)
        fresh.replace(folder / RECORD)  # the last step: a fit that a kill cut short does not exist
        self._fits[key] = stored
        self.new[key] = cpu_seconds

    def _load(self, key: str) -> StoredFit:
        folder = self.folder / key
        try:
            record = from_json(_Record, json.loads((folder / RECORD).read_bytes()))
        except OSError as error:
            raise BundleError(f"the fit {folder} cannot be read: {error.strerror}") from error
        read = {
            name: _predictor(record.algorithm, training.read_fit(folder / name, hashes))
            for name, hashes in record.files.items()
        }
        best = read["best"]
        served = read.get("served", best)
        return StoredFit(record.candidates, best, served, record.check, record.seconds, record.cpu_seconds)


def _fits(stored: StoredFit, rows: Callable[[], pl.DataFrame]) -> Fits:
    again = None if stored.check is None else Refit(stored.served, rows(), stored.check)
    return Fits(stored.candidates, stored.best, again, stored.seconds)


def _files(predictor: BundlePredictor) -> dict[str, bytes]:
    files: dict[str, bytes] = dict(predictor.estimator.dump())
    files[PREPARATION] = json.dumps(to_json(predictor.preparation)).encode()
    if predictor.interval is not None:
        files[INTERVAL] = json.dumps(to_json(predictor.interval)).encode()
    return files


def _predictor(algorithm: str, files: dict[str, bytes]) -> BundlePredictor:
    preparation = from_json(features.Preparation, json.loads(files.pop(PREPARATION)))
    interval: Any = files.pop(INTERVAL, None)
    predictor = BundlePredictor(preparation, training.ALGORITHMS[algorithm].load(files, keep=True))
    return replace(predictor, interval=from_json(Interval, json.loads(interval))) if interval else predictor
