"""What one run leaves for the next. Lives in dlt's state, that is: in the destination, with the data."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from dub_source.errors import SettingsError
from dub_source.incremental import Frontier

VERSION = 1
"""Of the form below. Version 0, of releases that kept no state, is the empty state."""


@dataclass(frozen=True, slots=True)
class State:
    """The memory of one table. Holds ids and times, never what customers are called or how to reach them.

    Attributes:
        run: id of the last run that was loaded; None before the first.
        baseline: the form in which its rows are stored.
        frontier: up to where new customers are known; None before the first sweep has ended.
        swept_at: the begin of the last sweep that ended with a certificate.
        sweep_tried_at: the begin of the last sweep, whatever became of it.
        sweep_failures: how many sweeps in a row have failed since.
        doubt: whether a run since may have missed new customers.
        unread: customers that the last sweep could not read.
        hinted_until: up to when Dub has been asked, on its clock, whose customers have bought.
        hashed: columns that are, or were once, loaded as hashes: they cannot be compared across forms.
        refreshed: the last known customer that was read again; the next refresh goes on behind it.
    """

    run: str | None = None
    baseline: str | None = None
    frontier: Frontier | None = None
    swept_at: datetime | None = None
    sweep_tried_at: datetime | None = None
    sweep_failures: int = 0
    doubt: bool = False
    unread: int = 0
    hinted_until: datetime | None = None
    hashed: tuple[str, ...] = ()
    refreshed: str | None = None

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """The state from its stored form, an empty one included.

        Raises:
            SettingsError: if a newer version of this tool has written it.
        """
        version = stored.get("version", 0)
        if not isinstance(version, int) or version > VERSION:
            raise SettingsError(
                "A newer version of dub-source has loaded into this dataset, and this one does not know what "
                "it noted there: update dub-source, or load into another dataset."
            )
        frontier = stored.get("frontier")
        return cls(
            run=stored.get("run"),
            baseline=stored.get("baseline"),
            frontier=None if frontier is None else Frontier.from_state(frontier),
            swept_at=_moment(stored.get("swept_at")),
            sweep_tried_at=_moment(stored.get("sweep_tried_at")),
            sweep_failures=stored.get("sweep_failures", 0),
            doubt=stored.get("doubt", False),
            unread=stored.get("unread", 0),
            hinted_until=_moment(stored.get("hinted_until")),
            hashed=tuple(stored.get("hashed", ())),
            refreshed=stored.get("refreshed"),
        )

    def write(self, stored: MutableMapping[str, Any]) -> None:
        """Put the state in the place of what is stored."""
        stored.clear()
        stored.update(
            version=VERSION,
            run=self.run,
            baseline=self.baseline,
            frontier=None if self.frontier is None else dict(self.frontier.as_state()),
            swept_at=_text(self.swept_at),
            sweep_tried_at=_text(self.sweep_tried_at),
            sweep_failures=self.sweep_failures,
            doubt=self.doubt,
            unread=self.unread,
            hinted_until=_text(self.hinted_until),
            hashed=list(self.hashed),
            refreshed=self.refreshed,
        )

    def after_failed_sweep(self, tried_at: datetime) -> Self:
        """The state after a sweep that ended without a result."""
        return replace(self, sweep_tried_at=tried_at, sweep_failures=self.sweep_failures + 1)


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
