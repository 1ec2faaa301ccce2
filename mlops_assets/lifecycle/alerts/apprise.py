"""Delivery of a message to Apprise addresses, which environment variables hold.

Comes in: names of environment variables, a title and a text. Goes out: a sentence per variable whose addresses were not
reached, without the addresses, which are secrets.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping


def send(
    names: Iterable[str], environ: Mapping[str, str], title: str, text: str, severity: str = "error"
) -> tuple[str, ...]:
    """Send one message to every address. Never raises: an alert that fails must not hide its cause.

    A variable may hold several addresses, separated by spaces or commas (json://host/path, mailto://...,
    slack://...).

    Args:
        names: Names of the environment variables that hold the addresses.
        environ: The environment.
        title: First line of the message.
        text: Body of the message, plain text.
        severity: `info`, `warning`, `error` or `critical`; addresses with types show it.

    Returns:
        One sentence for each variable that is unset, unreadable or whose address was not reached.
    """
    sentences = (_send(name, environ.get(name, ""), title, text, severity) for name in names)
    return tuple(sentence for sentence in sentences if sentence)


def _send(name: str, addresses: str, title: str, text: str, severity: str) -> str | None:
    if not addresses.strip():
        return f"{name} is not set, so nobody received the alert"
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it writes addresses into its warnings
    post = apprise.Apprise()
    if not post.add(addresses):
        return f"{name} does not hold an address that Apprise understands"
    try:
        kinds = {"info": apprise.NotifyType.INFO, "warning": apprise.NotifyType.WARNING}
        reached = post.notify(
            body=text, title=title, notify_type=kinds.get(severity, apprise.NotifyType.FAILURE)
        )
    except Exception as error:  # noqa: BLE001 - plugins raise what their libraries raise
        return f"the address in {name} was not reached ({type(error).__name__})"
    return None if reached else f"the address in {name} was not reached"
