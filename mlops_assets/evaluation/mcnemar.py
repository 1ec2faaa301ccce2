"""McNemar's exact test on the rows where two classifiers disagree."""

from __future__ import annotations

from mlops_assets.metrics import Scored


def widen_by_mcnemar(
    challenger: Scored, champion: Scored, low: float, high: float, confidence: float, method: str
) -> tuple[float, float, str]:
    """Return the interval, widened to 0 where an exact test sees chance.

    The test is McNemar's (1947) on the rows of disagreement.

    Args:
        challenger: Truth and predictions.
        champion: The same rows, predicted by the champion.
        low: Lower end of the interval.
        high: Upper end of the interval.
        confidence: Two-sided.
        method: How the interval was estimated, in words.

    Returns:
        Low, high and the name of the method.
    """
    challenger_value, champion_value = (scored.predicted == scored.truth for scored in (challenger, champion))
    won, lost = (
        int((challenger_value & ~champion_value).sum()),
        int((champion_value & ~challenger_value).sum()),
    )
    if mcnemar(won, lost) > 1.0 - confidence:
        low, high = min(low, 0.0), max(high, 0.0)
    return low, high, f"exact McNemar test ({won} rows won, {lost} lost), {method}"


def mcnemar(won: int, lost: int) -> float:
    """Return the exact two-sided p-value of McNemar's test (McNemar 1947): discordant rows are won by chance.

    Args:
        won: Rows that only the challenger classifies correctly.
        lost: Rows that only the champion classifies correctly.

    Returns:
        0 to 1; 1 when both are equal.
    """
    from scipy.special import bdtr

    return 1.0 if won == lost else min(1.0, 2.0 * float(bdtr(min(won, lost), won + lost, 0.5)))
