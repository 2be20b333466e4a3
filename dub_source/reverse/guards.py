"""What stops a plan, an apply or a revert as a whole: too many deletes, too old, another workspace."""

import math
from datetime import datetime, timedelta

from dub_source.errors import OtherWorkspace, StaleMirror, StalePlan, TooManyDeletes

_ALWAYS_ALLOWED = 10
"""Deletes that a share allows in any case, so that a small workspace can lose one of its three."""


def most_deletes(*, living: int, max_deletes: int | None, max_delete_share: float) -> tuple[int, str]:
    """How many customers a plan may delete, and the setting that says so.

    Args:
        living: customers of the mirror that exist.
        max_deletes: how many at most; None leaves it to the share.
        max_delete_share: of the living customers; ten may be in any case, unless it is 0.
    """
    # A millionth: 0.29 * 100 is 28.999999999999996.
    share = math.floor(max_delete_share * living + 1e-6)
    by_share = max(share, _ALWAYS_ALLOWED) if max_delete_share > 0 else 0
    if max_deletes is not None and max_deletes < by_share:
        return max_deletes, "max_deletes"
    return by_share, "max_delete_share"


def check_deletes(deletes: int, *, living: int, max_deletes: int | None, max_delete_share: float) -> None:
    """Raise TooManyDeletes if more customers would be deleted than :func:`most_deletes` says."""
    most, setting = most_deletes(living=living, max_deletes=max_deletes, max_delete_share=max_delete_share)
    if deletes > most:
        raise TooManyDeletes(
            f"{deletes:,} of {living:,} customers would be deleted, which cannot be taken back, and "
            f"{setting} allows {most:,}: check the desired state, and raise {setting} if they are meant."
        )


def check_mirror_age(loaded_at: datetime | None, *, now: datetime, max_age_h: float) -> None:
    """Raise StaleMirror if the customers were last loaded too long ago, or never completely.

    Args:
        loaded_at: when the last successful load began (UTC); None if there was none.
        now: UTC.
        max_age_h: hours.
    """
    if loaded_at is None:
        raise StaleMirror(
            "The customers have not been loaded completely yet, so there is nothing to compare with: run "
            "`dub-source load` first."
        )
    if now - loaded_at > timedelta(hours=max_age_h):
        raise StaleMirror(
            f"The customers were loaded {_hours(now - loaded_at)} hours ago, and a plan compares with none "
            f"older than {max_age_h:g} (max_mirror_age_h): run `dub-source load`, or plan with --refresh."
        )


def check_plan_age(created_at: datetime, *, now: datetime, max_age_h: float) -> None:
    """Raise StalePlan if the plan is too old to begin with it.

    Args:
        created_at: of the plan (UTC).
        now: UTC.
        max_age_h: hours.
    """
    if now - created_at > timedelta(hours=max_age_h):
        raise StalePlan(
            f"The plan was made {_hours(now - created_at)} hours ago, and none is applied that is older than "
            f"{max_age_h:g} (max_plan_age_h): plan again with `dub-source plan`, which renews an equal plan."
        )


def check_workspace(*, asked: int, alive: int) -> None:
    """Raise OtherWorkspace if none of the known customers is there.

    Args:
        asked: how many of them Dub was asked for; with none, nothing can be told.
        alive: how many of these exist there.
    """
    if asked and not alive:
        raise OtherWorkspace(
            f"The API key leads to a workspace that has none of the {asked:,} known customers that were "
            "asked for, so nothing was changed: check that the key belongs to the workspace that was loaded; "
            "if they were all deleted meanwhile, load and plan again."
        )


def _hours(age: timedelta) -> str:
    return f"{age / timedelta(hours=1):,.1f}"
