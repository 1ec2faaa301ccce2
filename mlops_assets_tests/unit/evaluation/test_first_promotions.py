"""A first champion that has learned nothing: ten classes and panels of noise, under the gates of a draft.

A short form of `benchmarks/first_promotion_simulation.py`; by the bare rule about half of such tables promote.
"""

from __future__ import annotations

import pytest

from benchmarks.first_promotion_simulation import promoted


@pytest.mark.parametrize("kind", ["ten classes", "panel"])
def test_noise_is_seldom_promoted(kind: str) -> None:
    assert promoted(kind, 8) <= 1
