"""What an apply was about to send and what came of it, on this machine's disk.

Written line by line while the apply goes on, so that after a ``kill -9`` the next one knows its own doings
from those of others: a customer that is found as asked was changed by us if we meant to send it, and by
somebody else if not. Nothing is forced through to the disk: a machine that loses its power is a fresh
machine, and there everything is looked up anyway.
"""

import errno
import os
import stat
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from dub_source.errors import SpoolError
from dub_source.reverse.model import Outcome, Result
from dub_source.reverse.push_tables import change_key
from dub_source.spool import files

_SUFFIX = ".jsonl"
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Journal:
    """One plan's journal: a private file in a private folder. Thread-safe; a context manager that closes it.

    It holds what Dub answered, people's values among it, until :meth:`remove`.

    Attributes:
        outcomes: what an earlier process has settled, by number of the change.
        sent: numbers of changes that an earlier process meant to send and has not settled.
    """

    def __init__(self, folder: Path, plan_id: str) -> None:
        """Read what an earlier process has left.

        Args:
            folder: made if need be.
            plan_id: whose journal it is; names the file.

        Raises:
            SpoolError: if folder or file cannot be used.
        """
        self._path = folder / f"{plan_id}{_SUFFIX}"
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self.outcomes: dict[int, Outcome] = {}
        self.sent: set[int] = set()
        with _plainly():
            files.make_private_folder(folder)
            written = files.read(self._path) if self._path.exists() else b""
        # A line that was cut off in the middle is as good as not written: what it tells is looked up.
        self._torn = not written.endswith(b"\n") and bool(written)
        for line in _entries(written):
            self._recover(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def sending(self, number: int) -> None:
        """A request that can change something is about to leave. Raises SpoolError: then it must not."""
        self._append({"sending": number})

    def settled(self, outcome: Outcome) -> None:
        """A change has come to its end. Raises SpoolError."""
        self._append({"outcome": outcome})

    def close(self) -> None:
        """Close the file; the next entry opens it again."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def remove(self) -> None:
        """Delete the file: all of it is in the destination. Raises SpoolError: then it is still there."""
        self.close()
        with _plainly():
            self._path.unlink(missing_ok=True)
        with suppress(OSError):
            self._path.parent.rmdir()  # unless another plan's journal is in it
        self._torn = False

    def _append(self, entry: Mapping[str, Any]) -> None:
        line = orjson.dumps(entry) + b"\n"
        with self._lock, _plainly():
            if self._descriptor is None:
                files.make_private_folder(self._path.parent)
                self._descriptor = _opened(self._path)
            if self._torn:
                line = b"\n" + line
            # Not to be completed after half of it was written: the next entry begins a line of its own.
            self._torn = os.write(self._descriptor, line) != len(line)
            if self._torn:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _recover(self, entry: Mapping[str, Any]) -> None:
        if isinstance(number := entry.get("sending"), int):
            self.outcomes.pop(number, None)
            self.sent.add(number)
        elif isinstance(entry.get("outcome"), dict):
            outcome = _outcome(entry["outcome"])
            self.outcomes[outcome.number] = outcome
            self.sent.discard(outcome.number)


def written_journals(folder: Path) -> list[str]:
    """The plans that have a journal in a folder, which need not exist. Raises SpoolError."""
    with _plainly():
        return sorted(each.stem for each in folder.glob(f"*{_SUFFIX}"))


def scrub_journals(folder: Path, ids: Collection[str], keys: Collection[str]) -> None:
    """Take what Dub answered about some customers out of all journals.

    Args:
        folder: of the journals; need not exist.
        ids: of the customers.
        keys: of the changes that concern them.

    Raises:
        SpoolError: if that cannot be done; each journal is as it was, or scrubbed.
    """
    with _plainly(), suppress(FileNotFoundError):
        for path in folder.iterdir():
            if path.suffix != _SUFFIX:
                path.unlink()  # of a scrub that was killed
                continue
            entries = _entries(files.read(path))
            lines = [orjson.dumps(_scrubbed(each, path.stem, ids, keys)) + b"\n" for each in entries]
            temporary = path.with_suffix(".new")
            files.write(temporary, b"".join(lines))
            files.put_in_place(temporary, path)


def _scrubbed(
    entry: dict[str, Any], plan_id: str, ids: Collection[str], keys: Collection[str]
) -> dict[str, Any]:
    outcome = entry.get("outcome")
    if not isinstance(outcome, dict):
        return entry
    if outcome.get("customer_id") in ids or change_key(plan_id, outcome["number"]) in keys:
        return {"outcome": {**outcome, "answered": {}}}
    return entry


def _entries(written: bytes) -> Iterator[dict[str, Any]]:
    for line in written.split(b"\n"):
        with suppress(orjson.JSONDecodeError):
            entry = orjson.loads(line)
            if isinstance(entry, dict):
                yield entry


def _outcome(fields: Mapping[str, Any]) -> Outcome:
    moment = fields["requested_at"]
    return Outcome(
        **{
            **fields,
            "result": Result(fields["result"]),
            "requested_at": None if moment is None else datetime.fromisoformat(moment),
        }
    )


def _opened(path: Path) -> int:
    descriptor = os.open(path, _FLAGS, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "no regular file")
    return descriptor


@contextmanager
def _plainly() -> Iterator[None]:
    """Trouble with the disk in a sentence."""
    try:
        yield
    except OSError as error:
        raise SpoolError(
            f"The apply's journal cannot be kept ({error.strerror or type(error).__name__}), and without it "
            "nothing is sent: see to its disk and its permissions, or name another folder with "
            "--pipelines-dir, then apply the same plan again."
        ) from None
