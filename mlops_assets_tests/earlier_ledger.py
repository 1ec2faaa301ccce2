"""A ledger as the first release left it: a dump with every table filled, loaded as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import create_engine

DUMP: Final = Path(__file__).parent / "upgrades" / "ledger_0001.sql"


def load_earlier_ledger(url: str) -> None:
    """Load the dump into an empty database."""
    engine = create_engine(url)
    connection = engine.raw_connection()
    try:
        connection.cursor().execute(DUMP.read_text(encoding="utf-8"))
        connection.commit()
    finally:
        connection.close()
        engine.dispose()
