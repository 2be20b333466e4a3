"""Which parts count: those of this sweep, in order, up to the first that is missing or damaged."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson
import pyarrow as pa

from dub_source.disk import out_of_room
from dub_source.errors import SpoolError
from dub_source.spool import files
from dub_source.spool.parts import (
    Damaged,
    Part,
    check_rows,
    decode,
    encode,
    events_of,
    line_above_seal,
    rows_of,
    sealed,
)

MAX_AGE_S = 6 * 3600.0
"""A sweep that began longer ago (seconds) is not gone on with: too much has changed since."""

_FORMAT = 1
_MANIFEST = "manifest.json"
_OURS = re.compile(r"manifest\.(json|tmp)|pages-\d{6,}\.(jsonl|tmp)|rows-\d{6,}\.arrow")


@dataclass(frozen=True, slots=True)
class _Begun:
    """``name`` is random, one for each beginning; the first part names it."""

    name: str
    started_at: datetime


class Spool:
    """Rows and events of one sweep, in parts that are there as a whole or not at all.

    ``resumed`` tells whether there is something of an earlier process, ``started_at`` (UTC) is when the
    spool was begun, by whichever process.

    One process at a time: who opens a spool sees to that. An error leaves the spool as it was, ready for
    the next call.
    """

    def __init__(self, folder: Path, begun: _Begun, parts: Sequence[Part]) -> None:
        self._folder = folder
        self._begun = begun
        self._parts = list(parts)
        self.started_at = begun.started_at
        self.resumed = bool(parts)

    @classmethod
    def open(
        cls,
        folder: Path,
        manifest: Mapping[str, Any],
        *,
        max_age_s: float = MAX_AGE_S,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """Go on with the spool in a folder if it is of the same sweep; else empty the folder and begin.

        Args:
            folder: for the spool alone; made if need be. Other files in it are left alone.
            manifest: what makes a sweep the same, as JSON; no personal data. Compared as a whole.
            max_age_s: seconds since the beginning after which a spool is not gone on with.
            now: the time.

        Raises:
            SpoolError: if the folder cannot be used.
        """
        with _plainly():
            files.make_private_folder(folder)
            begun = _read_manifest(folder, manifest, now(), max_age_s)
            parts = list(_sound_parts(folder, begun.name)) if begun else []
            kept = {name for part in parts for name in (part.rows_name, part.pages_name)}
            if begun and parts:
                _delete(folder, keep={_MANIFEST, *kept})
            else:
                _delete(folder)
                begun = _Begun(secrets.token_hex(16), now().astimezone(UTC))
                _write_manifest(folder, begun, manifest)
        return cls(folder, begun, parts)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to go on with."""
        return not self._parts

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return sum(part.rows for part in self._parts)

    def append(self, rows: pa.Table | None, events: Sequence[Sequence[Any]]) -> None:
        """Keep rows and what happened while they were read: both, or neither.

        They are on the disk when this returns. Tables may differ in their columns from call to call.

        Args:
            rows: None for nothing but events.
            events: lists that JSON can hold.

        Raises:
            SpoolError: if the disk does not take them.
        """
        if rows is None and not events:
            return
        part, pages, table = encode(len(self._parts) + 1, self._last, rows, events)
        rows_file, pages_file = self._folder / part.rows_name, self._folder / part.pages_name
        temporary = pages_file.with_suffix(".tmp")
        try:
            with _plainly():
                if table is not None:
                    files.write(rows_file, table)
                files.write(temporary, pages)
                files.put_in_place(temporary, pages_file)
        except BaseException:
            # An interrupt, too. What makes the part count goes first.
            files.discard(pages_file, temporary, rows_file)
            raise
        self._parts.append(part)

    def events(self) -> Iterator[list[Any]]:
        """All events, in order, read part by part. Raises SpoolError if the disk has lost them."""
        for part in tuple(self._parts):
            with _plainly():
                events = events_of(part, files.read(self._folder / part.pages_name))
            yield from events

    def rows(self) -> Iterator[pa.Table]:
        """All tables, in order, each read when asked for. Raises SpoolError if the disk has lost one."""
        for part in tuple(self._parts):
            if part.rows_digest is not None:
                with _plainly():
                    table = rows_of(part, files.read(self._folder / part.rows_name))
                yield table

    def remove(self) -> None:
        """Delete the files, and the folder if nothing else is in it.

        Raises:
            SpoolError: if that cannot be done: the rows are still there then.
        """
        self._parts.clear()
        with _plainly():
            if not self._folder.exists():
                return
            files.make_private_folder(self._folder)
            _delete(self._folder)
            with suppress(OSError):
                self._folder.rmdir()

    @property
    def _last(self) -> str:
        return self._parts[-1].digest if self._parts else self._begun.name


def _read_manifest(
    folder: Path, manifest: Mapping[str, Any], now: datetime, max_age_s: float
) -> _Begun | None:
    """What the folder was begun as, if it can be gone on with."""
    try:
        written = line_above_seal(files.read(folder / _MANIFEST))
    except (OSError, Damaged):
        return None
    # As bytes, because True and 1 and 1.0 are equal otherwise.
    if _canonical(written.get("manifest")) != _canonical(dict(manifest)) or written.get("format") != _FORMAT:
        return None
    started_at = datetime.fromisoformat(written["started_at"])
    # A beginning in the future comes from a clock that was wrong then or is wrong now.
    if not 0 <= (now - started_at).total_seconds() <= max_age_s:
        return None
    return _Begun(written["name"], started_at)


def _write_manifest(folder: Path, begun: _Begun, manifest: Mapping[str, Any]) -> None:
    line = {
        "format": _FORMAT,
        "name": begun.name,
        "started_at": begun.started_at.isoformat(),
        "manifest": dict(manifest),
    }
    path = folder / _MANIFEST
    temporary = path.with_suffix(".tmp")
    files.write(temporary, sealed([line]))
    files.put_in_place(temporary, path)


def _canonical(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _sound_parts(folder: Path, name: str) -> Iterator[Part]:
    """The parts from the first on, up to one that is missing or not as it was written."""
    number, after = 1, name
    with suppress(OSError, Damaged):
        while True:
            part = decode(number, after, files.read(folder / Part.pages_name_of(number)))
            if part.rows_digest is not None:
                check_rows(part, files.read(folder / part.rows_name))
            yield part
            number, after = number + 1, part.digest


def _delete(folder: Path, keep: frozenset[str] | set[str] = frozenset()) -> None:
    """Delete our files but those to keep, and make that last: what is gone must not come back in between."""
    names = sorted(path.name for path in folder.iterdir() if _OURS.fullmatch(path.name))
    # The manifest first, which makes the others count.
    for each in names:
        if each not in keep:
            (folder / each).unlink()
    files.sync_folder(folder)


@contextmanager
def _plainly() -> Iterator[None]:
    """Trouble with the disk in a sentence."""
    try:
        yield
    except Damaged:
        raise SpoolError(
            "What this sweep had written to the disk reads differently now: run the same again, which uses "
            "the part of it that is sound; if it happens again, check the disk."
        ) from None
    except OSError as error:
        if trouble := out_of_room(error):
            raise SpoolError(
                f"{trouble}, then run the same again, which goes on where this stopped."
            ) from None
        raise SpoolError(
            f"The folder that keeps what is read cannot be used ({error.strerror or type(error).__name__}): "
            "see to its disk and its permissions, or name another one with --pipelines-dir."
        ) from None
