"""What the review page shows around the gate report: sign-in, the list, the three buttons. No scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from mlops_assets.ledger import Approval
from mlops_assets.lifecycle.approvals.answers import LONGEST_COMMENT, Subject
from mlops_assets.reports.rendering import stylesheet

OWN: Final = """
.ask{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 18px;margin:0 0 26px}
.ask label{display:block;font-weight:600;margin:0 0 6px}
.ask textarea,.ask input{width:100%;font:inherit;color:inherit;background:var(--paper);border:1px solid var(--line);
border-radius:8px;padding:8px 10px;margin:0 0 12px}
button{font:inherit;font-weight:600;border:1px solid var(--line);border-radius:8px;padding:8px 18px;margin:0 8px 0 0;
cursor:pointer;background:var(--head);color:var(--ink)}
button.yes{background:var(--good-bg);color:var(--good)}button.no{background:var(--bad-bg);color:var(--bad)}
button.later{background:var(--wait-bg);color:var(--wait)}
:focus-visible{outline:3px solid #0072B2;outline-offset:2px}
nav{display:flex;justify-content:space-between;align-items:center;margin:0 0 18px}nav form{margin:0}
a{color:inherit}
"""


def page(title: str, body: str) -> str:
    """A whole page in the report's style."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{stylesheet()}{OWN}</style></head>\n'
        f"<body><main>{body}</main></body></html>\n"
    )


def message(title: str, words: str) -> str:
    """A sentence and the way back."""
    return page(
        title,
        f'<h1>{escape(title)}</h1><p class="reason" role="alert">{escape(words)}</p>'
        '<p><a href="/">Back to the list</a></p>',
    )


def login(problem: str = "") -> str:
    """The sign-in form."""
    said = f'<p class="reason" role="alert">{escape(problem)}</p>' if problem else ""
    return page(
        "Review: sign in",
        "<h1>Review of waiting models</h1>"
        '<p class="sub">The key is in the file review_key of the platform\'s home, or in MLOPS_REVIEW_KEY.</p>'
        f'{said}<form class="ask" method="post" action="/login">'
        '<label for="name">Your name, as it will stand in the history</label>'
        '<input id="name" name="name" required maxlength="200" autocomplete="name">'
        '<label for="key">Review key</label>'
        '<input id="key" name="key" type="password" required autocomplete="current-password">'
        '<button class="yes">Sign in</button></form>',
    )


def waiting(found: Sequence[Subject], name: str, token: str) -> str:
    """The list of challengers that wait, and of those whose evidence has lapsed."""
    rows = "".join(
        f'<tr><th scope="row"><a href="/{escape(one.model)}/{one.evidence_hash}">'
        f"{escape(one.model)} v{one.evidence.version}</a></th>"
        f"<td>{one.since:%Y-%m-%d %H:%M} UTC</td>"
        f'<td><span class="badge {"wait" if one.waits else "none"}">'
        f"{'waits for you' if one.waits else 'lapsed'}</span></td>"
        f"<td>{escape(one.problem or one.decision.reason)}</td></tr>"
        for one in found
    )
    head = "<thead><tr>" + "".join(
        f'<th scope="col">{name}</th>' for name in ("challenger", "since", "", "why")
    )
    table = f'<div class="scroll"><table>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    body = table if found else '<p class="reason">Nothing waits for a person.</p>'
    return page(
        "Review: waiting", f"{_nav(name, token, home=False)}<h1>Challengers waiting for a person</h1>{body}"
    )


def actions(found: Subject, approval: Approval | None, name: str, token: str) -> str:
    """What stands below a report's header: the buttons while an answer is wanted, else what was answered."""
    style = f"<style>{OWN}</style>{_nav(name, token)}"
    if approval is not None:
        words = {"approve": "Approved", "reject": "Rejected", "defer": "Deferred"}[approval.verdict]
        said = f": {approval.comment}" if approval.comment else ""
        return (
            f'{style}<p class="ask" role="status"><b>{words} by {escape(approval.actor)}</b> at '
            f"{approval.at:%Y-%m-%d %H:%M} UTC{escape(said)}</p>"
        )
    if not found.waits:
        why = found.problem or "No answer is wanted: the gates have decided."
        return f'{style}<p class="ask" role="status">{escape(why)}</p>'
    return (
        f'{style}<form class="ask" method="post" action="/{escape(found.model)}/{found.evidence_hash}">'
        f'<input type="hidden" name="token" value="{escape(token)}">'
        '<label for="comment">Comment (needed to reject or defer; whoever trains next reads it)</label>'
        f'<textarea id="comment" name="comment" rows="3" maxlength="{LONGEST_COMMENT}"></textarea>'
        '<button class="yes" name="verdict" value="approve">Approve</button>'
        '<button class="no" name="verdict" value="reject">Reject</button>'
        '<button class="later" name="verdict" value="defer">Defer and retrain</button>'
        f'<p class="note">Your answer is bound to evidence <code>{found.evidence_hash}</code>.</p></form>'
    )


def _nav(name: str, token: str, *, home: bool = True) -> str:
    back = '<a href="/">All waiting challengers</a>' if home else "<span></span>"
    return (
        f'<nav>{back}<form method="post" action="/logout"><input type="hidden" name="token" value="{escape(token)}">'
        f"<button>Sign out {escape(name)}</button></form></nav>"
    )
