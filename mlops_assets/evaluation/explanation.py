"""Which features move a model's answers, and by how much: SHAP values of a bounded sample in a bounded time.

Comes in: a fitted model, feature rows, and how many seconds are left. Goes out: a ranking (`Explanation`) and the
values behind it for pictures. A SHAP value is an association inside the model, not a cause in the world.

The exact ways come first (`exact`); everything else is estimated (`permuting`). A few rows are explained at once, then
as many as the time that is left pays for at the pace that was seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl

from mlops_assets.artifacts import Explanation, Predictor
from mlops_assets.evaluation.exact import FEWEST, Values, Way, exact_way
from mlops_assets.evaluation.permuting import BACKGROUND_ROWS, answers_of, permuting_way
from mlops_assets.metrics import Floats
from mlops_assets.metrics.areas import midranks
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import past_of

MORE: Final = 8
"""No block of rows is so many times larger than all before it: a pace seen on a few rows is a guess."""
CAREFUL: Final = 0.8
"""Share of the time left that a block may be expected to take."""
SHORT: Final = "as many as the time of the training paid for"


@dataclass(frozen=True, slots=True)
class ShapValues:
    """SHAP values and the inputs they explain, both (rows, features); `base` is the answer before any feature.

    For classifiers the values explain one class: the positive one of two, or the class predicted for the row.
    """

    names: tuple[str, ...]
    values: Floats
    inputs: Floats
    base: Floats
    method: str
    unit: str = ""
    """What base and values add up to where that is not the answer itself, such as ', in log-odds'."""


def unhurried() -> float:
    """All the time one could want."""
    return 1e9


def explain(
    spec: ModelSpec,
    predictor: Predictor,
    train: pl.DataFrame,
    test: pl.DataFrame,
    left: Callable[[], float] = unhurried,
) -> ShapValues:
    """SHAP values of at most `evaluation.shap_rows` rows of `test`, against `train`. left: the seconds left, asked
    again and again.

    The rows begin an order that the seed alone decides: less time means fewer of them, never others, and never fewer
    than FEWEST. Raises what the model raises.
    """
    rng = np.random.default_rng(spec.training.seed)
    sample = predictor.matrix(_shuffled(test, spec.evaluation.shap_rows, rng))
    native = getattr(predictor.estimator, "native", predictor.estimator)
    together = {name: [place] for place, name in enumerate(sample.names)}
    way = exact_way(
        predictor.estimator, native, sample.values, lambda: predictor.matrix(train).values.mean(axis=0)
    )
    unit = _unit(spec, predictor, native) if way else ""
    if way is None:
        together = _groups(sample.names)
        background = predictor.matrix(_shuffled(train, BACKGROUND_ROWS, rng)).values
        answers = answers_of(predictor, sample.names)
        way = permuting_way(answers, background, list(together.values()), rng, left)
    picked, level = _one_class(*_in_time(way, sample.values, left))
    rows = sample.values[: len(picked)][:, [places[0] for places in together.values()]]
    asked = sample.values.shape[0]
    count = f"{asked:,} rows" if len(rows) == asked else f"{len(rows):,} of {asked:,} rows: {SHORT}"
    return ShapValues(tuple(together), picked, rows, level, f"{way.method}{unit}, {count}", unit)


def _in_time(way: Way, rows: Floats, left: Callable[[], float]) -> Values:
    """Explain block by block, as long as the time left pays for another."""
    parts: list[Values] = []
    done, size = 0, way.first
    while True:
        before = left()
        parts.append(way.explain(rows[done : done + size]))
        explained = len(parts[-1][0])
        done += explained
        rest, now = len(rows) - done, left()
        pace = (before - now) / max(explained, 1)
        paid = int(CAREFUL * now / pace) if pace > 0 else rest
        size = min(rest, paid, MORE * done, way.most)
        if size < min(FEWEST, rest) or not rest:
            return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _unit(spec: ModelSpec, predictor: Predictor, native: Any) -> str:
    """What the values of an exact way add up to, where that is not the answer itself."""
    if predictor.classes:
        return ", in log-odds" if _in_log_odds(native) else ""
    scale = getattr(predictor.estimator, "target_transform", "none")
    return "" if scale == "none" else f", in units of {scale}({spec.target})"


def _groups(names: tuple[str, ...]) -> dict[str, list[int]]:
    """Column positions by what they are explained as: the steps of a column's recent past belong together, newest
    first; any other column stands alone."""
    found: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        past = past_of(name)
        found.setdefault(f"{past[0]} (recent past)" if past else name, []).append(place)
    return found


def ranking(values: ShapValues) -> Explanation:
    """Mean size of the SHAP values per feature, largest first."""
    sizes = np.abs(values.values).mean(axis=0) if values.values.size else np.zeros(len(values.names))
    order = np.argsort(-sizes, kind="stable")
    ranked = tuple((values.names[place], float(sizes[place])) for place in order)
    return Explanation(values.method, int(values.values.shape[0]), ranked)


def importance_correlation(challenger: Explanation | None, champion: Explanation | None) -> float | None:
    """Spearman correlation of two rankings over the features of either (absent ones count 0); None without two of them.

    Constant importances, as of a single feature, agree when they are the same feature.
    """
    if challenger is None or champion is None:
        return None
    ours, theirs = dict(challenger.ranking), dict(champion.ranking)
    names = sorted(ours | theirs)
    if not names:
        return None
    pair = [midranks(np.array([sizes.get(name, 0.0) for name in names])) for sizes in (ours, theirs)]
    if any(np.ptp(ranks) == 0 for ranks in pair):
        return 1.0 if ours.keys() == theirs.keys() else 0.0
    return float(np.corrcoef(pair[0], pair[1])[0, 1])


def _in_log_odds(native: Any) -> bool:
    """Boosted trees and linear models add up to log-odds, forests to probabilities."""
    return not any(word in type(native).__name__ for word in ("Forest", "ExtraTrees", "DecisionTree"))


def _one_class(values: Floats, base: Floats) -> tuple[Floats, Floats]:
    """From (rows, outputs, features) to (rows, features): the last of two outputs, else the strongest of the row."""
    outputs = values.shape[1]
    if outputs <= 2:
        return values[:, -1, :], base[:, -1]
    chosen = np.argmax(base + values.sum(axis=2), axis=1)
    rows = np.arange(values.shape[0])
    return values[rows, chosen], base[rows, chosen]


def _shuffled(frame: pl.DataFrame, most: int, rng: np.random.Generator) -> pl.DataFrame:
    chosen: pl.DataFrame = frame[rng.permutation(frame.height)[:most].tolist()]
    return chosen
