"""Labels meet predictions by entity and instant; a window with few labels is not mature."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from mlops_assets.errors import DataError
from mlops_assets.predictions import labelled, maturity
from mlops_assets_tests.unit.features.feature_factory import START, model, wine

HOURS = [START + timedelta(hours=hour) for hour in range(10)]
PREDICTED = pl.DataFrame({"entity": ["u"] * 10, "at": HOURS, "value": [float(i) for i in range(10)]})


def test_truth_by_entity_and_instant() -> None:
    readings = pl.DataFrame(
        {"at": [HOURS[3], HOURS[3], HOURS[4]], "unit": ["u", "u", "v"], "y": [1.0, 2.0, 9.0]}
    )
    matched = labelled(model(), PREDICTED, readings)
    assert matched["value"].to_list() == PREDICTED["value"].to_list()
    assert matched["truth"].to_list() == [None] * 3 + [2.0] + [None] * 6


def test_maturity() -> None:
    readings = pl.DataFrame({"at": HOURS[:9], "unit": "u", "y": 1.0})
    matched = labelled(model(), PREDICTED, readings)
    whole = maturity(matched, HOURS[0], HOURS[9] + timedelta(hours=1))
    assert (whole.predictions, whole.labels, whole.share, whole.mature) == (10, 9, 0.9, True)
    late = maturity(matched, HOURS[5], HOURS[9] + timedelta(hours=1))
    assert (late.share, late.mature) == (0.8, False)
    none = maturity(matched, HOURS[0] - timedelta(days=2), HOURS[0])
    assert (none.share, none.mature) == (0.0, False)


def test_without_a_timestamp_there_is_nothing_to_match() -> None:
    with pytest.raises(DataError, match="without a timestamp"):
        labelled(wine(), PREDICTED, PREDICTED)
