"""The fallback ladder of one model: champion, previous version, naive prediction, refusal; each row names its rung.

Comes in: the records of a request, cleaned. Goes out: the response of the champion, with other predictions in the rows
whose inputs fail or for which the champion has none. Only models whose file declares `serving.fallback` have a ladder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from mlops_assets.artifacts import Profile
from mlops_assets.errors import DataError
from mlops_assets.model_file import ModelSpec
from mlops_assets.serving import table
from mlops_assets.serving.errors import NoPredictionError, StaleHistoryError
from mlops_assets.serving.payload import Row
from mlops_assets.serving.step_downs import StepDowns
from mlops_assets.validation import SensorChecks, SensorFault

if TYPE_CHECKING:
    from mlops_assets.serving.served import Served

CHAMPION: Final = "champion"
CHAMPION_INPUT: Final = "the champion"
"""What fails where it is no input."""
PER_ROW: Final = ("predictions", "low", "high", "probabilities")


@dataclass(frozen=True, slots=True)
class Ladder:
    """What a champion steps down to.

    checks: of the inputs. profile: what training saw. previous: the version that a rollback would return to, if it can
    be loaded. steps: rows that stepped down, for the alert.
    """

    checks: SensorChecks
    profile: Profile
    previous: Served | None = None
    steps: StepDowns = field(default_factory=StepDowns)

    def respond(self, champion: Served, rows: Sequence[Row]) -> dict[str, Any]:
        """Return the response to a request: a prediction, a rung and, below the champion, a reason for every row.

        Args:
            champion: The champion, whose ladder this is.
            rows: Records of the request, cleaned.

        Returns:
            The response's document, with `rungs` and `reasons`; `versions` where the previous version predicts rows.

        Raises:
            DataError: A row gets no prediction on any rung, or cannot be read.
        """
        faults = [self.checks.faults(row) for row in rows]
        healthy = [index for index, row_faults in enumerate(faults) if not row_faults]
        documents: dict[int, dict[str, Any]] = {}
        head: dict[str, Any] = {}
        if healthy:
            head = self._champion(champion, rows, healthy, faults, documents)
        rungs = [CHAMPION] * len(rows)
        for index, one in enumerate(faults):
            if one:
                documents[index], rungs[index] = self._below(champion, rows[index], index + 1, one)
        return _merged(champion, head, [documents[index] for index in range(len(rows))], rungs, faults)

    def _champion(
        self,
        champion: Served,
        rows: Sequence[Row],
        indices: list[int],
        faults: list[list[SensorFault]],
        documents: dict[int, dict[str, Any]],
    ) -> dict[str, Any]:
        """Predict rows by the champion, one by one where together they fail; note what fails, and return a response."""
        when = champion.spec.serving.when
        try:
            response = champion.predict_rows([rows[index] for index in indices])
            for position, index in enumerate(indices):
                documents[index] = _row(response, position)
            return response
        except StaleHistoryError as error:
            if "late" not in when:
                raise
            failure = SensorFault(error.column, "late")
        except DataError as error:
            if not isinstance(error, NoPredictionError) or "failure" not in when:
                raise  # the caller's mistake is no failure of the champion
            failure = SensorFault(CHAMPION_INPUT, "failure")
        except Exception:
            if "failure" not in when:
                raise
            failure = SensorFault(CHAMPION_INPUT, "failure")
        if len(indices) == 1:
            faults[indices[0]].append(failure)
            return {}
        head: dict[str, Any] = {}
        for index in indices:
            head = self._champion(champion, rows, [index], faults, documents) or head
        return head

    def _below(
        self, champion: Served, row: Row, number: int, faults: Sequence[SensorFault]
    ) -> tuple[dict[str, Any], str]:
        """Return the prediction of the first rung below the champion that has one, and its name."""
        for rung in champion.spec.serving.fallback:
            prediction = None
            if rung == "previous":
                prediction = self._by_previous(champion, row, faults)
            elif rung == "naive":
                prediction = naive(champion, self.profile, row)
            if prediction is not None:
                return prediction, rung
        raise DataError(
            f"row {number}: {_sentence(faults)}, and no rung of serving.fallback "
            f"({', '.join(champion.spec.serving.fallback)}) has a prediction"
        )

    def _by_previous(
        self, champion: Served, row: Row, faults: Sequence[SensorFault]
    ) -> dict[str, Any] | None:
        """Return the prediction of the previous version, unless it needs what fails or predicts other classes."""
        previous = self.previous
        if previous is None or set(previous.predictor.classes) != set(champion.predictor.classes):
            return None
        if any(fault.column in previous.columns.needed for fault in faults):
            return None
        try:
            response = previous.predict_rows([row])
        except Exception:  # noqa: BLE001 a lower rung is there for whatever a higher one does
            return None
        return {**_row(response, 0), "version": previous.version}


def naive(champion: Served, profile: Profile, row: Row) -> dict[str, Any] | None:
    """Return the naive prediction of a row.

    Args:
        champion: The champion, with the readings it looks back at.
        profile: What training saw.
        row: The record.

    Returns:
        `prediction`, and `probabilities` for classes; None where nothing is known.
    """
    target = profile.target
    if champion.predictor.classes:
        if target is None or not set(target.values) <= set(champion.predictor.classes):
            return None
        shares = dict(zip(target.values, target.shares, strict=True))
        probabilities = [shares.get(name, 0.0) for name in champion.predictor.classes]
        return {
            "predictions": target.values[0],
            "probabilities": probabilities,
            "version": champion.version,
        }
    last = _last_known(champion, row)
    value = last if last is not None else target.mean if target is not None else None
    return None if value is None else {"predictions": value, "version": champion.version}


def _last_known(champion: Served, row: Row) -> float | None:
    """Return the newest value of the target before or, for a forecast, at the row's instant."""
    spec, recent = champion.spec, champion.history.recent
    sent = row.get(spec.target)
    if spec.problem == "forecasting" and isinstance(sent, int | float):
        return float(sent)
    if spec.timestamp is None or spec.target not in recent.columns or not recent.height:
        return None
    known = recent.filter(pl.col(spec.target).is_not_null())
    if spec.entity is not None:
        known = known.filter(pl.col(spec.entity).cast(pl.String) == str(row.get(spec.entity)))
    at = _instant(spec, row)
    if at is not None:
        known = known.filter(pl.col(spec.timestamp).cast(table.UTC_TIME) < at)
    return float(known.sort(spec.timestamp)[spec.target][-1]) if known.height else None


def _instant(spec: ModelSpec, row: Row) -> datetime | None:
    instants = table.instants(spec, [row])
    return None if instants is None else instants[0]


def _row(response: Mapping[str, Any], position: int) -> dict[str, Any]:
    """Return what a response says about one of its rows."""
    one = {name: response[name][position] for name in PER_ROW if name in response}
    if "history" in response:
        one["age_seconds"] = response["history"]["age_seconds"][position]
    return {**one, "classes": response.get("classes"), "version": response["version"]}


def _merged(
    champion: Served,
    head: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    rungs: Sequence[str],
    faults: Sequence[Sequence[SensorFault]],
) -> dict[str, Any]:
    """Return one response of all rows, in their order."""
    classes = list(champion.predictor.classes)
    document: dict[str, Any] = {
        "model": champion.spec.name,
        "version": champion.version,
        "revision": champion.revision,
        "algorithm": champion.predictor.algorithm,
        "predictions": [row["predictions"] for row in rows],
    }
    if any("low" in row for row in rows):
        document |= {side: [row.get(side) for row in rows] for side in ("low", "high")}
        document["level"] = champion.predictor.interval.level if champion.predictor.interval else None
    if classes:
        document["classes"] = classes
        document["probabilities"] = [_in_order(row, classes) for row in rows]
    if "history" in head:
        document["history"] = {
            **head["history"],
            "age_seconds": [row.get("age_seconds") for row in rows],
        }
    document["rungs"] = list(rungs)
    document["reasons"] = [_sentence(one) if one else None for one in faults]
    if any(rung == "previous" for rung in rungs):
        document["versions"] = [row["version"] for row in rows]
    return document


def _in_order(row: Mapping[str, Any], classes: Sequence[str]) -> list[float]:
    """Return the probabilities of a row in the champion's order of classes."""
    own = row.get("classes") or classes
    by_class = dict(zip(own, row["probabilities"], strict=True))
    return [by_class[name] for name in classes]


def _sentence(faults: Sequence[SensorFault]) -> str:
    sentences = {"failure": "the champion has no prediction", "late": "the newest reading before it is late"}
    return ", ".join(sentences.get(fault.condition, fault.sentence) for fault in faults)
