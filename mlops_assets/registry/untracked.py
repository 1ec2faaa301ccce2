"""A registry that records nothing: for runs whose models nobody will look up, such as those of a backtest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from mlops_assets.artifacts import Candidate, Evaluation, TrainedModel
from mlops_assets.registry.mirror import ChampionState, VersionState
from mlops_assets.registry.registry import Registry
from mlops_assets.registry.tracked import History, Tracked

UNTRACKED = "untracked"


class Untracked(Tracked):
    """A training whose parameters, metrics and files go nowhere."""

    is_recorded: ClassVar[bool] = False

    @override
    def describe(self, params: Mapping[str, Any], tags: Mapping[str, Any]) -> None:
        """Record nothing."""

    @override
    def candidate(
        self,
        candidate: Candidate,
        history: History = (),
        tags: Mapping[str, Any] | None = None,
        task: str | None = None,
    ) -> str:
        """Record nothing."""
        return UNTRACKED

    @override
    def register(self, model: TrainedModel, metrics: Mapping[str, float]) -> str:
        """Record nothing."""
        return UNTRACKED


@dataclass(slots=True)
class UntrackedRegistry(Registry):
    """The registry of runs that MLflow never learns of; MLflow is neither imported nor reached."""

    tracking_uri: str = UNTRACKED
    artifact_root: str = UNTRACKED
    loader: str = UNTRACKED

    @override
    @contextmanager
    def training(self, model: str, parent: str | None = None) -> Iterator[Tracked]:
        """Yield a training that records nothing."""
        yield Untracked(None, UNTRACKED, model, UNTRACKED, UNTRACKED, UNTRACKED)

    @override
    def log_evaluation(self, trained: TrainedModel, measured: Evaluation, folder: Path) -> None:
        """Record nothing."""

    @override
    def mirror(
        self,
        model: str,
        champion_state: ChampionState,
        versions: Iterable[VersionState],
        approved: Mapping[int, bool] | None = None,
    ) -> int:
        """Record nothing."""
        return 0
