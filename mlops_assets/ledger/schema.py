"""The ledger's tables as SQLAlchemy sees them. The migrations build them; a test keeps the two equal.

Evidence and records are `json`, not `jsonb`: jsonb rewrites numbers (1e22, -0.0), and then the text no longer
has the hash it was stored under.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData()


def _text(name: str, *args: Any, **kwargs: Any) -> Column[str]:
    return Column(name, Text, *args, nullable=False, **kwargs)


def _time(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


model_versions = Table(
    "model_versions",
    metadata,
    _text("model"),
    Column("version", Integer, nullable=False),
    _text("status"),
    _time("created_at"),
    Column("mlflow_run_id", Text),
    Column("bundle_path", Text),
    Column("manifest_sha256", Text),
    Column("data_versions", JSONB, nullable=False),
    Column("code_commit", Text),
    Column("seed", BigInteger),
    PrimaryKeyConstraint("model", "version"),
    Index("model_versions_one_champion", "model", unique=True, postgresql_where=text("status = 'champion'")),
)

evidence = Table(
    "evidence",
    metadata,
    Column("hash", Text, primary_key=True),
    _text("model"),
    Column("version", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    _time("at"),
    ForeignKeyConstraint(["model", "version"], ["model_versions.model", "model_versions.version"]),
    Index("evidence_by_version", "model", "version"),
)

champion = Table(
    "champion",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Integer),
    Column("revision", Integer, nullable=False),
    Column("evidence_hash", Text, ForeignKey("evidence.hash")),
    _time("since"),
    ForeignKeyConstraint(["model", "version"], ["model_versions.model", "model_versions.version"]),
)

history = Table(
    "history",
    metadata,
    _id(),
    _text("model"),
    _time("at"),
    _text("actor"),
    _text("action"),
    Column("from_version", Integer),
    Column("to_version", Integer),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("evidence_hash", Text, ForeignKey("evidence.hash")),
    _text("reason"),
    ForeignKeyConstraint(["model", "version"], ["model_versions.model", "model_versions.version"]),
    Index("history_by_model", "model", "id"),
    Index(
        "history_one_move_per_revision",
        "model",
        "revision",
        unique=True,
        postgresql_where=text("action in ('promoted', 'rolled_back', 'retired')"),
    ),
    Index(
        "history_one_promotion_per_evidence",
        "evidence_hash",
        unique=True,
        postgresql_where=text("action = 'promoted'"),
    ),
)

asset_records = Table(
    "asset_records",
    metadata,
    _text("asset"),
    _text("run_id"),
    Column("body", JSON, nullable=False),
    _time("at"),
    PrimaryKeyConstraint("asset", "run_id"),
    Index("asset_records_latest", "asset", "at"),
)

retrain_requests = Table(
    "retrain_requests",
    metadata,
    _id(),
    _text("model"),
    _text("key"),
    _text("cause"),
    Column("detail", JSON, nullable=False),
    _time("requested_at"),
    _text("state"),
    Column("run_id", Text),
    _time("finished_at", nullable=True),
    UniqueConstraint("model", "key"),
    Index(
        "retrain_requests_one_in_flight",
        "model",
        unique=True,
        postgresql_where=text("state in ('open', 'running')"),
    ),
)

signals = Table(
    "signals",
    metadata,
    _id(),
    _text("model"),
    _text("cause"),
    _text("subject"),
    _time("at"),
    Column("active", Boolean, nullable=False),
    Column("body", JSON, nullable=False),
    _time("recorded_at"),
    UniqueConstraint("model", "cause", "subject", "at"),
    Index("signals_newest", "model", "cause", "at"),
)

retrain_decisions = Table(
    "retrain_decisions",
    metadata,
    _id(),
    _text("model"),
    _time("at"),
    _text("verdict"),
    _text("rule"),
    _text("reason"),
    Column("signals", JSON, nullable=False),
    Column("request_key", Text),
    _time("until", nullable=True),
    Index("retrain_decisions_by_model", "model", "id"),
)

alerts = Table(
    "alerts",
    metadata,
    _id(),
    _text("key", unique=True),
    Column("model", Text),
    _text("kind"),
    _text("severity"),
    _text("message"),
    _time("at"),
    _time("acknowledged_at", nullable=True),
    Column("acknowledged_by", Text),
    _text("group_key"),
    _time("closed_at", nullable=True),
    _text("delivery", server_default=text("'pending'")),
    _time("claimed_at", nullable=True),
    Column("notify", JSON(none_as_null=True)),
    Index("alerts_by_group", "group_key", "at"),
    Index("alerts_waiting", "at", postgresql_where=text("delivery in ('pending', 'sending')")),
)

alerts_log = Table(
    "alerts_log",
    metadata,
    _id(),
    _text("key", unique=True),
    _text("model"),
    _text("entity"),
    _text("flag"),
    _time("started_at"),
    _time("ended_at"),
    Column("readings", Integer, nullable=False),
    _text("message"),
    _text("severity", server_default=text("'warning'")),
    _time("closed_at", nullable=True),
    Column("times", Integer, nullable=False, server_default=text("1")),
    Index("alerts_log_by_model", "model", "started_at"),
    Index("alerts_log_open", "model", postgresql_where=text("closed_at is null")),
)

model_performance = Table(
    "model_performance",
    metadata,
    _text("model"),
    Column("version", Integer, nullable=False),
    _time("at"),
    Column("week", Date, Computed("date_trunc('week', at at time zone 'UTC')::date", persisted=True)),
    _text("metric"),
    _text("split"),
    Column("value", Double, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("window_seconds", BigInteger, nullable=False, server_default=text("0")),
    Column("restatement", Integer, nullable=False, server_default=text("0")),
    _text("state", server_default=text("'mature'")),
    _time("measured_at", nullable=True),
    PrimaryKeyConstraint("model", "version", "metric", "split", "at", "window_seconds", "restatement"),
)

predictions = Table(
    "predictions",
    metadata,
    _text("model"),
    Column("version", Integer, nullable=False),
    _text("entity"),
    _time("at"),
    _time("predicted_at"),
    Column("value", Double),
    Column("label", Text),
    Column("occurrence", Integer, nullable=False, server_default=text("0")),
    Column("low", Double),
    Column("high", Double),
    PrimaryKeyConstraint("model", "at", "entity", "version", "occurrence"),
)

watermarks = Table(
    "watermarks",
    metadata,
    _text("model"),
    _text("source"),
    _text("value"),
    _time("at"),
    PrimaryKeyConstraint("model", "source"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("evidence_hash", Text, ForeignKey("evidence.hash"), primary_key=True),
    _text("verdict"),
    _text("actor"),
    _text("comment"),
    _time("at"),
    _time("expires_at", nullable=True),
)

waivers = Table(
    "waivers",
    metadata,
    _id(),
    _text("model"),
    _text("gate"),
    _text("owner"),
    _text("reason"),
    _time("at"),
    _time("expires_at"),
    Column("actor", Text),
    Column("uid", BigInteger),
    Index("waivers_by_model", "model", "gate"),
)

served_predictions = Table(
    "served_predictions",
    metadata,
    _text("id"),
    Column("row", Integer, nullable=False),
    _text("model"),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    _text("entity"),
    _time("at"),
    _time("predicted_at"),
    Column("value", Double),
    Column("low", Double),
    Column("high", Double),
    Column("label", Text),
    Column("readings", JSON, nullable=False),
    Column("history_version", BigInteger),
    Column("rung", Text),
    PrimaryKeyConstraint("id", "row"),
    Index("served_predictions_by_time", "model", "predicted_at"),
    Index("served_predictions_by_entity", "model", "entity", "at"),
)

posted_labels = Table(
    "posted_labels",
    metadata,
    _text("model"),
    _text("prediction_id"),
    Column("row", Integer, nullable=False),
    _text("value"),
    _time("received_at"),
    PrimaryKeyConstraint("model", "prediction_id", "row", "received_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    _text("hash", unique=True),
    _text("owner"),
    _text("role"),
    _time("created_at"),
    _text("created_by"),
    _time("expires_at", nullable=True),
    _time("revoked_at", nullable=True),
    Column("per_minute", Integer),
)

rollouts = Table(
    "rollouts",
    metadata,
    _id(),
    _text("model"),
    Column("version", Integer, nullable=False),
    Column("champion_version", Integer, nullable=False),
    Column("base_revision", Integer, nullable=False),
    _text("evidence_hash", ForeignKey("evidence.hash")),
    Column("plan", JSON, nullable=False),
    _text("state"),
    Column("step", Integer, nullable=False),
    Column("sequence", Integer, nullable=False),
    _time("started_at"),
    _time("step_since"),
    _text("actor"),
    _text("reason"),
    ForeignKeyConstraint(["model", "version"], ["model_versions.model", "model_versions.version"]),
    ForeignKeyConstraint(["model", "champion_version"], ["model_versions.model", "model_versions.version"]),
    Index(
        "rollouts_one_active",
        "model",
        unique=True,
        postgresql_where=text("state in ('running', 'paused', 'switched')"),
    ),
    Index("rollouts_one_per_evidence", "evidence_hash", unique=True),
)

rollout_events = Table(
    "rollout_events",
    metadata,
    Column("rollout_id", BigInteger, ForeignKey("rollouts.id"), nullable=False),
    Column("sequence", Integer, nullable=False),
    _time("at"),
    _text("actor"),
    _text("state"),
    Column("step", Integer, nullable=False),
    _text("reason"),
    PrimaryKeyConstraint("rollout_id", "sequence"),
)

rollout_observations = Table(
    "rollout_observations",
    metadata,
    Column("rollout_id", BigInteger, ForeignKey("rollouts.id"), nullable=False),
    _text("process"),
    Column("step", Integer, nullable=False),
    _text("arm"),
    Column("requests", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("latencies", JSON, nullable=False),
    Column("loaded", Boolean, nullable=False),
    Column("problem", Text),
    _time("at"),
    PrimaryKeyConstraint("rollout_id", "process", "step", "arm"),
)

shadow_predictions = Table(
    "shadow_predictions",
    metadata,
    _text("id"),
    Column("row", Integer, nullable=False),
    _text("model"),
    Column("version", Integer, nullable=False),
    _time("predicted_at"),
    Column("value", Double),
    Column("label", Text),
    PrimaryKeyConstraint("id", "row", "version"),
    Index("shadow_predictions_by_version", "model", "version", "predicted_at"),
)

platform_samples = Table(
    "platform_samples",
    metadata,
    _text("metric"),
    _text("label"),
    Column("slot", Integer, nullable=False),
    _time("at"),
    Column("value", Double, nullable=False),
    PrimaryKeyConstraint("metric", "label", "slot"),
    Index("platform_samples_by_time", "at"),
)

healing_actions = Table(
    "healing_actions",
    metadata,
    _id(),
    _time("at"),
    _text("component"),
    _text("remedy"),
    _text("step"),
    _text("sentence"),
    Column("reasons", JSON, nullable=False),
    Column("helped", Boolean),
    _time("verified_at", nullable=True),
    Index("healing_actions_by_time", "at"),
)
