"""A DuckDB file that somebody else has open: it is waited for a moment, because most look only for a moment.

DuckDB lets either one process write a file or several read it. A load opens it again and again, and so does
whoever looks at it, such as a monitor that asks every minute how it is. Without waiting, each would make the
other fail now and then.
"""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_LONGEST_S = 5.0
"""Longer than a look takes, shorter than a person wants to wait for the sentence that says who has it."""
_BETWEEN_S = 0.05


def patiently(
    connect: Callable[[], T],
    *,
    longest_s: float = _LONGEST_S,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Open a file; while another process has it open, try again.

    Args:
        connect: opens it.
        longest_s: seconds after which it is given up.
        sleep: waits.
        clock: seconds.

    Raises:
        duckdb.Error: what the last attempt said.
    """
    import duckdb

    deadline = clock() + longest_s
    while True:
        try:
            return connect()
        except duckdb.Error as error:
            if not is_lock_conflict(error) or clock() >= deadline:
                raise
        sleep(_BETWEEN_S)


def is_lock_conflict(error: BaseException) -> bool:
    """Whether DuckDB says that another process has the file open."""
    return type(error).__module__.endswith("duckdb") and "lock on file" in str(error)


def is_in_use(error: BaseException) -> bool:
    """Whether it says that another process has it open, or that this one has, and in another way."""
    mixed = type(error).__module__.endswith("duckdb") and "different configuration" in str(error)
    return mixed or is_lock_conflict(error)


def is_failure_to_open(error: BaseException) -> bool:
    """Whether DuckDB, or dlt for it, says that the file cannot be read at all."""
    return type(error).__name__ == "IOException" and type(error).__module__.endswith("duckdb")
