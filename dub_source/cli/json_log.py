"""``--log-json``: what would be told in words, as JSON lines on standard error.

A line has ``time`` (UTC), ``level`` (info, warning, error), ``event``, and what belongs to that event (see
:mod:`dub_source.events`); nothing about people. The last one is ``done`` or ``failed``, with ``exit_code``;
with several workspaces there is one for each of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from dub_source.cli.streams import tell
from dub_source.events import SECONDS_BETWEEN_EVENTS, Events, warnings_as_events

if TYPE_CHECKING:
    from dub_source.reverse.model import Result
    from dub_source.sync import Observer

_ON = "dub_source.log_json"
_LEVELS = {"failed": "error", "warning": "warning"}


def _switch_on(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        context.meta[_ON] = True


log_json_option: Callable[[Any], Any] = click.option(
    "--log-json",
    is_flag=True,
    expose_value=False,
    callback=_switch_on,
    help="Tell progress, warnings, outcome and errors as JSON lines on standard error.",
)


def logs_json() -> bool:
    """Whether this command was asked to."""
    context = click.get_current_context(silent=True)
    return context is not None and _ON in context.meta


def log(event: Mapping[str, Any]) -> None:
    """Write a line."""
    level = _LEVELS.get(event["event"], "info")
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    tell(json.dumps({"time": now, "level": level, **event}))


@contextmanager
def logged() -> Iterator[Observer]:
    """An observer of a load whose events become lines; warnings, too."""
    with warnings_as_events(log):
        yield Events(log)


class LoggedApply:
    """An observer of an apply whose events become lines."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = clock()

    def begins(self, changes: int, requests_per_s: float | None) -> None:
        """See :class:`~dub_source.reverse.apply.ApplyObserver`."""
        log({"event": "begins", "changes": changes, "requests_per_second": requests_per_s})

    def settled(self, counts: Mapping[Result, int]) -> None:
        """See :class:`~dub_source.reverse.apply.ApplyObserver`."""
        if self._clock() - self._last >= SECONDS_BETWEEN_EVENTS:
            self._last = self._clock()
            log({"event": "applying", "counts": {each.value: number for each, number in counts.items()}})
