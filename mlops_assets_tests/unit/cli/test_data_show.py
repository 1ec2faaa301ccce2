"""The rows that `mlops data show` prints: whole in a pipe, cut to a terminal."""

from __future__ import annotations

import polars as pl

from mlops_assets.cli.data import table_text


def test_a_pipe_gets_every_column_and_letter() -> None:
    frame = pl.DataFrame({f"column_{i}": ["x" * 300 + str(i)] * 12 for i in range(30)})
    text = table_text(frame, is_terminal=False)
    assert "column_29" in text
    assert "x" * 300 + "29" in text
    assert text.count("x" * 300 + "0") >= 12
    assert len(table_text(frame, is_terminal=True)) < len(text)
