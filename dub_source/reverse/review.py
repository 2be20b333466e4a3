"""A plan for a pull request or an approval: as Markdown, and the same as a page of HTML.

The page is the Markdown, rendered by a library that takes no HTML from it. So whatever a value or a name
holds, it is text in either of them.
"""

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from dub_source.reverse.model import Change, Op, Result
from dub_source.reverse.progress import PlanState, StoredPlan
from dub_source.reverse.summary import Summary

_SPECIAL = re.compile(r"[\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[#+\-=]")
"""What Markdown could take for more than text. An underscore inside a word is not, so ids stay legible."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]")

_STATES = {
    PlanState.OPEN: "Nothing of it has been sent to Dub.",
    PlanState.EXPIRED: "Nothing of it has been sent to Dub, and it is too old to be applied: plan again.",
    PlanState.BEGUN: "It was begun, and an apply goes on with the rest.",
    PlanState.APPLIED: "It was applied.",
    PlanState.EMPTY: "There is nothing to change.",
}


def as_markdown(
    summary: Summary, *, results: Mapping[Result, int], at: datetime, command: str | None = None
) -> str:
    """The plan as Markdown (of GitHub's kind: it has tables).

    Args:
        summary: of the plan; it says whether people's values are shown.
        results: what has become of its changes so far.
        at: now, UTC.
        command: that applies it; None leaves that to whoever asks for the approval.
    """
    plan = summary.plan
    state = StoredPlan(plan, results).state(at)
    until = plan.created_at + timedelta(hours=plan.max_age_h)
    told = summary.remarks
    parts = [
        f"# Plan {_text(plan.plan_id)}",
        f"**{_text(plan.sync)}** ({_text(plan.sync_mode)}): {plan.changes:,} changes, compared with "
        f"{_text(plan.table)}, made "
        f"{_moment(plan.created_at)}. {_STATES[state]}",
        _table(("", "changes", "fields"), _counts(summary)),
        _bullets(_facts(summary, until if state is PlanState.OPEN else None)),
    ]
    if results:
        parts.append(_table(("outcome", "changes"), [(each.value, f"{n:,}") for each, n in results.items()]))
    for title, texts in (
        ("Cannot be undone", told.final or ((_UNDOABLE,) if plan.changes else ())),
        ("Mind", summary.warnings),
        ("Left out", told.notes),
        ("Guards passed", told.passed),
    ):
        if texts:
            parts += [f"## {title}", _bullets(texts)]
    if summary.samples:
        hidden = "" if summary.show_values else " (values hidden)"
        parts += [f"## The first changes of each kind{hidden}", _samples(summary)]
    if command is not None and state in (PlanState.OPEN, PlanState.BEGUN):
        parts += ["## Apply it", f"```sh\n{command}\n```"]
    return "\n\n".join(parts) + "\n"


_UNDOABLE = (
    "Nothing of it: dub-source revert plans the way back, for those fields that nobody has changed in Dub "
    "meanwhile."
)


def as_html(markdown: str, *, title: str) -> str:
    """Markdown of :func:`as_markdown` as a page of its own: no network, no script, light and dark."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    # A wide table scrolls by itself on a narrow screen, not the page.
    body = body.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return _page().replace("{title}", html.escape(title)).replace("{body}", body)


@cache
def _page() -> str:
    return files("dub_source.reverse").joinpath("review.html").read_text(encoding="utf-8")


def _counts(summary: Summary) -> list[tuple[str, str, str]]:
    counts = summary.plan.counts
    rows = []
    for op in Op:
        start = f"{op.value}."
        fields = ", ".join(
            f"{name.removeprefix(start)} {number:,}"
            for name, number in counts.items()
            if name.startswith(start)
        )
        rows.append((op.value, f"{counts.get(op.value, 0):,}", fields))
    return rows


def _facts(summary: Summary, until: datetime | None) -> list[str]:
    plan = summary.plan
    facts = [f"{name}: {text}" for name, text in summary.facts() if name not in set(Op)]
    if until is not None and plan.changes:
        facts.append(f"can be applied until {until:%Y-%m-%d %H:%M} UTC")
    return facts


def _samples(summary: Summary) -> str:
    rows: list[tuple[str, ...]] = []
    for change in summary.samples:
        what = f"{change.op.value}{' (first half of a swap)' if change.temporary else ''}"
        who = change.customer_id or "a new customer"
        values = list(_values(summary, change)) or [("", "", "")]
        for number, each in enumerate(values):
            rows.append((*((what, who) if number == 0 else ("", "")), *each))
    return _table(("", "customer", "field", "before", "after"), rows)


def _values(summary: Summary, change: Change) -> Iterable[tuple[str, str, str]]:
    asked, before = summary.values(change, change.asked), summary.values(change, change.before)
    for column in dict.fromkeys((*asked, *before)):
        if change.op is not Op.UPDATE and asked.get(column) is None and before.get(column) is None:
            continue
        old = "" if change.op is Op.CREATE else _shown(before.get(column))
        yield column, old, "" if change.op is Op.DELETE else _shown(asked.get(column))


def _shown(value: str | None) -> str:
    return "null" if value is None else value


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _bullets(texts: Sequence[str]) -> str:
    return "\n".join(f"- {_text(each)}" for each in texts)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header)]
    written = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([*written, *(f"| {' | '.join(map(_text, row))} |" for row in rows)])


def _text(value: Any) -> str:
    """A text that Markdown takes for nothing else: no link, no table cell, no HTML, no new line."""
    plain = _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", str(value))
    return _SPECIAL.sub(r"\\\g<0>", plain)
