"""Where the page is written: as a whole or not at all, and over nothing that is somebody else's."""

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from dub_source.errors import SettingsError

MARK = '<meta name="generator" content="dub-source report">'
"""In the head of every page: a file with it may be written again."""
_HEAD = 2_000
"""Bytes that the mark is in, however the page goes on."""


def check(path: Path, *, force: bool = False) -> None:
    """Refuse a place that cannot be written, before there is work to lose.

    Args:
        path: of the file to write.
        force: write over whatever file is there.

    Raises:
        SettingsError: if something else than a report is there, or there is no such folder.
    """
    try:
        _check(path, force=force)
    except OSError as error:
        # A folder that may not be looked into, a name that is too long, a link that leads nowhere.
        raise _cannot(path, error) from None


def _check(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise SettingsError(
            f"{path} is a folder: name a file in it, such as --output {path / 'report.html'}."
        )
    if path.exists() and not path.is_file():
        # A pipe would be waited for, and a device replaced by a file.
        raise SettingsError(f"{path} is a pipe or a device: name a file with --output.")
    if not path.resolve().parent.is_dir():
        raise SettingsError(
            f"The folder of {path} does not exist: make it, or name another file with --output."
        )
    if force or not os.path.lexists(path):
        return
    with path.open("rb") as file:
        ours = MARK.encode() in file.read(_HEAD)
    if not ours:
        raise SettingsError(
            f"The file {path} is there already and is no report: name another one with --output, or write "
            "over it with --force."
        )


def write(path: Path, page: str, *, force: bool = False) -> None:
    """Write the page where :func:`check` allows it. A link stays one; what it leads to is written.

    Raises:
        SettingsError: if it cannot be written.
    """
    there = path.resolve()
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{there.name[:100]}.", suffix=".part", dir=there.parent)
    except OSError as error:
        raise _cannot(path, error) from None
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(page.encode("utf-8", errors="replace"))
            file.flush()
            os.fsync(file.fileno())
        part.chmod(_mode(there))
        # Once more: making a page takes seconds.
        check(path, force=force)
        part.replace(there)
    except OSError as error:
        raise _cannot(path, error) from None
    finally:
        with suppress(FileNotFoundError):
            part.unlink()


def _mode(path: Path) -> int:
    """Of the file that is there, or as of any new file."""
    with suppress(FileNotFoundError):
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _cannot(path: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"The file {path} cannot be written ({error.strerror}): see to its folder, or name another file with "
        "--output."
    )
