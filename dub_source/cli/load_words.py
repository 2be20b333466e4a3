"""What ``load`` prints of its result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dub_source.runs import LoadResult
    from dub_source.sync import Report

_EXAMPLES = 5
"""Customers who are named of those that could not be loaded."""


def summary(result: LoadResult) -> str:
    """The result of a load in a few lines."""
    report = result.report
    waited = report.stats.throttled_s
    waiting = f", {waited:.1f} s of them waiting for the key's rate limit" if waited >= 0.05 else ""
    rate = f" ({report.read / result.seconds:,.0f} customers a second)" if result.seconds else ""
    what = (
        f"Read {report.read:,} customers: {report.proof}."
        if report.certificate is not None
        else f"Read {report.read:,} customers, {report.refreshed:,} of them known ones again."
    )
    lines = [
        f"{report.decision.kind.capitalize()} run: {report.decision.reason}.",
        f"{what} {report.created:,} created, {report.updated:,} updated, {report.deleted:,} deleted.",
        f"{report.stats.requests:,} requests, {result.seconds:.1f} s{waiting}{rate}.",
        f"{result.target.location}: table {result.target.dataset}.{report.table} has {result.rows:,} rows.",
    ]
    if report.certificate is not None and not report.read:
        lines.insert(2, "The workspace has no customers yet.")
    if report.resumed:
        lines.insert(2, "It went on where the last one was interrupted.")
    if report.refused:
        lines.append(_refused(report))
    if not report.complete and (report.unread or not report.refused):
        lines.append(_unread(report))
    elif report.unread:
        lines.append(f"The last sweep was complete except {report.unread:,}.")
    return "\n".join([*lines, "Try:", f"  {result.query}"])


def in_one_line(values: Mapping[str, Any]) -> str:
    """The same in one line, for logs; ``values`` as of ``LoadResult.as_json``."""
    unread = "" if values["complete"] else f", {values['unread']:,} could not be read"
    return (
        f"{values['mode'].capitalize()} run: {values['read']:,} read, {values['created']:,} created, "
        f"{values['updated']:,} updated, {values['deleted']:,} deleted{unread}; "
        f"{values['requests']:,} requests, {values['seconds']:.1f} s; {values['location']}: "
        f"{values['dataset']}.{values['table']} has {values['rows']:,} rows."
    )


def _refused(report: Report) -> str:
    """Who cannot be loaded, and why."""
    columns = ", ".join(sorted(set(report.refused.values())))
    examples = ", ".join(list(report.refused)[:_EXAMPLES])
    return (
        f"{len(report.refused):,} could not be loaded, because of what Dub answered for {columns}, and stay "
        f"as they were ({examples}{', ...' if len(report.refused) > _EXAMPLES else ''}): a newer version of "
        "dub-source may know it; if there is none, please report it."
    )


def _unread(report: Report) -> str:
    """What to do about customers that cannot be read."""
    places = report.certificate.neighbours if report.certificate is not None else ()
    where = f" In the order of ids they stand next to: {', '.join(places)}." if places else ""
    return (
        f"{report.unread:,} could not be read: Dub answers 422 for customers without externalId, "
        f"and for every page with one of them.{where} Set their externalId in Dub, then load again."
    )
