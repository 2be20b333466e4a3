"""Telling people what a plan does, and how an apply gets on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dub_source.cli.json_log import LoggedApply, log, logs_json
from dub_source.cli.options import here
from dub_source.cli.reporting import progress_bar
from dub_source.cli.streams import tell
from dub_source.events import SECONDS_BETWEEN_EVENTS, warnings_as_events

if TYPE_CHECKING:
    from rich.progress import Progress

    from dub_source.reverse.apply import ApplyObserver
    from dub_source.reverse.model import Result
    from dub_source.runs import ApplyResult, PlanResult, Trouble


def about_plan(result: PlanResult, workspace: str | None = None) -> str:
    """A plan in some lines, and how to go on."""
    lines = result.summary.lines()
    if not result.plan.changes:
        return "\n".join([*lines, "There is nothing to change."])
    if result.results:
        lines.append(f"It was begun before: {_counted(result.results)}.")
    if result.finished:
        lines += [
            "It is finished; what was rejected can be sent again:",
            f"  {apply_command(result, workspace, rejected=True)}",
        ]
    else:
        lines += ["Nothing has been written to Dub. Apply it:", f"  {apply_command(result, workspace)}"]
    return "\n".join(lines)


def about_apply(result: ApplyResult, workspace: str | None = None) -> str:
    """What an apply came to, in some lines, and how to go on."""
    plan = result.plan
    lines = [f"{plan.plan_id}: {plan.changes:,} changes: {_counted(result.counts) or 'nothing to do'}."]
    lines += [f"  {_about(each)}" for each in result.troubles]
    lines.append(f"{result.report.requests:,} requests, {result.seconds:.1f} s.")
    if result.stopped_by is not None:
        lines.append(f"Stopped: {result.stopped_by}")
    counts = {each.value: number for each, number in result.counts.items()}
    if result.stopped_by is not None or counts.get("not_attempted"):
        lines += ["Go on with the rest:", f"  {apply_command(result, workspace)}"]
    elif counts.get("rejected"):
        lines += [
            "Send again what was rejected:",
            f"  {apply_command(result, workspace, rejected=True)}",
        ]
    return "\n".join(lines)


def apply_command(result: PlanResult | ApplyResult, workspace: str | None, *, rejected: bool = False) -> str:
    """What to type to apply a plan, or what was rejected of it."""
    if result.plan.erases:  # By the names that it was made for, which are stored nowhere.
        command = "dub-source erase --from FILE --yes"
    else:
        command = f"dub-source apply {result.plan.plan_id}{' --retry-rejected' if rejected else ''}"
    return here(command, workspace, result.target)


def _counted(counts: Mapping[Result, int]) -> str:
    return ", ".join(f"{number:,} {result.value}" for result, number in counts.items() if number)


def _about(trouble: Trouble) -> str:
    answer = " ".join(str(each) for each in (trouble.status, trouble.code) if each is not None)
    example = f"such as {trouble.customer_id}" if trouble.customer_id else ""
    facts = ", ".join(filter(None, (answer, example)))
    return (
        f"{trouble.changes:,} {trouble.result.value}: {trouble.reason or 'no reason given.'}"
        f"{f' ({facts})' if facts else ''}"
    )


@contextmanager
def apply_progress(*, quiet: bool) -> Iterator[ApplyObserver | None]:
    """An observer that draws a bar on a terminal, writes plain lines elsewhere, or nothing if quiet."""
    if logs_json():
        with warnings_as_events(log):
            yield LoggedApply()
    elif quiet:
        yield None
    elif sys.stderr.isatty():
        with progress_bar() as bar:
            yield _Bar(bar)
    else:
        yield _Lines(time.monotonic)


class _Bar:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("Looking at the plan", total=None)

    def begins(self, changes: int, requests_per_s: float | None) -> None:
        self._bar.update(self._task, description="Applying changes", total=changes)

    def settled(self, counts: Mapping[Result, int]) -> None:
        self._bar.update(self._task, completed=sum(counts.values()))


class _Lines:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = self._last = clock()
        self._changes = 0

    def begins(self, changes: int, requests_per_s: float | None) -> None:
        self._changes, self._began = changes, self._clock()
        at = f", about {changes / requests_per_s:,.0f} s at the key's limit" if requests_per_s else ""
        self._say(f"Applying {changes:,} changes{at}")

    def settled(self, counts: Mapping[Result, int]) -> None:
        settled = min(sum(counts.values()), self._changes)
        if settled and self._clock() - self._last >= SECONDS_BETWEEN_EVENTS:
            left = (self._clock() - self._began) / settled * (self._changes - settled)
            self._say(f"Settled {settled:,} of {self._changes:,} changes, about {left:,.0f} s left")

    def _say(self, text: str) -> None:
        self._last = self._clock()
        tell(text)
