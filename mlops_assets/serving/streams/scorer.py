"""One message of a stream: its prediction by the champion, or the reason why there is none.

Comes in: the body of a message: one reading as a JSON object, or what `POST /predict` takes. Goes out: a `Scored`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from pydantic_core import from_json
from starlette.exceptions import HTTPException

from mlops_assets.errors import DataError
from mlops_assets.ledger import ServedPrediction
from mlops_assets.serving.guard import MAX_BODY
from mlops_assets.serving.payload import Row, decode, parse, records
from mlops_assets.serving.prediction_log import Entry, served_rows
from mlops_assets.serving.routes import predict_rows, readable
from mlops_assets.serving.served import Served
from mlops_assets.serving.split import Split

_LOGGER: Final = logging.getLogger(__name__)


class Champions(Protocol):
    """The champions that serve."""

    def served(self, model: str) -> Served | None:
        """Return the champion of a model.

        Args:
            model: Name of the model.

        Returns:
            The champion; None while there is none that serves.
        """


class Rollouts(Protocol):
    """The roll-outs under way."""

    def split(self, model: str) -> Split | None:
        """Return the roll-out of a model.

        Args:
            model: Name of the model.

        Returns:
            The roll-out; None for none.
        """

    def note(self, split: Split, version: Served, rows: Sequence[Row], prediction_id: str) -> None:
        """Queue rows for the prediction of the version that did not serve them.

        Args:
            split: The roll-out.
            version: The version that served.
            rows: The records.
            prediction_id: Id of the prediction.
        """


@dataclass(frozen=True, slots=True)
class Source:
    """Where a message stands in its topic."""

    topic: str
    partition: int
    offset: int

    @property
    def text(self) -> str:
        """The position as a header of the output has it."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def prediction_id(self, group: str) -> str:
        """Return the id of the message's prediction: the same however often the message comes.

        Args:
            group: The consumer group.

        Returns:
            28 hexadecimal digits.
        """
        return hashlib.sha256(f"{group}/{self.text}".encode()).hexdigest()[:28]


@dataclass(frozen=True, slots=True)
class Scored:
    """The document of a prediction, or the reason why there is none. rows: of the prediction log."""

    document: dict[str, Any] | None = None
    reason: str = ""
    rows: tuple[ServedPrediction, ...] = ()


class NotReadyError(Exception):
    """The model has no champion that serves."""


class Scorer:
    """Predicts messages as the prediction API predicts requests.

    Args:
        model: Name of the model.
        champions: The champions, which follow the ledger.
        rollouts: The roll-outs under way; None for none.
    """

    def __init__(self, model: str, champions: Champions, rollouts: Rollouts | None = None) -> None:
        self._model, self._champions, self._rollouts = model, champions, rollouts

    @property
    def is_ready(self) -> bool:
        """Return whether the model has a champion that serves."""
        return self._champions.served(self._model) is not None

    def score(self, body: bytes, key: bytes | None, prediction_id: str) -> Scored:
        """Predict a message; whatever is wrong with it is the reason of a dead letter, never an error.

        Args:
            body: The message.
            key: Its key, by which a roll-out chooses the version; None: as for a request without one.
            prediction_id: Id of the prediction.

        Returns:
            The prediction, or the reason.

        Raises:
            NotReadyError: The model has no champion at present.
        """
        served = self._served()
        split = None if self._rollouts is None else self._rollouts.split(self._model)
        try:
            rows, document, version = readable(lambda: predict_rows(served, split, _rows(served, body), key))
        except HTTPException as error:
            return Scored(reason=error.detail)
        except Exception as error:  # a message that no code expects must not stop those behind it
            _LOGGER.exception("a message cannot be predicted")
            return Scored(reason=f"{type(error).__name__}: {error}")
        document = {"id": prediction_id, **document}
        if split is not None and self._rollouts is not None:
            self._rollouts.note(split, version, rows, prediction_id)
        return _logged(version, rows, document)

    def repeat(self, body: bytes, written: bytes) -> Scored:
        """Return the prediction of a message that is in the output topic already, for the prediction log.

        Args:
            body: The message.
            written: Its prediction in the output topic.

        Returns:
            The prediction, by the version that made it; nothing where the log cannot have it any more.

        Raises:
            NotReadyError: The model has no champion at present.
        """
        served = self._served()
        try:
            return _repeated(served, body, from_json(written))
        except Exception:  # it is in the output, and must not stop the messages behind it
            _LOGGER.exception("a prediction of the output topic cannot be logged")
            return Scored()

    def _served(self) -> Served:
        served = self._champions.served(self._model)
        if served is None:
            raise NotReadyError
        return served


def _repeated(served: Served, body: bytes, document: dict[str, Any]) -> Scored:
    """Return a prediction that was made before, with the rows of the log."""
    try:
        rows, _, _ = readable(lambda: predict_rows(served, None, _rows(served, body), None))
    except HTTPException:  # another version predicted it, and the present one refuses it
        rows = readable(lambda: _rows(served, body))
    scored = _logged(served, rows, document)
    made = {"revision": document["revision"]}
    if "versions" not in document:  # of the rows, where a ladder of fallbacks predicted
        made["version"] = document["version"]
    return replace(scored, rows=tuple(row._replace(**made) for row in scored.rows))


def _logged(version: Served, rows: Sequence[Row], document: dict[str, Any]) -> Scored:
    try:
        logged = tuple(served_rows(Entry(version, rows, document, datetime.now(UTC))))
    except Exception:  # the prediction is good, whatever the log cannot store
        _LOGGER.exception("a prediction cannot be logged")
        logged = ()
    return Scored(document, rows=logged)


def _rows(served: Served, body: bytes) -> list[Row]:
    """Return the records of a message: one reading, or the body of a request."""
    if len(body) > MAX_BODY:
        raise DataError(f"the message is larger than {MAX_BODY:,} bytes")
    document = parse(body)
    if isinstance(document, dict) and not document.keys() & {"readings", "features"}:
        return records([document], "readings")
    return decode(body, served.columns.needed)
