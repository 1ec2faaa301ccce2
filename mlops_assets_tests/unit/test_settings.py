"""One pair of functions names the PostgreSQL driver in an address and takes it out again."""

from __future__ import annotations

import pytest

from mlops_assets.settings import with_driver, without_driver


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_the_driver_comes_and_goes(scheme: str) -> None:
    rest = "://me:p%40ss@db:5432/plant?options=-csearch_path%3Dpostgresql"
    assert with_driver(scheme + rest) == f"postgresql+psycopg2{rest}"
    assert without_driver(with_driver(scheme + rest)) == f"postgresql{rest}"


@pytest.mark.parametrize("url", ["mysql://h/d", "postgresql+asyncpg://h/d", "no address", ""])
def test_other_addresses_stay_as_they_are(url: str) -> None:
    assert with_driver(url) == url
    assert without_driver(url) == url
