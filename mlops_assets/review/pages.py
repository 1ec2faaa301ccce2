"""What the review page shows around the gate report: sign-in, the list, the three buttons. No scripts.

The HTML is in `templates/`; every value is escaped there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mlops_assets.ledger import Approval
from mlops_assets.lifecycle.approvals.verdicts import LONGEST_COMMENT, Subject
from mlops_assets.reports.rendering import environment
from mlops_assets.review.sessions import Session

TEMPLATES: Final = Path(__file__).parent / "templates"
VERDICT_NAMES: Final = {"approve": "Approved", "reject": "Rejected", "defer": "Deferred"}


def _render(template: str, **values: Any) -> str:
    return environment(TEMPLATES).get_template(template).render(values)


def message(title: str, text: str) -> str:
    """Return a sentence and a link to the list.

    Args:
        title: Title of the page.
        text: The sentence.

    Returns:
        HTML, escaped.
    """
    return _render("message.html", title=title, text=text)


def login(problem: str = "", page: str = "/") -> str:
    """Return the sign-in form.

    Args:
        problem: Sentence about a failed attempt; '' for none.
        page: Path of the page that is opened after the sign-in.

    Returns:
        HTML, escaped.
    """
    return _render("login.html", problem=problem, page=page)


def waiting(subjects: Sequence[Subject], session: Session) -> str:
    """Return the list of challengers that wait, and of those whose evidence has lapsed.

    Args:
        subjects: Challengers with their evidence.
        session: The person's session.

    Returns:
        HTML, escaped.
    """
    return _render("waiting.html", subjects=subjects, session=session)


def actions(subject: Subject, approval: Approval | None, session: Session) -> str:
    """Return the part below a report's header: the buttons while a verdict is needed, else the verdict.

    Args:
        subject: The challenger with its evidence.
        approval: The verdict; None without one.
        session: The person's session.

    Returns:
        HTML, escaped.
    """
    return _render(
        "actions.html",
        subject=subject,
        approval=approval,
        session=session,
        verdict=VERDICT_NAMES[approval.verdict] if approval else "",
        longest_comment=LONGEST_COMMENT,
    )
