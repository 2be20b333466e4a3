"""What a run may do and how it stores rows."""

import hashlib
from dataclasses import dataclass, field

from dub_source.changes import VanishLimit
from dub_source.deadline import check_seconds
from dub_source.errors import SettingsError
from dub_source.incremental import DEFAULT_OVERLAP_S, DEFAULT_REFRESH_REQUESTS
from dub_source.privacy import Privacy
from dub_source.schedule import DEFAULT_SWEEP_EVERY_H, Mode
from dub_source.selection import Selection

_HASH_VERSION = 1
"""Of everything that decides what a row's hash is; another number makes every row a row of another form."""


BASELINE_LENGTH = 8
"""Characters of a baseline, the first of every ``row_hash``."""
_A_CENTURY_S = 100 * 366 * 24 * 3600.0
"""Sums of times and longer durations are no dates any more."""


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of a run.

    Attributes:
        mode: full, incremental, or auto.
        sweep_every_h: hours between the sweeps of mode auto.
        page_size: customers a request.
        expanded: whether link, partner and discount come along.
        overlap_s: how far an incremental run looks back, for customers that appeared late.
        refresh_requests: requests of an incremental run for reading known customers again.
        selection: which customers are wanted; a table of some has neither history nor deletes.
        privacy: columns that are left out or hashed.
        limit: how many customers may vanish at once.
        max_seconds: after which it reads on no more; None: never.
    """

    mode: Mode = "auto"
    sweep_every_h: float = DEFAULT_SWEEP_EVERY_H
    page_size: int = 100
    expanded: bool = True
    overlap_s: float = DEFAULT_OVERLAP_S
    refresh_requests: int = DEFAULT_REFRESH_REQUESTS
    selection: Selection = field(default_factory=Selection)
    privacy: Privacy = field(default_factory=Privacy)
    limit: VanishLimit = field(default_factory=VanishLimit)
    max_seconds: float | None = None

    def __post_init__(self) -> None:
        if not _is_whole(self.page_size) or not 1 <= self.page_size <= 100:
            raise SettingsError("The page_size must be a whole number from 1 to 100.")
        if not _is_whole(self.refresh_requests) or self.refresh_requests < 0:
            raise SettingsError("The setting refresh_requests must be a whole number from 0 up.")
        for name, value, unit, most in (
            ("sweep_every", self.sweep_every_h, "hours", _A_CENTURY_S / 3600),
            ("overlap", self.overlap_s, "seconds", _A_CENTURY_S),
        ):
            if not _is_number(value) or not 0 <= value < most:
                raise SettingsError(f"The setting {name} must be a number of {unit} from 0 up.")

        check_seconds(self.max_seconds)

    @property
    def baseline(self) -> str:
        """The form of the rows in short: rows of two forms cannot be compared by their hashes."""
        form = f"{_HASH_VERSION} {self.expanded} {self.privacy.fingerprint}"
        return hashlib.sha256(form.encode()).hexdigest()[:BASELINE_LENGTH]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
