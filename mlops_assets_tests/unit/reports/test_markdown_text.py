"""Text from data stays text in Markdown, in the renderers of GitHub and Dagster too, which link bare addresses."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from mlops_assets.reports.markdown_text import code_markdown, plain_markdown
from mlops_assets_tests.unit.reports.test_hostile_report import HOSTILE, Careless, Page

BARE_LINK = re.compile(r"://|www\.|mailto:|@", re.IGNORECASE)
TEXTS = [
    *HOSTILE,
    "![pixel](http://stranger.invalid/pixel.png)",
    "[read](https://stranger.invalid)",
    "<https://stranger.invalid>",
    "<img src=http://stranger.invalid/x>",
    "https://stranger.invalid/a?b=c&d=e*f",
    "see HTTP://stranger.invalid, www.stranger.invalid and ftp://stranger.invalid",
    "a`https://stranger.invalid`b``c",
    "\\`https://stranger.invalid",
    "mailto:someone@stranger.invalid @someone",
    "*bold* **bolder** ~~gone~~ _it_",
    "&lt;b&gt; &copy; \\| | ||",
    "[a]: http://stranger.invalid [a]",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("show", [plain_markdown, code_markdown])
def test_a_text_renders_as_itself(text: str, show: object) -> None:
    assert callable(show)
    renderer = Careless("commonmark", {"html": True}).enable(["table", "strikethrough"])
    page = Page(renderer.render(f"before {show(text)} after"))
    assert page.elements <= {"p", "code", "em"}
    assert page.text.strip() == f"before {' '.join(text.split())} after".replace("_it_", "it") or (
        page.text.strip() == f"before {text} after"
    )
    cell = Page(renderer.render(f"| a | b |\n|---|---|\n| {show(text)} | end |"))
    assert {"img", "a", "svg", "script"} & cell.elements == set()
    assert cell.text.split()[-1] == "end"


@pytest.mark.parametrize("text", TEXTS)
def test_no_address_is_left_for_a_renderer_to_link(text: str) -> None:
    """Renderers look for addresses in what is not code, after entities and escapes are resolved."""
    outside: list[str] = []
    for token in MarkdownIt("commonmark").parse(plain_markdown(text)):
        outside += [child.content for child in token.children or () if child.type != "code_inline"]
    assert not BARE_LINK.search("".join(outside))
