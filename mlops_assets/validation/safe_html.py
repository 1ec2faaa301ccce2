"""Make a page of another library safe to open: only known elements and attributes, everything else as visible text.

Comes in: HTML with values from data in it. Goes out: the body's HTML without scripts, images, addresses or event
handlers, whatever the library failed to escape.
"""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser
from typing import Final

ELEMENTS: Final = frozenset(
    [
        "b",
        "br",
        "caption",
        "code",
        "div",
        "dd",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "li",
        "ol",
        "p",
        "pre",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "u",
        "ul",
    ]
)
VOID: Final = frozenset({"br", "hr"})
ATTRIBUTES: Final = frozenset({"class", "colspan", "rowspan"})
DROPPED: Final = frozenset({"script", "style", "nav", "head", "title"})
"""Elements that vanish with their content: they belong to the library, not to the data."""
LAYOUT: Final = frozenset(
    [
        "a",
        "article",
        "body",
        "button",
        "footer",
        "form",
        "header",
        "html",
        "img",
        "input",
        "label",
        "link",
        "main",
        "meta",
        "section",
    ]
)
"""Elements whose tags vanish and whose content stays."""

POLICY: Final = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
)
"""What a browser may load on such a page: no scripts, no images, no requests."""


class _Sanitizer(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[str] = []
        self._dropped: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in DROPPED:
            self._dropped.append(tag)
        if self._dropped or tag in LAYOUT:
            return
        if tag not in ELEMENTS:
            self.parts.append(escape(self.get_starttag_text() or ""))
            return
        known = "".join(f' {name}="{escape(value or "")}"' for name, value in attrs if name in ATTRIBUTES)
        self.parts.append(f"<{tag}{known}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._dropped:
            while self._dropped.pop() != tag:
                pass
        elif not self._dropped and tag in ELEMENTS - VOID:
            self.parts.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._dropped:
            self.parts.append(escape(data, quote=False))

    def handle_entityref(self, name: str) -> None:
        if not self._dropped:
            self.parts.append(f"&{name};")

    def handle_charref(self, name: str) -> None:
        if not self._dropped:
            self.parts.append(f"&#{name};")


def sanitize(html: str) -> str:
    """Return the HTML with known elements and the attributes class, colspan and rowspan only.

    Args:
        html: HTML of any origin.

    Returns:
        HTML without scripts, styles and links.
    """
    sanitizer = _Sanitizer()
    sanitizer.feed(html)
    sanitizer.close()
    return "".join(sanitizer.parts)
