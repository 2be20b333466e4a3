"""Disks without room, as the system and DuckDB tell of them."""

import errno
import os

_FULL = (errno.ENOSPC, errno.EDQUOT)
_SAYING = {code: os.strerror(code) for code in (*_FULL, errno.EFBIG)}


def out_of_room(error: BaseException) -> str | None:
    """What is wrong with the disk and what to do, as a part of a sentence; None if it is something else.

    DuckDB's errors have no number; they end with the system's words.
    """
    code = error.errno if isinstance(error, OSError) else None
    if code is None and type(error).__module__.endswith("duckdb"):
        code = next((each for each, words in _SAYING.items() if words in str(error)), None)
    if code in _FULL:
        return "The disk is full: make room"
    if code == errno.EFBIG:
        return "A file has reached the largest size that the system allows: raise the limit (ulimit -f)"
    return None
