"""What those who watch are told of every run: spans, metrics, and a line to a webhook when one has failed.

The line goes where dlt's own setting ``runtime.slack_incoming_hook`` says: Slack, or whatever takes
``{"text": ...}``. Nothing here is about people.
"""

import functools
import html
import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar, runtime_checkable
from urllib.parse import urlsplit

import dlt
import requests

from dub_source import telemetry
from dub_source.client.transport import quiet_urllib3
from dub_source.destinations import Target
from dub_source.failures import ExitCode, Failure, cause, explain

P = ParamSpec("P")
R = TypeVar("R")

_PASSES = (ExitCode.OK, ExitCode.RUNNING, ExitCode.OUT_OF_TIME, ExitCode.INTERRUPTED, ExitCode.TERMINATED)
"""After these nobody need be told: the next run does what this one did not, or somebody has ended it."""

_HOOK = "runtime.slack_incoming_hook"
_TIMEOUT_S = (3.0, 5.0)

_within = threading.local()
_logger = logging.getLogger("dub_source")


def observed(command: str, *, only_with: str | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """For a run whose first argument is its ``target``.

    Args:
        command: its name.
        only_with: the argument without which it changes nothing, and what it finds is no failure.
    """

    def decorate(run: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(run)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            target: Any = kwargs.get("target") or next(iter(args), None)
            outermost, _within.run = not getattr(_within, "run", False), True
            began = time.monotonic()
            failure: Failure | None = None
            try:
                with telemetry.span(f"dub_source {command}", _place(target)) as span:
                    try:
                        result = run(*args, **kwargs)
                    except BaseException as error:
                        failure = explain(error)
                        span.failed(type(cause(error)).__name__, failure.sentence)
                        raise
                    if only_with is None or kwargs.get(only_with):
                        failure = _failure_of(result)
                    if isinstance(result, Counted):
                        _count(result.measured(), target, span)
                    if failure is not None:
                        span.failed(failure.exit_code.name, failure.sentence)
                return result
            finally:
                code = ExitCode.OK if failure is None else failure.exit_code
                seconds = time.monotonic() - began
                about: telemetry.Attributes = {
                    "dub_source.command": command,
                    "dub_source.exit_code": int(code),
                }
                telemetry.record("dub_source.run.duration", seconds, about)
                if outermost:
                    _within.run = False
                    if failure is not None and code not in _PASSES:
                        _notify(command, target, failure)

        return wrapped

    return decorate


@runtime_checkable
class Counted(Protocol):
    """A result of which there is something to count."""

    def measured(self) -> telemetry.Measured:
        """What spans and counters are told."""


def _count(measured: telemetry.Measured, target: Target, span: telemetry.Telling) -> None:
    numbers = {f"dub_source.{what}": number for what, number in measured.numbers.items()}
    span.know({**measured.attributes, **numbers})
    for what, number in measured.numbers.items():
        telemetry.count(measured.counter, number, {measured.by: what, "dub_source.dataset": target.dataset})


def _place(target: Target) -> Mapping[str, str]:
    return {"dub_source.destination": target.destination, "dub_source.dataset": target.dataset}


def _failure_of(result: object) -> Failure | None:
    """What a run that has ended in good order has left undone."""
    code = getattr(result, "exit_code", ExitCode.OK)
    if code == ExitCode.OK:
        return None
    stopped_by = getattr(result, "stopped_by", None)
    return (
        explain(stopped_by)
        if stopped_by is not None
        else Failure(f"{code.meaning[0].upper()}{code.meaning[1:]}.", code)
    )


def _notify(command: str, target: Target, failure: Failure) -> None:
    """Post a line; what becomes of it changes nothing in the run."""
    try:
        trouble = _posted(
            f"dub-source {command} into {target.dataset} ({target.destination}) ended with exit code "
            f"{int(failure.exit_code)}: {failure.sentence}"
        )
    except Exception as error:  # noqa: BLE001 - dlt's settings may be unreadable, for one
        # Then the run has most likely failed by that itself, and has said so.
        trouble = type(error).__name__ if failure.exit_code != ExitCode.SETTINGS else None
    if trouble is not None:
        _logger.warning("The address of %s did not take the line about this failure (%s).", _HOOK, trouble)


def _posted(line: str) -> str | None:
    """Post it if there is somewhere to; what was wrong, without the address, which is a secret."""
    hook = dlt.secrets.get(_HOOK, str)
    if not hook:
        return None
    parts = urlsplit(hook)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return "it must be an https address"
    text = html.escape(line, quote=False)
    # Whoever watches HTTP libraries, or has their log lines, would have the address. The answer is not read.
    with (
        telemetry.unseen(),
        quiet_urllib3(),
        requests.post(
            hook, json={"text": text}, timeout=_TIMEOUT_S, allow_redirects=False, stream=True
        ) as answer,
    ):
        return None if answer.ok and not answer.is_redirect else f"status {answer.status_code}"
