"""Files that only their owner reads, and that are on the disk when they are said to be.

Links do not lead elsewhere. Every function raises OSError as it comes.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

# Not known on Windows are: links not to be followed, pipes that would be waited for. Only there: binary.
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)


def make_private_folder(folder: Path) -> None:
    """The folder, made if need be, entered by its owner alone.

    Raises NotADirectoryError if something else has its name, a link to a folder included: what is deleted in
    it later would be somebody else's.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not stat.S_ISDIR(folder.lstat().st_mode):
        raise NotADirectoryError(0, "a link or a file has its name")
    folder.chmod(0o700)


def write(path: Path, data: bytes | memoryview) -> None:
    """A new private file with these bytes, all of them on the disk; what had its name is replaced."""
    path.unlink(missing_ok=True)
    # O_EXCL follows no link either.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o600)
    try:
        path.chmod(0o600)  # A umask may have taken the owner's own rights.
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give a written file its name, at one instant, and make that last."""
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was created, renamed and deleted in a folder last."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> bytes:
    """The bytes of a regular file; not of what a link leads to."""
    descriptor = os.open(path, os.O_RDONLY | _NOFOLLOW | _BINARY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "no regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(descriptor)


def discard(*paths: Path) -> None:
    """Delete what is there and can be deleted; for taking back what went wrong."""
    for path in paths:
        with suppress(OSError):
            path.unlink()
