"""Data files as they go wrong: `mlops run` says what is wrong and stops, nothing is promoted, the exit code is not 0.

MLOPS_TABLES names a folder that the table of messages is written to.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
import yaml

from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.local_platform import LocalPlatform, end_of, readings

ROWS = 400
WHOLE = readings(ROWS)
x, y, at = pl.col("x"), pl.col("y"), pl.col("at")
table: dict[str, tuple[int, str]] = {}


def nothing(_file: Path) -> None:
    """The file is not there."""


def empty(file: Path) -> None:
    file.write_bytes(b"")


def truncated(file: Path) -> None:
    WHOLE.write_parquet(file)
    file.write_bytes(file.read_bytes()[:-200])


def written(frame: pl.DataFrame) -> Callable[[Path], None]:
    return lambda file: frame.write_parquet(file)


# what is wrong with the file, and words of the message
BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (nothing, "does not exist"),
    "empty, 0 bytes": (empty, "is empty"),
    "truncated Parquet": (truncated, "not a whole Parquet file"),
    "no rows": (written(WHOLE.head(0)), "gave no rows"),
    "target absent": (written(WHOLE.drop("y")), "'y'"),
    "timestamp absent": (written(WHOLE.drop("at")), "'at'"),
    "target is text": (written(WHOLE.with_columns(y.cast(pl.String) + " m3/h")), "y"),
    "timestamp is text that is no date": (written(WHOLE.with_columns(at=pl.lit("yesterday"))), "at"),
    "an all-null column": (written(WHOLE.with_columns(x=pl.lit(None, pl.Float64))), "x"),
    "an all-null target": (written(WHOLE.with_columns(y=pl.lit(None, pl.Float64))), "y"),
    "half of a column missing": (
        written(WHOLE.with_columns(x=pl.when(pl.int_range(ROWS) % 2 == 0).then(x))),
        "x",
    ),
    "every timestamp twice": (written(pl.concat([WHOLE, WHOLE])), "unique_rows: "),
    "constant target": (written(WHOLE.with_columns(y=pl.lit(3.0))), "y"),
    "all timestamps in the future": (
        written(WHOLE.with_columns(at=at + timedelta(days=3_650))),
        "gave no rows",
    ),
    "infinity in the target": (
        written(WHOLE.with_columns(y=pl.when(pl.int_range(ROWS) % 9 == 0).then(float("inf")).otherwise(y))),
        "finite: ",
    ),
    "infinity in an input": (
        written(WHOLE.with_columns(x=pl.when(pl.int_range(ROWS) % 9 == 0).then(float("inf")).otherwise(x))),
        "finite: ",
    ),
    "too few rows": (written(WHOLE.head(50)), "100"),
    "a CSV file called Parquet": (lambda file: WHOLE.write_csv(file), "not a whole Parquet file"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken(
    local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    write, sentence = BROKEN[what]
    spec = local_platform.model()
    file = local_platform.file(spec.name)
    file.unlink()
    write(file)
    body = spec.model_dump(mode="json", exclude_unset=True)
    (tmp_path / f"{spec.name}.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
    monkeypatch.setenv("MLOPS_MODELS", str(tmp_path))
    printed = mlops(monkeypatch, "run", spec.name, "--as-of", end_of(ROWS).isoformat())
    table[what] = (printed.code, printed.err.strip() or printed.out.strip().splitlines()[-2])
    assert printed.code != 0, printed.out
    assert "Traceback" not in printed.all
    assert "Error" not in printed.err, printed.err
    assert sentence in printed.err, printed.err
    assert local_platform.champion(spec) is None
    assert [alert.kind for alert in local_platform.platform.ledger.alerts(spec.name)] == ["run_failed"]


@pytest.fixture(scope="module", autouse=True)
def _write_table() -> Iterator[None]:
    yield
    if target := os.environ.get("MLOPS_TABLES"):
        rows = "\n".join(
            f"|{what}|{code}|`{' / '.join(text.splitlines())}`|" for what, (code, text) in table.items()
        )
        (Path(target) / "data_files.md").write_text(f"|data file|exit|message|\n|---|---|---|\n{rows}\n")
