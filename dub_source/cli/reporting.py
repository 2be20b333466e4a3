"""Telling people how it goes: progress, errors, exit codes."""

from __future__ import annotations

import functools
import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from dub_source.cli.streams import sigterm_as_exception, silence, tell

if TYPE_CHECKING:
    from rich.progress import Progress

    from dub_source.observer import Observer
    from dub_source.runs import LoadResult
    from dub_source.types import ClientStats
    from dub_source.walk import Certificate

P = ParamSpec("P")
_SECONDS_BETWEEN_LINES = 5.0


class OutputFailed(Exception):
    """The work is done, but its result cannot be printed."""


def say(text: str) -> None:
    """Print a result.

    Raises:
        BrokenPipeError: if nobody reads any more.
        OutputFailed: if standard output cannot be written.
    """
    try:
        click.echo(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputFailed(
            f"The result could not be written to the standard output ({error.strerror}); "
            "what it tells about is done."
        ) from None


def exit_on_error(command: Callable[P, int]) -> Callable[P, None]:
    """Turn whatever a command raises into one sentence on stderr and a documented exit code."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with sigterm_as_exception():
                code = command(*args, **kwargs)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except OutputFailed as error:
            tell(f"Error: {error}")
            silence(sys.stdout)
            code = 1
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - one sentence, whatever it is
            code = _report(error)
        sys.exit(code)

    return wrapped


def _report(error: BaseException) -> int:
    from dub_source.failures import ExitCode, describe, explain

    failure = explain(error)
    if os.environ.get("DUB_SOURCE_DEBUG"):
        tell(describe(error))
    interrupted = failure.exit_code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
    tell(failure.sentence if interrupted else f"Error: {failure.sentence}")
    return failure.exit_code


@contextmanager
def unhurried_garbage_collector() -> Iterator[None]:
    """Keep the collector off the thousands of objects that heavy imports leave for good.

    Measured on whole commands: a quarter of the CPU time of an empty load, a fifth of one of 20,000 rows.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextmanager
def progress(*, quiet: bool) -> Iterator[Observer | None]:
    """An observer that draws a bar on a terminal, writes plain lines elsewhere, or nothing if quiet."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as bar:
            yield _Bar(bar)
    else:
        yield _Lines(time.monotonic)


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


class _Bar:
    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("Reading customers", total=None)

    def expecting(self, customers: int | None) -> None:
        self._bar.update(self._task, total=customers)

    def read(self, customers: int) -> None:
        self._bar.update(self._task, completed=customers)

    def ended(self, certificate: Certificate, stats: ClientStats) -> None:
        self._bar.update(
            self._task, description="Loading them", total=certificate.rows, completed=certificate.rows
        )


class _Lines:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = clock()
        self._total: int | None = None

    def expecting(self, customers: int | None) -> None:
        self._total = customers
        self._say("Reading customers" if customers is None else f"Reading {customers:,} customers")

    def read(self, customers: int) -> None:
        if self._clock() - self._last >= _SECONDS_BETWEEN_LINES:
            of = "" if self._total is None else f" of {self._total:,}"
            self._say(f"Read {customers:,}{of} customers")

    def ended(self, certificate: Certificate, stats: ClientStats) -> None:
        self._say(f"Read {certificate.rows:,} customers; loading them")

    def _say(self, text: str) -> None:
        self._last = self._clock()
        tell(text)


def summary(result: LoadResult) -> str:
    """The result of a load in a few lines."""
    rate = result.read / result.seconds if result.seconds else 0
    waited = (
        f", {result.throttled_s:.1f} s of them waiting for the key's rate limit" if result.throttled_s else ""
    )
    lines = [
        f"Read {result.read:,} customers in {result.requests:,} requests and {result.seconds:.1f} s"
        f"{waited} ({rate:,.0f} a second): {result.certificate}.",
        f"{result.target.location}: table {result.target.dataset}.{result.table} has {result.rows:,} rows.",
    ]
    if not result.read:
        lines.insert(1, "The workspace has no customers yet.")
    if not result.certificate.complete:
        lines.append(_unread(result))
    return "\n".join([*lines, "Try:", f"  {result.query}"])


def _unread(result: LoadResult) -> str:
    """What to do about customers that cannot be read."""
    neighbours = ", ".join(result.certificate.neighbours) or "no readable customer"
    return (
        f"{result.certificate.unread:,} could not be read: Dub answers 422 for customers without externalId, "
        f"and for every page with one of them. In the order of ids they stand next to: {neighbours}. "
        "Set their externalId in Dub, then load again."
    )


def echo_table(header: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """A small table; numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    right = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]
    for row in [list(header), *cells]:
        columns = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        click.echo("  " + "  ".join(columns).rstrip())


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.2f}" if isinstance(value, float) else str(value or "")
