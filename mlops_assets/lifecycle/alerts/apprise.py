"""Alerts carried to people: to the Apprise addresses that the variables of a model file's `alerts.notify` hold.

Comes in: names of environment variables, a title and a text. Goes out: what could not be reached, in words without
addresses, which are secrets. Whether there is anything to say, and whether it was said before, the ledger knows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping


def send(names: Iterable[str], environ: Mapping[str, str], title: str, text: str) -> tuple[str, ...]:
    """Send one message to every address; a sentence per variable that is unset, unreadable or not reached.

    A variable may hold several addresses, separated by spaces or commas (json://host/path, mailto://..., slack://...).
    Never raises: an alert that reaches nobody must not hide what it is about.
    """
    return tuple(sentence for name in names if (sentence := _send(name, environ.get(name, ""), title, text)))


def _send(name: str, addresses: str, title: str, text: str) -> str | None:
    if not addresses.strip():
        return f"{name} is not set, so nobody was told"
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it writes addresses into its warnings
    post = apprise.Apprise()
    if not post.add(addresses):
        return f"{name} does not hold an address that Apprise understands"
    try:
        reached = post.notify(body=text, title=title, notify_type=apprise.NotifyType.FAILURE)
    except Exception as error:  # noqa: BLE001 - plugins raise what their libraries raise
        return f"the address in {name} could not be told ({type(error).__name__})"
    return None if reached else f"the address in {name} could not be told"
