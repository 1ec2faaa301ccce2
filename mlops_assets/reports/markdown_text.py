"""Text from data inside Markdown: shown as it is, in reports and in Dagster's descriptions alike.

Comes in: any text. Goes out: Markdown that renders as that text, without markup, images, links or mentions.
"""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = str.maketrans({**{mark: f"\\{mark}" for mark in "\\|[]`*~"}, "&": "&amp;", "<": "&lt;"})
"""Characters that load, link, format or end a cell; a backslash of the data must not undo an escape."""
_SEPARATORS: Final = re.compile(r"([\s|`\\]+)")
_LINKED: Final = re.compile(r"://|www\.|mailto:|xmpp:|@", re.IGNORECASE)
"""What GitHub and Dagster turn into a link or a mention without any markup, after entities are decoded."""


def plain_markdown(text: str) -> str:
    """Return Markdown that shows a text as it is, on one line.

    An address is shown as code, because renderers make links of addresses that are merely escaped.

    Args:
        text: Any text, also one that somebody wrote to be rendered.

    Returns:
        One line of GitHub-flavored Markdown, also safe inside a table cell.
    """
    pieces = _SEPARATORS.split(" ".join(text.split()))
    return "".join(f"`{piece}`" if _LINKED.search(piece) else piece.translate(_ESCAPES) for piece in pieces)


def code_markdown(text: str) -> str:
    """Return Markdown that shows a text as code, on one line; as plain text where a character could end the code.

    Args:
        text: Any text.

    Returns:
        One line of GitHub-flavored Markdown, also safe inside a table cell.
    """
    return f"`{text}`" if text.isprintable() and not set(text) & set("`|\\") else plain_markdown(text)
