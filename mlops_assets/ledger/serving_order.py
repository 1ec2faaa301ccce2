"""Which version a rollback goes to: a pure reading of the history, oldest entry first.

The history is replayed as a stack of versions that really served. A promotion puts a version on top, a
rollback takes away everything above the version it goes to and remembers what it left as bad. So two
rollbacks in a row go further back, and none ever returns to a version that was rolled back from, unless it
was promoted again since.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass

from mlops_assets.ledger.records import HistoryEntry


@dataclass(frozen=True, slots=True)
class ServingOrder:
    """served: versions that could be returned to, oldest first, the champion last (also a retired one).

    in_service: whether the top of `served` is in production now. ever: all versions that ever were.
    """

    served: tuple[int, ...]
    in_service: bool
    ever: frozenset[int]

    def target(self, unusable: Set[int] = frozenset()) -> int | None:
        """Return the version to roll back to.

        From a champion in service that is the one before it; after a retirement the one that was retired.

        Args:
            unusable: Versions to skip, for example refused ones.

        Returns:
            Version number, or None when there is none.
        """
        candidates = self.served[:-1] if self.in_service else self.served
        return next((version for version in reversed(candidates) if version not in unusable), None)


def serving_order(history: Iterable[HistoryEntry]) -> ServingOrder:
    """Replay the history. Entries `kept` and `refused` change nothing.

    Args:
        history: Entries of one model, oldest first.

    Returns:
        The order in which versions served, without those that were rolled back from.
    """
    served: list[int] = []
    ever: set[int] = set()
    in_service = False
    for entry in history:
        if entry.action == "promoted":
            served = [version for version in served if version != entry.version] + [entry.version]
            ever.add(entry.version)
            in_service = True
        elif entry.action == "rolled_back":
            if entry.version in served:
                served = served[: served.index(entry.version) + 1]
            else:  # an operator named a version that had been rolled back from
                served = [version for version in served if version != entry.from_version] + [entry.version]
            in_service = True
        elif entry.action == "retired":
            in_service = False
    return ServingOrder(tuple(served), in_service, frozenset(ever))
