"""Whether a run reads everything or only what is new: a function of values."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias, get_args

from dub_source.errors import SettingsError
from dub_source.state import State

Mode: TypeAlias = Literal["auto", "incremental", "full"]
"""What a run is asked for."""
Kind: TypeAlias = Literal["incremental", "full"]
"""What a run is."""

DEFAULT_SWEEP_EVERY_H = 24.0
_FIRST_RETRY = 1 / 24
"""After a sweep that failed, ``auto`` tries again after this share of the interval, then after twice that."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a run does, and why, in words for people."""

    kind: Kind
    reason: str


def checked_mode(mode: object) -> Mode:
    """A mode, or SettingsError."""
    if mode not in get_args(Mode):
        raise SettingsError(f"The mode must be one of {', '.join(get_args(Mode))}.")
    return mode  # type: ignore[return-value]  # it is one of them


def decide(mode: Mode, state: State, *, baseline: str, sweep_every_h: float, now: datetime) -> Decision:
    """What to do now.

    Args:
        mode: what is asked for.
        state: what the runs before have left.
        baseline: the form in which rows are stored now.
        sweep_every_h: hours from one sweep to the next in mode ``auto``.
        now: UTC.
    """
    if mode == "full":
        return Decision("full", "asked for")
    if state.frontier is None:
        return Decision("full", "the first sweep of this table")
    if state.baseline != baseline:
        return Decision("full", "the columns to load have been changed")
    if mode == "incremental":
        return Decision("incremental", "asked for")
    due = next_sweep(state, sweep_every_h=sweep_every_h)
    if now >= due or _from_the_future(state, now):
        return Decision("full", "a sweep is due")
    return Decision("incremental", f"the next sweep is due at {due:%Y-%m-%d %H:%M} UTC")


def next_sweep(state: State, *, sweep_every_h: float) -> datetime:
    """When mode ``auto`` sweeps next.

    A sweep that ended, with a certificate or with customers that nobody can read, is not repeated before its
    time. One that failed is: soon at first, then after longer and longer pauses. So is one after which a run
    may have missed somebody.
    """
    tried = state.sweep_tried_at
    if tried is None:
        return datetime.min.replace(tzinfo=UTC)
    failures = max(state.sweep_failures, int(state.doubt))
    if not failures:
        return tried + timedelta(hours=sweep_every_h)
    pause = sweep_every_h * min(1.0, _FIRST_RETRY * 2.0 ** min(failures - 1, 10))
    return tried + timedelta(hours=pause)


def _from_the_future(state: State, now: datetime) -> bool:
    """A clock that was wrong then or is now must not put the next sweep off for years."""
    return state.sweep_tried_at is not None and state.sweep_tried_at > now + timedelta(hours=1)
