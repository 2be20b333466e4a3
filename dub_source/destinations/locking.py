"""A file that one run at a time can lock; the system unlocks it when the process ends, however it ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dub_source.errors import AlreadyRunning


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock. The file stays: to remove it would let a third run lock another one of its name.

    Raises:
        AlreadyRunning: if another process, or another thread, holds it.
        OSError: if the file cannot be made.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not _try_lock(descriptor):
            raise AlreadyRunning(
                "Another load into the same place is running: "
                "wait until it has ended, then run the same again."
            )
        yield
    finally:
        # Closing unlocks; so does the system when the process is killed.
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    """Lock for this open file alone, so that two threads exclude each other, too."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True
