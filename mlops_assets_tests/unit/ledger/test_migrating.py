from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from mlops_assets.errors import LedgerError, ServiceError
from mlops_assets.ledger import Ledger, migrate
from mlops_assets.ledger.migrating import HEAD, migrate_to
from mlops_assets.ledger.schema import metadata


def test_tables_and_migrations_agree(postgres_url: str) -> None:
    migrate(postgres_url)
    engine = create_engine(postgres_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_head_is_the_newest_step() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "mlops_assets.ledger:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_rows_written_under_the_first_schema_keep_their_values(postgres_url: str) -> None:
    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        migrate_to(connection, "0001")
        connection.execute(
            text("insert into champion (model, epoch, since) values ('pump', 3, '2026-01-01 00:00+00')")
        )
        connection.execute(
            text(
                "insert into model_versions (model, version, status, created_at, data_versions) "
                "values ('pump', 1, 'archived', '2026-01-01 00:00+00', '{}')"
            )
        )
        connection.execute(
            text(
                "insert into history (model, at, actor, action, from_version, version, epoch, reason) "
                "values ('pump', '2026-01-01 00:00+00', 'ann', 'retired', 1, 1, 3, 'old')"
            )
        )
    engine.dispose()
    migrate(postgres_url)
    with Ledger.open(postgres_url) as ledger:
        assert ledger.champion_state("pump").revision == 3
        assert [entry.revision for entry in ledger.history("pump")] == [3]


def test_migrating_again_changes_nothing(ledger_url: str) -> None:
    assert migrate(ledger_url) == HEAD


def test_many_at_once(postgres_url: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(migrate, [postgres_url] * 6)) == [HEAD] * 6


def test_an_empty_database_says_what_to_do(postgres_url: str) -> None:
    with pytest.raises(LedgerError, match="holds no ledger yet; run `mlops migrate`"):
        Ledger.open(postgres_url)


@pytest.mark.parametrize(
    "url, error, message",
    [
        ("sqlite:///x.db", LedgerError, "needs PostgreSQL"),
        ("no url", LedgerError, "not a database URL"),
        ("postgresql://u:secret@/x?host=/nowhere", ServiceError, "did not respond"),
    ],
)
def test_bad_addresses(url: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        Ledger.open(url)
    assert "secret" not in str(caught.value)
