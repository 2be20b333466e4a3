"""Commits to Delta tables that fail if another run has written meanwhile, and are done again then."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from deltalake import CommitProperties, DeltaTable

T = TypeVar("T")

_APP = "dub_source"
_ATTEMPTS = 20


def alone(table: "DeltaTable") -> "CommitProperties":
    """What makes a commit fail if another one with this was made since the table was opened.

    It is a transaction id of Delta, the same for all of us. Without it two runs that append at once would
    both succeed, and add the same row twice.
    """
    from deltalake import CommitProperties, Transaction

    return CommitProperties(app_transactions=[Transaction(_APP, table.version() + 1)])


def until_alone(change: Callable[[], T]) -> T:
    """Do something that opens a table and commits to it, again after each conflict.

    Raises:
        CommitFailedError: if others write so often that it never was alone.
    """
    from deltalake.exceptions import CommitFailedError
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

    attempts = Retrying(
        retry=retry_if_exception_type(CommitFailedError),
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_random_exponential(multiplier=0.05, max=5),
        reraise=True,
    )
    return attempts(change)
