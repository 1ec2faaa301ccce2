"""The SQL behind the metrics: each query fills the families that it names, one series per row.

A query reads through an index or a small table, so that its cost follows the number of models and not the age of the
platform. What changes slowly is read less often (`every`). A number that is missing or not finite has no series: an
alert on its absence fires, a comparison with it does not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Literal

from mlops_assets.artifacts.rollouts import ACTIVE
from mlops_assets.model_file.rollout import STEPS
from mlops_assets.operations.exporter import families
from mlops_assets.operations.exporter.families import Family

Database = Literal["ledger", "dagster"]


@dataclass(frozen=True, slots=True)
class Query:
    """A source of metrics. every: seconds for which its rows are kept."""

    name: str
    database: Database
    families: tuple[Family, ...]
    every: float
    sql: str


def _newest(asset: str) -> str:
    """Return the join of every model that has a champion with the newest record of one of its assets."""
    return f"""champion c cross join lateral (
        select body, at as recorded from asset_records
        where asset = c.model || '/{asset}' order by at desc limit 1) r"""  # noqa: S608 - our own constant


LARGE_TABLES: Final = """
    select relname as table, pg_total_relation_size(oid) as value from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace order by relpages desc limit 10
"""
QUERIES: Final = (
    Query(
        "champions",
        "ledger",
        families.CHAMPIONS,
        10,
        """
        select c.model, c.version::text as version, c.revision, extract(epoch from c.since) as since,
            (select extract(epoch from max(h.at)) from history h
                where h.model = c.model and h.action in ('promoted', 'kept')) as compared,
            (select extract(epoch from max(p.at)) from predictions p where p.model = c.model) as predicted
        from champion c where c.version is not null
        """,
    ),
    Query(
        "versions",
        "ledger",
        families.VERSIONS,
        60,
        "select model, status, count(*) as value from model_versions group by model, status",
    ),
    Query(
        "gates",
        "ledger",
        families.GATES,
        300,
        """
        select e.model, g->>'verdict' as verdict, count(*) as value
        from (select distinct model from model_versions) m cross join lateral (
            select model, body from evidence where model = m.model order by version desc, at desc limit 1) e
        cross join lateral json_array_elements(e.body->'gates') g
        group by 1, 2
        """,
    ),
    Query(
        "performance",
        "ledger",
        families.PERFORMANCE,
        60,
        f"""
        select c.model, body->>'level' as level, body->>'primary' as metric,
            extract(epoch from (body->>'as_of')::timestamptz) as at,
            body->'baseline' as baseline, body->'rise' as rise,
            (select w->'metrics'->(body->>'primary') from json_array_elements(body->'windows') w
                where w->>'state' <> 'provisional' limit 1) as error,
            (body->'windows'->0->>'labelled')::float / nullif((body->'windows'->0->>'predictions')::float, 0)
                as maturity
        from {_newest("performance_report")}
        """,  # noqa: S608
    ),
    Query(
        "drift",
        "ledger",
        families.DRIFT,
        60,
        f"""
        select c.model, body->>'level' as level, body->'mean_value' as mean, body->'drifted_share' as share,
            extract(epoch from (body->>'as_of')::timestamptz) as at
        from {_newest("drift_report")}
        """,  # noqa: S608
    ),
    Query(
        "feature_drift",
        "ledger",
        families.FEATURE_DRIFT,
        300,
        f"""
        select model, feature, method, value from (
            select c.model, f->>'feature' as feature, f->>'method' as method,
                f->'statistics'->(f->>'method')->'value' as value,
                row_number() over (partition by c.model order by
                    case json_typeof(f->'statistics'->(f->>'method')->'value') when 'number'
                    then (f->'statistics'->(f->>'method')->>'value')::float end desc nulls last) as rank
            from {_newest("drift_report")} cross join lateral json_array_elements(body->'features') f) ranked
        where rank <= {families.MOST_FEATURES}
        """,  # noqa: S608
    ),
    Query(
        "rollback",
        "ledger",
        families.ROLLBACK,
        60,
        f"""
        select c.model, (body->>'ready')::boolean::int as ready, extract(epoch from recorded) as at
        from {_newest("rollback_check")} where body->>'version' is not null
        """,  # noqa: S608
    ),
    Query(
        "rollouts",
        "ledger",
        families.ROLLOUTS,
        10,
        f"""
        select r.model, r.plan->>'strategy' as strategy, r.state, r.version::text as version,
            extract(epoch from r.step_since) as since,
            case when r.state = 'switched' then 1.0 when r.plan->>'strategy' <> 'canary' then 0.0
                else (coalesce(nullif(r.plan->>'steps', ''), '{json.dumps(STEPS)}')::json->>r.step)::float end as share,
            coalesce(o.requests, 0) as requests, coalesce(o.errors, 0) as errors
        from rollouts r left join lateral (
            select sum(requests)::bigint as requests, sum(errors)::bigint as errors from rollout_observations
            where rollout_id = r.id and step = r.step and arm = 'challenger') o on true
        where r.state in ({", ".join(f"'{state}'" for state in ACTIVE)})
        """,  # noqa: S608 - our own constants
    ),
    Query(
        "retrains",
        "ledger",
        families.RETRAINS,
        30,
        "select model, cause, state, count(*) as value from retrain_requests group by 1, 2, 3",
    ),
    Query(
        "decisions",
        "ledger",
        families.DECISIONS,
        60,
        """
        select verdict, rule, count(*) as value from retrain_decisions
        where at > now() - interval '1 day' group by 1, 2
        """,
    ),
    Query(
        "alerts",
        "ledger",
        families.ALERTS,
        10,
        """
        select kind, severity, count(*) as value from alerts
        where acknowledged_at is null and closed_at is null group by 1, 2
        """,
    ),
    Query(
        "probe",
        "ledger",
        families.PROBE,
        30,
        """
        select (body->>'problem' = '')::int as up, extract(epoch from (body->>'at')::timestamptz) as at,
            extract(epoch from (body->>'succeeded_at')::timestamptz) as succeeded
        from asset_records where asset = 'mlops_probe/probe'
        """,
    ),
    Query(
        "steps of the probe",
        "ledger",
        families.PROBE_STEPS,
        30,
        """
        select s.key as step, s.value::float as seconds
        from asset_records cross join lateral json_each_text(body->'seconds') s where asset = 'mlops_probe/probe'
        """,
    ),
    Query(
        "databases",
        "ledger",
        families.DATABASES,
        60,
        """
        select datname as database, pg_database_size(datname) as bytes, numbackends as connections
        from pg_stat_database where datname like 'mlops\\_%' and has_database_privilege(datname, 'connect')
        """,
    ),
    Query(
        "connections",
        "ledger",
        families.CONNECTIONS,
        300,
        "select current_setting('max_connections')::int as value",
    ),
    Query("tables of the ledger", "ledger", families.LEDGER_TABLES, 300, LARGE_TABLES),
    Query("tables of Dagster", "dagster", families.DAGSTER_TABLES, 300, LARGE_TABLES),
    Query(
        "runs",
        "dagster",
        families.RUNS,
        10,
        """
        select status, count(*) as value, extract(epoch from min(create_timestamp)) as oldest from runs
        where status in ('NOT_STARTED', 'QUEUED', 'STARTING', 'STARTED', 'CANCELING') group by status
        """,
    ),
    Query(
        "finished runs",
        "dagster",
        families.FINISHED,
        60,
        """
        select status, count(*) as value, avg(end_time - start_time) as mean,
            percentile_cont(0.95) within group (order by end_time - start_time) as p95
        from runs where status in ('SUCCESS', 'FAILURE', 'CANCELED')
            and update_timestamp > (now() at time zone 'UTC') - interval '1 day'
        group by status
        """,
    ),
    Query(
        "ticks",
        "dagster",
        families.TICKS,
        30,
        """
        select i.instigator_body::json #>> '{origin,job_name}' as instigator, lower(i.instigator_type) as type,
            extract(epoch from t.timestamp) as at, (t.status = 'FAILURE')::int as failed
        from instigators i cross join lateral (
            select timestamp, status from job_ticks
            where selector_id = i.selector_id order by timestamp desc limit 1) t
        where i.status in ('RUNNING', 'DECLARED_IN_CODE', 'AUTOMATICALLY_RUNNING')
        """,
    ),
    Query(
        "heartbeats",
        "dagster",
        families.HEARTBEATS,
        10,
        "select daemon_type as daemon, extract(epoch from timestamp) as at from daemon_heartbeats",
    ),
)
