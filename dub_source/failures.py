"""From whatever went wrong to one sentence and an exit code."""

import errno
import signal
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

from dub_source.destinations.duckdb_waiting import is_in_use
from dub_source.disk import out_of_room
from dub_source.errors import (
    AlreadyRunning,
    DestinationError,
    DubError,
    Forbidden,
    InvalidArgument,
    InviteExpired,
    InvitePending,
    OtherWorkspace,
    OutOfTime,
    PlanRefused,
    RequestError,
    SettingsError,
    SpoolError,
    TooManyVanished,
    Unauthorized,
    UnknownFormat,
    WalkIncomplete,
    WorkspaceNotFound,
)
from dub_source.settings import NO_KEY


class ExitCode(IntEnum):
    """What a process of ours ends with, and what that means."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """A member that is the number and knows its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "everything is done: in the destination; after an apply, in Dub, too"
    UNEXPECTED = 1, "unexpected trouble"
    SETTINGS = 2, "a setting or an argument is missing or wrong; nothing was sent"
    INCOMPLETE = 3, "incomplete: some customers could not be read, or the walk must be repeated"
    REFUSED = 4, "Dub refuses the key, its plan or its role"
    UNAVAILABLE = 5, "Dub cannot be reached, fails, or the address is not Dub's API; try again later"
    DESTINATION = 6, "the destination cannot be used"
    RUNNING = 7, "another load into the same place is running; nothing was sent"
    STOPPED = 8, "stopped before anything was changed: by a guard of a plan, too many gone, another workspace"
    NOT_ALL = 9, "not all of a plan is in effect: rejected, drifted, ignored by Dub or not attempted"
    ATTENTION = 10, "somebody should look: what status found is too old, unproven, rejected or not ended"
    OUT_OF_TIME = 124, "the time given by --max-seconds is up; nothing is half-written, the next run goes on"
    INTERRUPTED = 130, "interrupted (Ctrl-C, SIGINT); nothing is half-written"
    TERMINATED = 143, "ended by SIGTERM; nothing is half-written"

    @property
    def retryable(self) -> bool:
        """Whether the same again may go through, without a person having done something about it.

        To try again is safe in any case. It is only in vain after these.
        """
        return self not in (
            ExitCode.OK,
            ExitCode.SETTINGS,
            ExitCode.REFUSED,
            ExitCode.STOPPED,
            ExitCode.NOT_ALL,
            ExitCode.ATTENTION,
        )


_CODES: tuple[tuple[type[DubError], ExitCode], ...] = (
    (AlreadyRunning, ExitCode.RUNNING),
    (SettingsError, ExitCode.SETTINGS),
    (InvalidArgument, ExitCode.SETTINGS),
    (DestinationError, ExitCode.DESTINATION),
    (SpoolError, ExitCode.DESTINATION),
    (TooManyVanished, ExitCode.STOPPED),
    (OtherWorkspace, ExitCode.STOPPED),
    (PlanRefused, ExitCode.STOPPED),
    (WalkIncomplete, ExitCode.INCOMPLETE),
    (OutOfTime, ExitCode.OUT_OF_TIME),
    (Unauthorized, ExitCode.REFUSED),
    (Forbidden, ExitCode.REFUSED),
    (WorkspaceNotFound, ExitCode.REFUSED),
    (InvitePending, ExitCode.REFUSED),
    (InviteExpired, ExitCode.REFUSED),
    # What is left is an answer that Dub's API does not give to these requests (not that API, then), or none.
    (RequestError, ExitCode.UNAVAILABLE),
    (UnknownFormat, ExitCode.UNAVAILABLE),
)
"""The first class that fits decides."""


_EXTRAS = {"dlt[postgres]": "dub-source[postgres]"}
"""Ours bring more than dlt's."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One sentence for a person, one number for a machine."""

    sentence: str
    exit_code: ExitCode


class Terminated(KeyboardInterrupt):
    """SIGTERM, for programs that turn it into an exception to end in good order."""

    signal_code = signal.SIGTERM


def explain(error: BaseException) -> Failure:
    """Find the error of ours behind whatever dlt wrapped around it, and say what it means."""
    chain = causes(error)
    for each in chain:
        if isinstance(each, KeyboardInterrupt):
            # dlt's own kind of it knows which signal it was.
            term = getattr(each, "signal_code", signal.SIGINT) == signal.SIGTERM
            code = ExitCode.TERMINATED if term else ExitCode.INTERRUPTED
            return Failure("Interrupted; nothing is half-written.", code)
    for each in chain:
        if isinstance(each, DubError):
            return Failure(str(each), _code(each))
    for about, code in (
        (_about_configuration, ExitCode.SETTINGS),
        (_about_disk, ExitCode.DESTINATION),
        (_about_destination, ExitCode.DESTINATION),
    ):
        if sentence := about(chain):
            return Failure(sentence, code)
    return Failure(
        f"Unexpected trouble ({type(error).__name__}): DUB_SOURCE_DEBUG=1 shows details; please report it.",
        ExitCode.UNEXPECTED,
    )


def describe(error: BaseException) -> str:
    """Which errors led to this one, and where, the first cause first; for finding a fault.

    Only what this package raised is quoted. The words of others may hold rows, addresses and passwords, and
    so may the lines of their programs; what is left are the classes of errors, the system's names of what
    went wrong (ENOSPC), and files, lines, functions.
    """
    lines = []
    for each in reversed(causes(error)):
        lines += [
            f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}'
            for frame, line in traceback.walk_tb(each.__traceback__)
        ]
        name = f"{type(each).__module__}.{type(each).__qualname__}"
        if isinstance(each, OSError) and (code := errno.errorcode.get(each.errno or 0)):
            name += f" ({code})"
        lines.append(f"{name}: {each}" if isinstance(each, DubError) else name)
    return "\n".join(lines)


def _about_destination(chain: list[BaseException]) -> str | None:
    """Trouble with the place to load into. Never its text, which may hold rows, addresses or passwords."""
    from dlt.common.exceptions import MissingDependencyException
    from dlt.destinations.exceptions import DestinationConnectionError
    from dlt.pipeline.exceptions import PipelineStepFailed

    for each in chain:
        if isinstance(each, MissingDependencyException):
            extras = [_EXTRAS.get(name, name) for name in each.dependencies]
            return f"The destination needs more packages: pip install '{' '.join(extras)}'."
        if is_in_use(each):
            return "The database file is in use by another program: close it there, then run the same again."
    if any(
        isinstance(each, DestinationConnectionError)
        or type(each).__module__.startswith("psycopg2")
        or (isinstance(each, PipelineStepFailed) and each.step in ("sync", "load"))
        for each in chain
    ):
        return (
            f"The destination could not be reached or failed ({type(chain[-1]).__name__}): nothing is "
            "half-written; check its configuration and run the same again. DUB_SOURCE_DEBUG=1 shows details."
        )
    return None


def _about_disk(chain: list[BaseException]) -> str | None:
    for each in chain:
        if trouble := out_of_room(each):
            return f"{trouble}, then run the same again; nothing is half-written."
    return None


def _about_configuration(chain: list[BaseException]) -> str | None:
    """What dlt misses in its configuration; names of settings only, because the values may be secret."""
    from dlt.common.configuration.exceptions import (
        ConfigFieldMissingException,
        ConfigValueCannotBeCoercedException,
        ValueNotSecretException,
    )
    from dlt.common.configuration.providers.toml import TomlProviderReadException

    for error in chain:
        if isinstance(error, ConfigFieldMissingException):
            return _about_missing(_leaves(error.traces))
        if isinstance(error, ConfigValueCannotBeCoercedException):
            return (
                f"The setting {error.field_name} has a value of the wrong type: "
                "correct it in .dlt/ or the environment."
            )
        if isinstance(error, ValueNotSecretException):
            return f"The setting {error.key} is secret: move it from .dlt/config.toml to .dlt/secrets.toml."
        if isinstance(error, TomlProviderReadException):
            return (
                f"The file .dlt/{error.file_name} is not valid TOML: correct it, or start from the example."
            )
        if isinstance(error, ValueError) and _is_about_webhook(error):
            return (
                "The setting slack_incoming_hook is no address: give it one that begins with https:// "
                "in .dlt/ or the environment, or leave it out."
            )
    return None


def _is_about_webhook(error: BaseException) -> bool:
    """dlt takes for encoded what is no address, such as "true", and tells nobody which setting that is."""
    return any(
        frame.f_code.co_name == "reveal_pseudo_secret" for frame, _ in traceback.walk_tb(error.__traceback__)
    )


def _about_missing(names: set[str]) -> str:
    if "api_key" in names:
        return NO_KEY
    return (
        f"The configuration of the destination lacks {', '.join(sorted(names))}: set it in "
        ".dlt/secrets.toml or the environment (dlt's documentation of the destination says how), "
        "then run the same again."
    )


def _leaves(traces: Mapping[str, Any]) -> set[str]:
    """The names of the fields that dlt looked for in vain, those of nested configurations included."""
    names: set[str] = set()
    for name, entries in traces.items():
        nested = [each.traces for each in entries if hasattr(each, "traces")]
        names |= set().union(*map(_leaves, nested)) if nested else {name}
    return names


def cause(error: BaseException) -> BaseException:
    """The error of ours behind what dlt wrapped around it; else the one that began it all."""
    chain = causes(error)
    return next((each for each in chain if isinstance(each, DubError)), chain[-1])


def causes(error: BaseException | None) -> list[BaseException]:
    """The error and what it was raised from, outermost first."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _code(error: DubError) -> ExitCode:
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.UNEXPECTED)
