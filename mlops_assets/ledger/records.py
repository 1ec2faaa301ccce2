"""What the ledger hands out: frozen records, one per kind of row. No behavior, no SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from mlops_assets.artifacts.performance import Maturity

Status = Literal["challenger", "champion", "archived", "refused"]
Action = Literal["promoted", "kept", "refused", "rolled_back", "retired"]
RequestState = Literal["open", "running", "done", "failed", "dropped"]
Verdict = Literal["approve", "reject", "defer"]
KeyRole = Literal["predict", "read", "operate"]
Delivery = Literal["pending", "sending", "sent", "grouped", "no_address", "expired"]


@dataclass(frozen=True, slots=True)
class Champion:
    """The version in production. `revision` counts every move of this model's champion, retirement included."""

    model: str
    version: int
    revision: int
    evidence_hash: str
    since: datetime


@dataclass(frozen=True, slots=True)
class ChampionState:
    """The champion, or None, and the revision that a promotion must name as expected, read in one transaction.

    0 means the model never had a champion. A retired model has no champion and a revision above 0.
    """

    model: str
    revision: int
    champion: Champion | None


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of the append-only history.

    `version` is what the line is about; from_version and to_version are the champion before and after. kept
    and refused move nothing: both are the current champion, or None.
    """

    id: int
    model: str
    at: datetime
    actor: str
    action: Action
    from_version: int | None
    to_version: int | None
    version: int
    revision: int
    evidence_hash: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One trained model, never deleted. `bundle_path` and `manifest_sha256` are None until the bundle is recorded."""

    model: str
    version: int
    status: Status
    created_at: datetime
    mlflow_run_id: str | None
    bundle_path: str | None
    manifest_sha256: str | None
    data_versions: Mapping[str, Any]
    code_commit: str | None
    seed: int | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """A recorded evidence body, checked against its hash when read."""

    hash: str
    model: str
    version: int
    body: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class RetrainRequest:
    """A reasoned request to retrain; `key` makes the same cause count once per model."""

    id: int
    model: str
    key: str
    cause: str
    detail: Mapping[str, Any]
    requested_at: datetime
    state: RequestState
    run_id: str | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert recorded once per key. It is open until somebody acknowledges it or its cause ends (`closed_at`).

    group: alerts of one group are one event that repeats. delivery: pending until somebody received it, expired when
    nobody could be reached for a day. notify: environment variables with addresses; None for those of its kind.
    """

    id: int
    key: str
    model: str | None
    kind: str
    severity: str
    message: str
    at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    group: str
    closed_at: datetime | None
    delivery: Delivery
    notify: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert to record. notify: environment variables with addresses; None for those of its kind."""

    key: str
    model: str | None
    kind: str
    severity: str
    message: str
    group: str
    notify: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class SensorAlert:
    """A line of `alerts_log`: a rule was true for one entity from `started_at` to `ended_at`.

    flag: name of the rule. closed_at: the reading that ended it; None while it lasts. times: how often it was true with
    short interruptions.
    """

    key: str
    model: str
    entity: str
    flag: str
    started_at: datetime
    ended_at: datetime
    readings: int
    message: str
    severity: str = "warning"
    closed_at: datetime | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Performance:
    """One metric of one version over `rows` rows of `split`. `week` is the Monday (UTC) of `at`.

    window: length of the window that ends at `at`; zero on the holdout. measured_at: instant of the report; None where
    a value is recorded once and for all. restatement: how many values of the same window were recorded before.
    """

    model: str
    version: int
    at: datetime
    metric: str
    split: str
    value: float
    rows: int
    window: timedelta = timedelta(0)
    state: Maturity = "mature"
    measured_at: datetime | None = None
    restatement: int = 0
    week: date | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's verdict on one evidence hash; one per hash, never changed."""

    evidence_hash: str
    verdict: Verdict
    actor: str
    comment: str
    at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Waiver:
    """A gate set aside for a model by an owner, with a reason, until `expires_at`.

    actor and uid: the user who recorded it; None for waivers of earlier releases.
    """

    id: int
    model: str
    gate: str
    owner: str
    reason: str
    at: datetime
    expires_at: datetime
    actor: str | None = None
    uid: int | None = None


class ServedPrediction(NamedTuple):
    """One row of a prediction that the API made; a tuple, which takes a fifth of a frozen dataclass's time to make.

    Attributes:
        id: Of the request; with the row, from 1, it identifies the prediction.
        entity: What the row is about, '' without entities.
        at: The instant that is predicted; without a timestamp the time of the prediction.
        value: The number, or the probability of the class `label`.
        low: Lower bound of the interval, None where there is none.
        high: Upper bound.
        readings: The values as they were sent, by column.
        history_version: Version of the stored readings that features looked back at.
        rung: Rung of the fallback ladder that made it; None for a model without a ladder.
    """

    id: str
    row: int
    model: str
    version: int
    revision: int
    entity: str
    at: datetime
    predicted_at: datetime
    value: float | None
    low: float | None
    high: float | None
    label: str | None
    readings: Mapping[str, Any]
    history_version: int | None = None
    rung: str | None = None


@dataclass(frozen=True, slots=True)
class PostedLabel:
    """The truth about a prediction, as text, posted later."""

    prediction_id: str
    row: int
    value: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of the prediction API, without the key: `hash` is the sha256 of the whole text.

    Attributes:
        id: The public part of the key, which commands and messages name.
        role: What it may do: predict, read, or operate (everything).
        per_minute: Requests per minute and process; None for no limit.
    """

    id: str
    hash: str
    owner: str
    role: KeyRole
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    per_minute: int | None
