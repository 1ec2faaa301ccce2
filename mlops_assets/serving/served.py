"""One champion, ready: the model file as trained, the predictor, and the readings that features look back at."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets import evaluation, features, training
from mlops_assets.artifacts import Bounds, FeatureMatrix
from mlops_assets.errors import DataError
from mlops_assets.features.columns import arithmetic, computed_names, source_names
from mlops_assets.features.kinds.kind import Role
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.model_file import ModelSpec
from mlops_assets.serving import table
from mlops_assets.serving.cleaning import clean_rows
from mlops_assets.serving.direct import DirectPath
from mlops_assets.serving.errors import NoPredictionError
from mlops_assets.serving.fallback import Ladder
from mlops_assets.serving.history import History, refuse_stale
from mlops_assets.serving.payload import Row, shorten

MOST_EXPLAINED: Final = 10
EXPLANATION_SECONDS: Final = 10.0
"""Time that the SHAP values of a request may take, where they are estimated."""
_NO_COLUMNS: Final = pl.DataFrame()


@dataclass(frozen=True)
class Served:
    """A champion that makes predictions.

    extra: columns of its data that it does not look at. since: when it became champion. gates: the verdict of each gate
    in the evidence that it was promoted on. direct: the path for a few rows without a data frame, where there is one.
    sample: rows of the bundle, which explanations compare with. ladder: what it steps down to, where the model file
    declares a fallback.
    """

    spec: ModelSpec
    version: int
    revision: int
    predictor: BundlePredictor
    history: History
    extra: frozenset[str] = frozenset()
    since: datetime | None = None
    gates: Mapping[str, str] = field(default_factory=dict)
    direct: DirectPath | None = None
    sample: FeatureMatrix | None = None
    ladder: Ladder | None = None

    @cached_property
    def columns(self) -> table.Columns:
        """Return the columns of a request."""
        spec, preparation = self.spec, self.predictor.preparation
        computed = {name for role in get_args(Role) for name in computed_names(spec, role)}
        target = (spec.target,) if spec.problem == "forecasting" else ()
        keys = tuple(name for name in (spec.timestamp, spec.entity) if name is not None)
        inputs = (name for name in preparation.inputs if name not in computed)
        needed = tuple(dict.fromkeys([*keys, *target, *source_names(spec), *inputs]))
        groups = {group.by for group in preparation.groups} | {group.by for group in spec.features.grouped}
        # a dropped column enters no matrix: its values may be of any type
        text = {category.name for category in preparation.categories} | groups
        text |= set(preparation.dropped) - arithmetic(spec)
        others = {spec.target, *spec.features.exclude, *spec.evaluation.slices, *spec.evaluation.sensitive}
        others |= {name for name in (spec.split.group,) if name is not None}
        ignored = (self.extra | others) - set(needed) - computed
        entity = self.history.recent.schema.get(spec.entity or "", pl.String())
        return table.Columns(needed, frozenset(text) - set(keys), frozenset(ignored), entity)

    def describe(self) -> dict[str, Any]:
        """Return what a caller may want to know about the champion, as a JSON document."""
        interval = self.predictor.interval
        return {
            "model": self.spec.name,
            "description": self.spec.description,
            "owners": list(self.spec.owners),
            "problem": self.spec.problem,
            "version": self.version,
            "revision": self.revision,
            "since": self.since.isoformat() if self.since else None,
            "algorithm": self.predictor.algorithm,
            "columns": list(self.columns.needed),
            "text_columns": sorted(self.columns.as_text(self.spec)),
            "classes": list(self.predictor.classes),
            "runtime": self.direct.runtime if self.direct else "data frame",
            "interval_level": interval.level if interval else None,
            "gates": dict(self.gates),
        }

    @property
    def is_quick(self) -> bool:
        """Return whether a few rows take so little time that other requests may wait for them."""
        return self.direct is not None and self.direct.is_quick

    def respond(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the predictions for a request's records; see `predict`.

        Args:
            rows: Records of the request.

        Returns:
            The response's document; with a ladder it names the rung of each row.
        """
        rows = clean_rows(self.spec.repairs, rows)
        return self.predict_rows(rows) if self.ladder is None else self.ladder.respond(self, rows)

    def predict_rows(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the champion's own predictions for cleaned records; see `predict`.

        Args:
            rows: Records, cleaned.

        Returns:
            The response's document.
        """
        if self.direct is None:
            return self.predict(table.frame(self.spec, self.columns, rows))
        if len(rows) == 1 and (one := self.direct.predict_one(rows[0])) is not None:
            document = self._document_of_one(one)
            if document is not None:
                return document
        if (made := self.direct.predict(rows)) is not None:
            predictions, probabilities = made
            bounds = self.predictor.bounds(_NO_COLUMNS, predictions)
            # finite before the target's scale was undone; with classes there are no bounds
            if bounds is None or all(map(math.isfinite, predictions.tolist())):
                return self._document(predictions, bounds, probabilities)
        return self.predict(table.frame(self.spec, self.columns, rows))

    def explain(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Return why the predictions of some records are what they are, as a JSON document.

        Args:
            rows: The records.

        Returns:
            Model, version, revision, the method, and per row the base and the features in the order of their influence:
            name, value and SHAP value.

        Raises:
            DataError: As `predict`.
        """
        if len(rows) > MOST_EXPLAINED:
            raise DataError(f"{len(rows)} rows; send at most {MOST_EXPLAINED} to be explained at a time")
        frame = table.frame(self.spec, self.columns, clean_rows(self.spec.repairs, rows))
        frame = features.online(self.spec, self.history.before(self.spec, frame), frame)
        background = self.predictor.matrix(frame) if self.sample is None else self.sample
        end = time.monotonic() + EXPLANATION_SECONDS
        shap = evaluation.explain_rows(
            self.spec, self.predictor, frame, background, lambda: end - time.monotonic()
        )
        explanations = []
        for base, inputs, values in zip(shap.base, shap.inputs, shap.values, strict=True):
            known = [None if value != value else value for value in inputs.tolist()]
            influence = sorted(
                zip(shap.names, known, values.tolist(), strict=True), key=lambda one: -abs(one[2])
            )
            explanations.append(
                {
                    "base": float(base),
                    "features": [
                        {"name": name, "value": value, "shap": number} for name, value, number in influence
                    ],
                }
            )
        return {
            "model": self.spec.name,
            "version": self.version,
            "revision": self.revision,
            "method": shap.method,
            "explanations": explanations,
        }

    def predict(self, rows: pl.DataFrame) -> dict[str, Any]:
        """Return predictions for new readings, in their order, with version, interval and age of the history.

        Args:
            rows: One reading per row, typed.

        Returns:
            A JSON document. Numbers have the bounds between which the truth lies with the probability `level`, where
            the model has an interval; classes have probabilities. `history` says which stored data was looked back at
            and how many seconds before each row its newest reading lies.

        Raises:
            DataError: A column is missing, a row stands twice with different values, the history is older than the
                model file allows, or no finite prediction comes out.
        """
        rows, indices = self._without_repetition(rows)
        readings = self.history.before(self.spec, rows)
        ages = self.history.ages(self.spec, readings, rows)
        refuse_stale(self.spec, ages)
        frame = features.online(self.spec, readings, rows)
        predictions = self.predictor.predict(frame)
        bounds = self.predictor.bounds(frame, predictions)
        probabilities = self.predictor.probabilities(frame)
        self._require_finite(rows, predictions, probabilities)
        document = self._document(predictions, bounds, probabilities, indices)
        if self.history.table is not None:
            document["history"] = {
                "table_version": self.history.table.version,
                "age_seconds": _repeated(ages, indices),
            }
        return document

    def _document_of_one(self, prediction: float) -> dict[str, Any] | None:
        """Return the response to one row, as `_document` does; None where the bounds need more than the number."""
        document: dict[str, Any] = {
            "model": self.spec.name,
            "version": self.version,
            "revision": self.revision,
            "algorithm": self.predictor.algorithm,
            "predictions": [prediction],
        }
        if (interval := self.predictor.interval) is not None:
            sides = training.bounds_of_one(interval, prediction)
            if sides is None:
                return None
            document["low"], document["high"], document["level"] = [sides[0]], [sides[1]], interval.level
        return document

    def _document(
        self,
        predictions: NDArray[Any],
        bounds: Bounds | None,
        probabilities: NDArray[np.float64] | None,
        indices: Sequence[int] | None = None,
    ) -> dict[str, Any]:
        """Return the response; indices: which of the predicted rows each row of the request is, None for its own."""
        document: dict[str, Any] = {
            "model": self.spec.name,
            "version": self.version,
            "revision": self.revision,
            "algorithm": self.predictor.algorithm,
            "predictions": _repeated(predictions.tolist(), indices),
        }
        if bounds is not None:
            for name, side in (("low", bounds.low), ("high", bounds.high)):
                values = [None if value != value else value for value in side.tolist()]
                document[name] = _repeated(values, indices)
            document["level"] = bounds.level
        if probabilities is not None:
            document["classes"] = list(self.predictor.classes)
            document["probabilities"] = _repeated(probabilities.tolist(), indices)
        return document

    def _without_repetition(self, rows: pl.DataFrame) -> tuple[pl.DataFrame, list[int]]:
        """Return each reading once, and per row of the request which of them it is.

        Training has one reading per entity and instant. The same reading sent twice gets the same prediction twice; two
        different readings of one entity and instant are refused.
        """
        keys = [name for name in (self.spec.entity, self.spec.timestamp) if name in rows.columns]
        if self.spec.timestamp is None or not rows.select(pl.struct(keys).is_duplicated().any()).item():
            return rows, list(range(rows.height))
        once = rows.unique(maintain_order=True, keep="first")
        differing = once.with_row_index("__row").filter(pl.struct(keys).is_duplicated())
        if differing.height:
            key = differing.select(keys).row(0)
            same = rows.select(pl.struct(keys).alias("key")).with_row_index("number", offset=1)
            numbers = [
                row["number"] for row in same.iter_rows(named=True) if tuple(row["key"].values()) == key
            ]
            raise DataError(
                f"rows {numbers[0]} and {numbers[1]} are different readings of one instant "
                f"({shorten(', '.join(str(value) for value in key), quote=False)}); send one of them"
            )
        indexed = once.with_row_index("__index")
        matched = rows.join(indexed, on=rows.columns, how="left", nulls_equal=True, maintain_order="left")
        return once, matched["__index"].to_list()

    def _require_finite(self, rows: pl.DataFrame, predictions: Any, probabilities: Any) -> None:
        numeric = np.asarray(predictions).dtype.kind == "f"
        wrong = ~np.isfinite(np.asarray(predictions)) if numeric else np.zeros(len(predictions), dtype=bool)
        if probabilities is not None:
            wrong |= ~np.isfinite(probabilities).all(axis=1)
        if not wrong.any():
            return
        number = int(np.flatnonzero(wrong)[0])
        values = [
            (name, value)
            for name, value in rows.row(number, named=True).items()
            if isinstance(value, float | int) and name not in (self.spec.timestamp, self.spec.entity)
        ]
        name, value = max(values, key=lambda pair: abs(pair[1]), default=("", 0.0))
        raise NoPredictionError(
            f"row {number + 1}, column {name!r}: the model has no finite prediction for this row; its largest value is "
            f"{value:g}"
        )


def _repeated(values: list[Any], indices: Iterable[int] | None) -> list[Any]:
    return values if indices is None else [values[index] for index in indices]
