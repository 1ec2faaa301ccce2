"""Whether the input sensors of one reading work: missing, out of range, frozen.

Comes in: what training saw of each input, and readings one by one as plain values. Goes out: the inputs that fail and
how. The rules of the model file about whole batches are in `batch`; what a failing input leads to, the caller decides.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from mlops_assets.artifacts import ColumnProfile, Profile
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.serving import Condition

USUALLY_MISSING: Final = 0.01
"""A larger share of missing values in training means that the model knows how to do without the input."""
MARGIN: Final = 0.5
"""Widths of the training range that a value may lie beyond it, where the model file declares no range."""
MOST_FREQUENT: Final = 0.2
"""Share of its most frequent values above which an input is not continuous: it may well stand still."""
FEWEST_BINS: Final = 8
MOST_ENTITIES: Final = 100_000
"""Entities whose last values are remembered: names that callers invent must not fill the memory."""


@dataclass(frozen=True, slots=True)
class SensorFault:
    """One input of a reading that fails."""

    column: str
    condition: Condition

    @property
    def sentence(self) -> str:
        """Return what is wrong, for a person."""
        return f"{self.column} is {self.condition.replace('_', ' ')}"


@dataclass
class _Last:
    """The newest value of one input of one entity, and for how many readings it has stood still."""

    at: object
    value: float
    readings: int


@dataclass
class SensorChecks:
    """The checks of one model.

    Attributes:
        required: Inputs that training hardly ever missed.
        ranges: Lowest and highest usual value by input.
        continuous: Inputs that never stand still for `frozen_after` readings.
        frozen_after: Readings of equal value after which an input is frozen.
        timestamp: Column of the instant of a reading; without it nothing is ever frozen.
        entity: Column of what a reading is about.
    """

    required: frozenset[str]
    ranges: Mapping[str, tuple[float, float]]
    continuous: frozenset[str]
    frozen_after: int
    timestamp: str | None
    entity: str | None
    _last: dict[tuple[object, str], _Last] = field(default_factory=dict)

    @classmethod
    def of(cls, spec: ModelSpec, profile: Profile, inputs: Iterable[str], text: Collection[str] = ()) -> Self:
        """Return the checks that the model file asks for.

        Args:
            spec: The model file, whose `serving.when` chooses the conditions.
            profile: What training saw.
            inputs: Columns of a reading that the model needs, without its keys.
            text: Those of them that are text.

        Returns:
            The checks.
        """
        when = spec.serving.when
        numbers = [name for name in inputs if name not in text]
        profiles = {name: profile.columns.get(name) for name in numbers}
        ranges = {
            name: bounds for name in numbers if (bounds := _range(spec, name, profiles[name])) is not None
        }
        required = {name for name, one in profiles.items() if one is None or one.missing <= USUALLY_MISSING}
        continuous = {name for name, one in profiles.items() if one is not None and _is_continuous(one)}
        return cls(
            required=frozenset(required if "missing" in when else ()),
            ranges=ranges if "out_of_range" in when else {},
            continuous=frozenset(continuous if "frozen" in when and spec.timestamp else ()),
            frozen_after=spec.serving.frozen_after,
            timestamp=spec.timestamp,
            entity=spec.entity,
        )

    def only(self, name: str) -> SensorChecks:
        """Return the checks of one input, which remember no reading.

        Args:
            name: The input.

        Returns:
            New checks.
        """
        return replace(
            self,
            required=self.required & {name},
            ranges={one: bounds for one, bounds in self.ranges.items() if one == name},
            continuous=self.continuous & {name},
            _last={},
        )

    def faults(self, reading: Mapping[str, Any]) -> list[SensorFault]:
        """Return the inputs of one reading that fail; readings of an entity come in the order of time.

        Args:
            reading: Value by column; other values than numbers are left to whoever reads them.

        Returns:
            The faults, none for a usual reading.
        """
        faults = [SensorFault(name, "missing") for name in self.required if reading.get(name) is None]
        for name, (low, high) in self.ranges.items():
            value = reading.get(name)
            if isinstance(value, int | float) and not low <= value <= high:
                faults.append(SensorFault(name, "out_of_range"))
        faults += [SensorFault(name, "frozen") for name in self.continuous if self._is_frozen(name, reading)]
        return sorted(faults, key=lambda fault: (fault.column, fault.condition))

    def _is_frozen(self, name: str, reading: Mapping[str, Any]) -> bool:
        value, at = reading.get(name), reading.get(self.timestamp or "")
        if not isinstance(value, int | float) or at is None:
            return False
        key = (reading.get(self.entity) if self.entity else None, name)
        last = self._last.get(key)
        if last is None or last.value != value:
            if last is not None or len(self._last) < MOST_ENTITIES:
                self._last[key] = _Last(at, value, 1)
            return False
        if at != last.at:  # the same reading sent again says nothing about the sensor
            last.at, last.readings = at, last.readings + 1
        return last.readings >= self.frozen_after


def _range(spec: ModelSpec, name: str, profile: ColumnProfile | None) -> tuple[float, float] | None:
    """Return the range that the model file declares, else that of the training rows with a margin; None for neither."""
    rules = spec.validation.columns.get(name)
    low = rules.min if rules is not None else None
    high = rules.max if rules is not None else None
    if low is not None or high is not None:
        return (-math.inf if low is None else low), (math.inf if high is None else high)
    if profile is None or profile.minimum is None or profile.maximum is None:
        return None
    if profile.maximum == profile.minimum:
        return None
    margin = MARGIN * (profile.maximum - profile.minimum)
    return profile.minimum - margin, profile.maximum + margin


def _is_continuous(profile: ColumnProfile) -> bool:
    """Return whether an input takes so many different values that it hardly repeats one by chance."""
    return (
        profile.kind == "number"
        and len(profile.shares) >= FEWEST_BINS
        and max(profile.shares) <= MOST_FREQUENT
    )
