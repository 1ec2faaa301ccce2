"""Terms with a fixed set of values that records share: parts of a split, verdicts, outcomes."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Part: TypeAlias = Literal["train", "validation", "test"]
Metrics: TypeAlias = dict[str, float]
Verdict: TypeAlias = Literal["pass", "fail", "not_enough_evidence", "not_applicable"]
Outcome: TypeAlias = Literal["promote", "keep", "refuse"]

QUIET_LOAD: Final = 1.25
"""A machine is quiet if a fixed loop takes at most this many times its processor time."""

PARTS: Final[tuple[Part, ...]] = ("train", "validation", "test")
