"""Telling people how it goes: progress, errors, exit codes."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from dub_source.cli.json_log import log, logged, logs_json
from dub_source.cli.streams import silence, tell
from dub_source.events import Events
from dub_source.failures import ExitCode, describe, explain
from dub_source.process import sigterm_as_exception

if TYPE_CHECKING:
    from rich.progress import Progress

    from dub_source.sync import Observer, Report

P = ParamSpec("P")


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


def say_result(
    values: dict[str, Any],
    words: Callable[[], str],
    code: int,
    *,
    as_json: bool,
    logged: dict[str, Any] | None = None,
) -> None:
    """Print a result as JSON or in words; and log it, where logs are asked for, instead of the words.

    Raises:
        BrokenPipeError: if nobody reads any more.
        OutputFailed: if standard output cannot be written.
    """
    if logs_json():
        log({"event": "done", "exit_code": int(code), **(values if logged is None else logged)})
    if as_json:
        say(json.dumps(values))
    elif not logs_json():
        say(words())


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
            code = ExitCode.UNEXPECTED
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - one sentence, whatever it is
            code = _report(error)
        sys.exit(code)

    return wrapped


def _report(error: BaseException) -> int:
    failure = explain(error)
    details = describe(error) if os.environ.get("DUB_SOURCE_DEBUG") else None
    if logs_json():
        more = {} if details is None else {"details": details}
        log({"event": "failed", "exit_code": int(failure.exit_code), "error": failure.sentence, **more})
        return failure.exit_code
    if details is not None:
        tell(details)
    interrupted = failure.exit_code in (ExitCode.INTERRUPTED, ExitCode.TERMINATED)
    tell(failure.sentence if interrupted else f"Error: {failure.sentence}")
    return failure.exit_code


@contextmanager
def progress(*, quiet: bool) -> Iterator[Observer | None]:
    """An observer that draws a bar on a terminal, writes plain lines elsewhere, or nothing if quiet."""
    if logs_json():
        with logged() as observer:
            yield observer
    elif quiet:
        yield None
    elif sys.stderr.isatty():
        with progress_bar() as bar:
            yield _Bar(bar)
    else:
        yield Events(_tell_event)


def progress_bar() -> Progress:
    """A bar on standard error with an estimated end; a context manager."""
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

    def begins(self, report: Report) -> None:
        pass

    def expecting(self, customers: int | None) -> None:
        self._bar.update(self._task, total=customers)

    def read(self, customers: int) -> None:
        self._bar.update(self._task, completed=customers)

    def ended(self) -> None:
        self._bar.update(self._task, description="Loading what has changed")


def _tell_event(event: Mapping[str, Any]) -> None:
    if words := event_in_words(event):
        tell(words)


def event_in_words(event: Mapping[str, Any]) -> str:
    """What a load tells (:mod:`dub_source.events`); nothing where that is not worth a line."""
    match event["event"], event.get("customers"):
        case "expecting", None:
            return "Reading customers"
        case "expecting", customers:
            return f"Reading {customers:,} customers"
        case "reading", customers:
            of = "" if event["of"] is None else f" of {event['of']:,}"
            return f"Read {customers:,}{of} customers"
        case "loading", customers:
            return f"Read {customers:,} customers; loading what has changed"
    return ""


def found_by_the_shell() -> list[str]:
    """What to type first, so that the shell finds dub-source: nothing, where it does.

    ``make demo`` and ``.venv/bin/dub-source`` call a program that is not in the PATH.
    """
    if shutil.which("dub-source") is not None:
        return []
    return [f'export PATH="{Path(sys.executable).parent}:$PATH"']


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
