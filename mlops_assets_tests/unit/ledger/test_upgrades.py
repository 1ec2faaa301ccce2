"""A ledger of an earlier release becomes this one's; two releases side by side read what the other writes."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from mlops_assets.errors import LedgerError
from mlops_assets.ledger import Ledger, invariants, migrate, migrating
from mlops_assets.ledger.migrating import HEAD, OLDEST, migrate_to
from mlops_assets_tests.earlier_ledger import load_earlier_ledger

RENAMED = {("champion", "epoch"): "revision", ("history", "epoch"): "revision"}
"""Columns that a migration gave another name; nothing later may."""
Columns = dict[tuple[str, str], tuple[str, bool, bool]]


def steps() -> list[str]:
    """Every revision, oldest first."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrating.__file__).parent / "migrations"))
    return [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()][::-1]


def columns(connection: Connection) -> Columns:
    """Type, whether a value is required, and whether the server supplies one, by table and column."""
    query = """
        select table_name, column_name, data_type, is_nullable = 'NO',
            column_default is not null or is_identity = 'YES' or is_generated = 'ALWAYS'
        from information_schema.columns where table_schema = 'public' and table_name <> 'alembic_version'"""
    return {(row[0], row[1]): (row[2], row[3], row[4]) for row in connection.execute(text(query))}


def keys(connection: Connection) -> set[tuple[str, str]]:
    """Primary keys and unique indexes by table, as the columns and conditions that 'on conflict' names."""
    query = """
        select tablename, regexp_replace(indexdef, '^.* USING ', '') from pg_indexes
        where schemaname = 'public' and indexdef like 'CREATE UNIQUE%' and tablename <> 'alembic_version'"""
    return {(row[0], row[1]) for row in connection.execute(text(query))}


def test_no_migration_drops_or_retypes_a_column(postgres_url: str) -> None:
    """From OLDEST on, what older programs insert and name in a conflict stays possible, too."""
    engine = create_engine(postgres_url)
    before: Columns = {}
    before_keys: set[tuple[str, str]] = set()
    for revision in steps():
        with engine.begin() as connection:
            migrate_to(connection, revision)
            after, after_keys = columns(connection), keys(connection)
        for (table, name), (kind, *_) in before.items():
            same = after.get((table, name)) or after.get((table, RENAMED.get((table, name), "")))
            assert same is not None, f"{revision} drops {table}.{name}"
            assert same[0] == kind, f"{revision} turns {table}.{name} from {kind} into {same[0]}"
        if revision > OLDEST:
            tables = {table for table, _ in before}
            for column in after.keys() - before.keys():
                _, required, supplied = after[column]
                assert column[0] not in tables or supplied or not required, f"{revision} requires {column}"
            assert before_keys <= after_keys, (
                f"{revision} drops the key {before_keys - after_keys}: raise OLDEST"
            )
        before, before_keys = after, after_keys
    engine.dispose()


def test_everything_of_an_earlier_release_is_read(postgres_url: str) -> None:
    load_earlier_ledger(postgres_url)
    assert migrate(postgres_url) == HEAD
    with Ledger.open(postgres_url) as ledger:
        assert invariants(ledger) == []
        champion = ledger.champion("pump")
        assert champion is not None
        assert (champion.version, champion.revision) == (2, 2)
        assert {one.version: one.status for one in ledger.versions("pump")} == {
            1: "archived",
            2: "champion",
            3: "refused",
            4: "challenger",
        }
        assert [(entry.action, entry.revision) for entry in ledger.history("pump", None)] == [
            ("refused", 2),
            ("promoted", 2),
            ("promoted", 1),
        ]
        [evidence] = ledger.evidence_of("pump", 2)
        assert math.isnan(evidence.body["metrics"]["worst"])
        approval = ledger.approval(champion.evidence_hash)
        assert approval is not None
        assert approval.actor == "bob"
        assert [one.key for one in ledger.open_requests("pump")] == ["b"]


@pytest.fixture
def newer(postgres_url: str) -> str:
    """A ledger that a newer release migrated, with a table and a column that this one does not know."""
    migrate(postgres_url)
    _change(
        postgres_url,
        "alter table alerts add column runbook text",
        "create table runbooks (id text primary key)",
        "update alembic_version set version_num = '9999'",
    )
    return postgres_url


def _change(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_an_older_program_works_on_a_ledger_that_a_newer_one_added_to(newer: str) -> None:
    assert migrate(newer) == "9999"
    with Ledger.open(newer) as ledger:
        assert ledger.models() == ()
        assert invariants(ledger) == []


@pytest.mark.parametrize(
    "mark", ["null", "'programs from revision 9998'", "'something else'", "'programs from revision '"]
)
def test_an_older_program_refuses_a_ledger_that_it_could_misread(newer: str, mark: str) -> None:
    _change(newer, f"comment on table alembic_version is {mark}")
    with pytest.raises(LedgerError, match="revision 9999, this program expects"):
        Ledger.open(newer)
    with pytest.raises(LedgerError, match="cannot be migrated"):
        migrate(newer)
