"""From whatever went wrong to one sentence and an exit code."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self

from dub_source.errors import DestinationError, DubError, Kind, SettingsError, WalkIncomplete
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

    OK = 0, "everything is in the destination"
    UNEXPECTED = 1, "unexpected trouble"
    SETTINGS = 2, "a setting or an argument is missing or wrong; nothing was sent"
    INCOMPLETE = 3, "incomplete: some customers could not be read, or the walk must be repeated"
    REFUSED = 4, "Dub refuses the key, its plan or its role"
    UNAVAILABLE = 5, "Dub cannot be reached, fails, or the address is not Dub's API; try again later"
    DESTINATION = 6, "the destination cannot be used"


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
        if sentence := _about_configuration(each):
            return Failure(sentence, ExitCode.SETTINGS)
    if sentence := _about_destination(error):
        return Failure(sentence, ExitCode.DESTINATION)
    return Failure(
        f"Unexpected trouble ({type(error).__name__}): DUB_SOURCE_DEBUG=1 shows details; please report it.",
        ExitCode.UNEXPECTED,
    )


def _about_destination(error: BaseException) -> str | None:
    """Trouble with the place to load into. Never its text, which may hold rows, addresses or passwords."""
    from dlt.common.exceptions import MissingDependencyException
    from dlt.pipeline.exceptions import PipelineStepFailed

    chain = _chain(error)
    for each in chain:
        if isinstance(each, MissingDependencyException):
            return f"The destination needs more packages: pip install {' '.join(each.dependencies)}."
    if any(isinstance(each, PipelineStepFailed) and each.step in ("sync", "load") for each in chain):
        return (
            f"The destination could not be reached or failed ({type(chain[-1]).__name__}): nothing is "
            "half-written; check its configuration and run the same again. DUB_SOURCE_DEBUG=1 shows details."
        )
    return None


def _about_configuration(error: BaseException) -> str | None:
    """What dlt misses in its configuration; names of settings only, because the values may be secret."""
    from dlt.common.configuration.exceptions import (
        ConfigFieldMissingException,
        ConfigValueCannotBeCoercedException,
    )

    if isinstance(error, ConfigFieldMissingException):
        leaves = _leaves(error.traces)
        if "api_key" in leaves:
            return NO_KEY
        missing = ", ".join(sorted(leaves))
        return (
            f"The configuration of the destination lacks {missing}: set it in .dlt/secrets.toml or the "
            "environment (dlt's documentation of the destination says how), then run the same again."
        )
    if isinstance(error, ConfigValueCannotBeCoercedException):
        return (
            f"The setting {error.field_name} has a value of the wrong type: "
            "correct it in .dlt/ or the environment."
        )
    return None


def _leaves(traces: Mapping[str, Any]) -> set[str]:
    """The names of the fields that dlt looked for in vain, those of nested configurations included."""
    names: set[str] = set()
    for name, entries in traces.items():
        nested = [each.traces for each in entries if hasattr(each, "traces")]
        names |= set().union(*map(_leaves, nested)) if nested else {name}
    return names


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
    # What is merely rejected is an answer that Dub's API does not give to these requests: not that API, then.
    return ExitCode.REFUSED if error.kind is Kind.FATAL else ExitCode.UNAVAILABLE
