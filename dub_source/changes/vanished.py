"""How many customers may vanish at once before a person has to look."""

import math
from dataclasses import dataclass

from dub_source.errors import OtherWorkspace, SettingsError, TooManyVanished

DEFAULT_SHARE = 0.1
"""Of the known customers, those that may vanish at once."""


@dataclass(frozen=True, slots=True)
class VanishLimit:
    """Stops a run that would mark too many customers as deleted. Nothing is written then.

    Allowed are ``share`` of the known customers, and in any case ``floor``, so that a small workspace can
    lose one of its three; but not more than ``count`` if that is given. ``accepted`` is what a person allowed
    after a look, for one run.

    The two hard stops hold below the floor, too: only ``accepted`` lifts them, and only for so many.

    Raises:
        SettingsError: if a number cannot be right.
    """

    share: float = DEFAULT_SHARE
    count: int | None = None
    floor: int = 10
    accepted: int | None = None

    def __post_init__(self) -> None:
        if not _is_number(self.share) or not 0 <= self.share <= 1:
            raise SettingsError("The share of customers that may vanish must be a number from 0 to 1.")
        if not _are_whole(self.count, self.accepted):
            raise SettingsError("A number of customers that may vanish must be a whole number.")
        if min(self.floor, self.count or 0, self.accepted or 0) < 0:
            raise SettingsError("A number of customers that may vanish must not be negative.")

    def check(self, *, known: int, vanished: int) -> None:
        """Raise TooManyVanished if more customers have vanished than are allowed to.

        Args:
            known: customers that the destination has and that are not marked as deleted.
            vanished: those of them that are gone.
        """
        # A millionth: 0.29 * 100 is 28.999999999999996.
        allowed = max(math.floor(self.share * known + 1e-6), self.floor)
        if self.count is not None:
            allowed = min(allowed, self.count)
        allowed = max(allowed, self.accepted or 0)
        if vanished > allowed:
            raise TooManyVanished(
                f"{vanished:,} of the {known:,} known customers were not met in Dub, and at most {allowed:,} "
                "may be marked as deleted at once, so nothing was changed: if they were meant to be deleted, "
                f"run the same again with --accept-vanished {vanished}."
            )

    def check_answer(self, *, known: int, read: int) -> None:
        """Raise TooManyVanished if Dub shows nobody while customers are known.

        Args:
            known: as in :meth:`check`.
            read: customers that the sweep met.
        """
        if read == 0 and not self._all_accepted(known):
            raise TooManyVanished(
                f"Dub shows no customer at all, and {known:,} are known, so nothing was changed: if all of "
                f"them were meant to be deleted, run the same again with --accept-vanished {known}."
            )

    def check_workspace(self, *, known: int, alive: int) -> None:
        """Raise OtherWorkspace if nobody of a sample of the known customers is in the workspace.

        Args:
            known: as in :meth:`check`.
            alive: how many of the sample are there (those that Dub cannot show are).
        """
        if alive == 0 and not self._all_accepted(known):
            raise OtherWorkspace(
                "The API key leads to a workspace that has none of the customers that were asked for out of "
                f"{known:,} known ones, so nothing was changed: check that the key belongs to the workspace "
                "of this dataset, or load another workspace into another dataset; if really all known "
                f"customers were deleted, run the same again with --accept-vanished {known}."
            )

    def _all_accepted(self, known: int) -> bool:
        return known <= (self.accepted or 0)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _are_whole(*values: object) -> bool:
    return all(each is None or type(each) is int for each in values)
