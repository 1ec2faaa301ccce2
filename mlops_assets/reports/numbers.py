"""Numbers as tables show them: at most four significant digits, one word for what is missing."""

from __future__ import annotations

from typing import Final

from mlops_assets.promotion.gate_results import finite

NOTHING: Final = "n/a"


def number(value: object) -> str:
    """Return a number with at most four significant digits; other values as text, None as 'n/a'.

    Args:
        value: The value to format.

    Returns:
        Text, for example '0.1235' or '12,350'.
    """
    finite_value = finite(value)
    if finite_value is None:
        return NOTHING if value is None else str(value)
    rounded = float(f"{finite_value:.4g}")
    return f"{rounded:,.0f}" if 1000 <= abs(rounded) < 1e15 else f"{rounded:.4g}"


def count(value: object) -> str:
    """Return a number of rows, exactly; other values as text, None as 'n/a'.

    Args:
        value: The value to format.

    Returns:
        Text, for example '12,345'.
    """
    return f"{value:,}" if is_count(value) else number(value)


def is_count(value: object) -> bool:
    """Return whether the value is a whole number (true and false are not).

    Args:
        value: The value to format.

    Returns:
        True for an int that is not a bool.
    """
    return isinstance(value, int) and not isinstance(value, bool)


def share(value: float | None) -> str:
    """Return a share between 0 and 1 with three decimals.

    Args:
        value: A share between 0 and 1, or None.

    Returns:
        Text, for example '0.123'; 'n/a' for None, NaN and infinity.
    """
    finite_value = finite(value)
    return NOTHING if finite_value is None else f"{finite_value:.3f}"


def signed(share_of: float) -> str:
    """Return a share in percent with its sign, above 0 for better.

    Args:
        share_of: A share; 0.05 is 5 %.

    Returns:
        Text, for example '+5.00 %'.
    """
    return f"{100 * share_of:+.2f} %"
