"""The sections `evaluation`, `gates` and `schedules` of a drafted model file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from mlops_assets.drafting.facts import TableFacts
from mlops_assets.drafting.scalars import duration, listed

_PERSONAL: Final = re.compile(r"(?i)^(sex|gender|race|rac1p|ethnicity|age_group|nationality|religion)$")
CLEARLY_RARER: Final = 0.4
"""Below this share of the rows, the rarer of two classes is the one that is looked for."""
POSITIVE_NAMES: Final = frozenset({"1", "1.0", "true", "t", "yes", "y", "pos", "positive"})


def evaluation_section(facts: TableFacts) -> Iterator[str]:
    """Yield metrics, slices and seasons.

    Args:
        facts: What the table looks like.

    Yields:
        Lines of YAML.
    """
    primary, also = _metrics(facts)
    yield "evaluation:"
    yield f"  primary: {primary}"
    yield f"  also: [{', '.join(also)}]"
    if len(facts.classes) == 2 and facts.problem == "classification":
        positive, why = _positive(facts)
        yield f"  positive: {json.dumps(positive, ensure_ascii=False)} # {why}"
    if keys := [key for key in (facts.entity, facts.time and facts.time.column) if key]:
        yield f"  slices: {listed(keys)} # the report shows the error of each, as table and picture"
    if facts.seasons:
        lengths = ", ".join(map(duration, facts.seasons))
        yield f"  seasons: [{lengths}] # beats_baseline compares with the values so long before, too"
    people = [column.name for column in facts.of("input") if _PERSONAL.match(column.name)]
    if people:
        yield f"  # sensitive: {listed(people)} # measures fairness by these; inputs only where listed above"


def _metrics(facts: TableFacts) -> tuple[str, tuple[str, ...]]:
    if facts.problem == "forecasting":
        return "mae", ("rmse", "mase", "r2")
    if facts.problem == "regression":
        return "rmse", ("mae", "r2")
    if len(facts.classes) != 2:
        return "f1", ("accuracy", "log_loss")
    rows = sum(count for _, count in facts.classes)
    rare = facts.classes[1][1] < 0.1 * rows
    return (
        ("pr_auc", ("roc_auc", "recall", "log_loss")) if rare else ("roc_auc", ("f1", "accuracy", "log_loss"))
    )


def _positive(facts: TableFacts) -> tuple[str, str]:
    """Return the class that counts as positive, and why. Which of two classes of equal size is rarer is chance."""
    (common, common_rows), (rare, rare_rows) = facts.classes
    if rare_rows < CLEARLY_RARER * (common_rows + rare_rows):
        return rare, "the rarer class"
    for label in (rare, common):
        if label.strip().lower() in POSITIVE_NAMES:
            return label, "by its name; both classes are about as frequent"
    return max(common, rare), "the one that sorts last; both classes are about as frequent"


def gates_section(facts: TableFacts) -> Iterator[str]:
    """Yield the gates, and the schedules after them.

    Args:
        facts: What the table looks like.

    Yields:
        Lines of YAML.
    """
    primary, _ = _metrics(facts)
    yield "gates: # all must pass before a challenger may become champion"
    yield f"  - beats_baseline: {{metric: {primary}}} # better than {_floor(facts)}"
    if facts.problem == "classification":
        # A baseline with a few predictions ranks badly by nature, however often it is right.
        yield "  - beats_baseline: {metric: log_loss} # and its probabilities worth more, not only their order"
    yield f"  - beats_champion: {{metric: {primary}, by: 2%}}"
    yield "  - no_missing_predictions"
    yield "  - min_rows"
    yield "  - time_limit"
    yield "  # - latency # one row in less than 100 ms; add it where somebody waits for the prediction"
    yield "  - leakage"
    yield ""
    yield 'schedules: {retrain: "0 2 * * 0", data_quality: "30 0 * * *", timezone: UTC}'


def _floor(facts: TableFacts) -> str:
    if facts.problem == "classification":
        return "the class before, if labels are known by then" if facts.time else "the most frequent class"
    if facts.problem == "regression":
        return "mean and median of the training rows" + (", and the last known value" if facts.time else "")
    return "the value now" + (" and those of the seasons before" if facts.seasons else "")
