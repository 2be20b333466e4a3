"""What ``status`` prints below its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dub_source.destinations import Target
    from dub_source.reverse.progress import Rejection, StoredPlan
    from dub_source.runs import Status
    from dub_source.runs.past_runs import PastRun

_LISTED = 5
"""Plans and rejections that are listed."""


def lines(there: Status, target: Target, commands: Sequence[str]) -> list[str]:
    """The facts, and how to go on. Nothing in them is about people, but for Dub's ids."""
    said = [f"{target.location}, dataset {target.dataset}"]
    if there.rows or there.last_run is not None:
        said += [f"  {name:<12} {text}" for name, text in _facts(there)]
    if commands:
        said += ["Next:", *(f"  {each}" for each in commands)]
    return said


def _facts(there: Status) -> list[tuple[str, str]]:
    twice = f", {there.rows - there.ids:,} rows twice" if there.rows > there.ids else ""
    facts = [
        (
            "customers",
            f"{there.living:,} who exist, {there.rows - there.living:,} deleted{twice}; "
            f"{there.versions:,} versions",
        ),
        ("incremental", _when(there, there.incremental_at)),
        ("sweep", f"{_when(there, there.swept_at)}{_proof(there)}"),
    ]
    if there.last_run is not None:
        facts.append(("last run", _last_run(there, there.last_run)))
    if there.lately.hours:
        facts.append((f"last {there.lately.hours:g} h", _lately(there)))
    states = ", ".join(f"{number:,} {state}" for state, number in there.plan_states().items() if number)
    facts.append(("plans", states or "none"))
    shown = [each for each in there.plans if each.plan.changes][:_LISTED]
    facts += [("", _plan(there, each)) for each in shown]
    facts += [("rejected", _rejection(each)) for each in there.rejections[:_LISTED]]
    return facts


def _when(there: Status, moment: datetime | None) -> str:
    return "never" if moment is None else f"{_ago(there, moment)} ({moment:%Y-%m-%d %H:%M} UTC)"


def _ago(there: Status, moment: datetime) -> str:
    from dub_source.runs.verdict import ago

    return ago(there.at, moment)


def _proof(there: Status) -> str:
    if there.swept_at is None:
        return ""
    if there.certified:
        return ", certified"
    return f", complete except {there.unread:,}" if there.unread else ", not certified"


def _last_run(there: Status, run: PastRun) -> str:
    ended = "went well" if run.status == "ok" else f"failed ({run.error or 'unknown'})"
    return f"{_when(there, run.started_at)}, {run.mode}, {ended}"


def _lately(there: Status) -> str:
    lately = there.lately
    failed = f", {lately.failed:,} failed" if lately.failed else ""
    columns = ", ".join(f"{name} {number:,}" for name, number in lately.fields.items())
    which = {"updated": f" ({columns})"} if columns else {}
    changes = ", ".join(
        f"{number:,} {change}{which.get(change, '')}" for change, number in lately.changes.items()
    )
    waited = f", {lately.throttled_s:,.1f} s of waiting for the key's limit" if lately.throttled_s else ""
    return f"{changes}; {lately.runs:,} runs{failed}, {lately.requests:,} requests{waited}"


def _plan(there: Status, stored: StoredPlan) -> str:
    plan, state = stored.plan, there.state_of(stored).value
    results = ", ".join(f"{number:,} {result.value}" for result, number in stored.results.items() if number)
    made = f"{plan.sync} ({plan.sync_mode}), {plan.changes:,} changes, made {_ago(there, plan.created_at)}"
    return f"{plan.plan_id} {state:<8} {made}{f': {results}' if results else ''}"


def _rejection(each: Rejection) -> str:
    answer = " ".join(str(part) for part in (each.status, each.code) if part is not None)
    example = f"such as {each.customer_id}" if each.customer_id else ""
    facts = ", ".join(filter(None, (answer, example)))
    return f"{each.changes:,}: {each.reason or 'no reason given.'}{f' ({facts})' if facts else ''}"
