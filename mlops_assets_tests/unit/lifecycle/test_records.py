"""Stored records that earlier releases wrote are still read."""

from __future__ import annotations

import pytest

from mlops_assets.artifacts import ChampionRef, from_json, to_json


@pytest.mark.parametrize("key", ["revision", "epoch"])
def test_evidence_of_an_earlier_release_names_the_revision_epoch(key: str) -> None:
    champion = from_json(ChampionRef, {"version": 2, key: 4})
    assert champion == ChampionRef(2, 4)
    assert to_json(champion) == {"version": 2, "revision": 4}
