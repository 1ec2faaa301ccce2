"""HTML from the templates and the style sheet in `templates/`. Every value is escaped; `Markup` marks trusted HTML."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES: Final = Path(__file__).parent / "templates"


def render(template: str, **context: Any) -> str:
    """Render a template.

    Args:
        template: Name of a file in `templates/`.
        context: Values of the template; all are escaped, except `Markup`.

    Returns:
        The HTML text.

    Raises:
        jinja2.UndefinedError: If the template names a value that is missing.
    """
    return environment().get_template(template).render(context)


@cache
def environment(folder: Path = TEMPLATES) -> Environment:
    """Return the environment of templates: every value is escaped, a missing one is an error.

    Args:
        folder: A folder with further templates, which may extend `page.html` of this package.

    Returns:
        Jinja's environment.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader([folder, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
