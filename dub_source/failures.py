"""From whatever went wrong to one sentence and an exit code."""

from dataclasses import dataclass
from enum import IntEnum

from dub_source.errors import DestinationError, DubError, Kind, SettingsError, WalkIncomplete


class ExitCode(IntEnum):
    """What a process of ours ends with."""

    OK = 0
    UNEXPECTED = 1
    """Something that should not happen."""
    SETTINGS = 2
    """A setting or an argument is missing or wrong; nothing was sent."""
    INCOMPLETE = 3
    """Loaded, but some customers could not be read; or nothing loaded, because the walk lost its place."""
    REFUSED = 4
    """Dub refuses the key, its plan or its role."""
    UNAVAILABLE = 5
    """Dub could not be reached, failed, or answered something that is not its API; try again later."""
    DESTINATION = 6
    """The destination cannot be used."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One sentence for a person, one number for a machine."""

    sentence: str
    exit_code: ExitCode


def explain(error: BaseException) -> Failure:
    """Find the error of ours behind whatever dlt wrapped around it, and say what it means."""
    for each in _chain(error):
        if isinstance(each, DubError):
            return Failure(str(each), _code(each))
    for each in _chain(error):
        if type(each).__module__.partition(".")[0] in _DESTINATION_MODULES or isinstance(each, OSError):
            return Failure(
                f"The destination failed while the customers were loaded ({type(each).__name__}): nothing is "
                "half-written, dlt loads again at the next run; set DUB_SOURCE_DEBUG=1 for details.",
                ExitCode.DESTINATION,
            )
    return Failure(
        f"Unexpected trouble ({type(error).__name__}): set DUB_SOURCE_DEBUG=1 for details, and please report it.",
        ExitCode.UNEXPECTED,
    )


_DESTINATION_MODULES = ("duckdb", "_duckdb", "psycopg2", "sqlalchemy", "adbc_driver_manager")


def _chain(error: BaseException | None) -> list[BaseException]:
    """The error and what it was raised from, outermost first."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _code(error: DubError) -> ExitCode:
    if isinstance(error, SettingsError):
        return ExitCode.SETTINGS
    if isinstance(error, DestinationError):
        return ExitCode.DESTINATION
    if isinstance(error, WalkIncomplete):
        return ExitCode.INCOMPLETE
    return ExitCode.UNAVAILABLE if error.kind is Kind.RETRYABLE else ExitCode.REFUSED
