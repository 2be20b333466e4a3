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
_IN_USE = ("lock on file", "different configuration", "Unique file handle conflict")


def patiently(
    connect: Callable[[], T],
    *,
    longest_s: float = _LONGEST_S,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> T:
    """Open a file; while somebody else has it open, try again.

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
            if not is_in_use(error) or clock() >= deadline:
                raise
        sleep(_BETWEEN_S)


def is_in_use(error: BaseException) -> bool:
    """Whether DuckDB says that somebody else has the file open.

    That is another process; or this one, which has it open in another way, or is just closing it in another
    thread (1.5: of 900 times that three threads opened and closed one file, 35 failed so).
    """
    return type(error).__module__.endswith("duckdb") and any(each in str(error) for each in _IN_USE)


def is_failure_to_open(error: BaseException) -> bool:
    """Whether DuckDB, or dlt for it, says that the file cannot be read at all."""
    return type(error).__name__ == "IOException" and type(error).__module__.endswith("duckdb")
