"""What long work is doing right now, for a terminal that overwrites the line; it is in no log.

Comes in: a short text from whoever counts rows or candidates. Goes out: the text to the one listener of this process.
Without a listener nothing is written and nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_listeners: list[Callable[[str], None]] = []


def show(text: str) -> None:
    """Pass on what is being done; callable from any thread.

    Args:
        text: A few words, such as '1 of 3 candidates done'.
    """
    for listener in tuple(_listeners):
        listener(text)


@contextmanager
def listening(listener: Callable[[str], None]) -> Iterator[None]:
    """Send every text to a listener within the block.

    Args:
        listener: Receives texts from several threads.

    Yields:
        Nothing.
    """
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
