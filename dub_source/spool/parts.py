"""The bytes of a part: rows as Arrow, events as lines of JSON, each with what tells that it is whole.

A part is one or two files. ``rows-000001.arrow`` holds rows. ``pages-000001.jsonl`` holds a line about the
part, a line for each event, and a digest of those lines; it is the one that makes the part count. The line
about the part has the digest of the rows, and that of the part before it: so parts cannot be damaged, mixed
with those of another spool, or stand behind a part that they did not follow, without being found out.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa


class Damaged(Exception):
    """These are not the bytes that were written."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of a part without its contents.

    ``number`` counts from 1, ``rows`` is how many there are, ``rows_digest`` None if there is no file of
    rows, ``digest`` that of the events, by which the next part names this one.
    """

    number: int
    rows: int
    rows_digest: str | None
    digest: str

    @property
    def rows_name(self) -> str:
        """The file of the rows."""
        return f"rows-{self.number:06}.arrow"

    @property
    def pages_name(self) -> str:
        """The file of the events."""
        return self.pages_name_of(self.number)

    @staticmethod
    def pages_name_of(number: int) -> str:
        """The file of the events of the part with that number."""
        return f"pages-{number:06}.jsonl"


def encode(
    number: int, after: str, rows: pa.Table | None, events: Sequence[Sequence[Any]]
) -> tuple[Part, bytes, memoryview | None]:
    """A part, the bytes of its events, and those of its rows if it has any.

    Args:
        number: of the part.
        after: digest of the part before it; for the first, what the spool is called.
        rows: any table.
        events: lists that JSON can hold.
    """
    table = None if rows is None else _arrow(rows)
    rows_digest = None if table is None else _digest(table)
    count = 0 if rows is None else rows.num_rows
    head = {"part": number, "after": after, "rows": count, "rows_digest": rows_digest}
    lines = sealed([head, *events])
    return Part(number, count, rows_digest, _seal(lines)), lines, table


def decode(number: int, after: str, data: bytes) -> Part:
    """The part that the bytes of its events tell of; raises Damaged if they are not that part's."""
    head = line_above_seal(data)
    count, rows_digest = head.get("rows"), head.get("rows_digest")
    if (head.get("part"), head.get("after")) != (number, after) or not isinstance(count, int):
        raise Damaged
    return Part(number, count, rows_digest, _seal(data))


def check_rows(part: Part, data: bytes) -> None:
    """Raises Damaged if these are not the bytes of the part's rows."""
    if _digest(data) != part.rows_digest:
        raise Damaged


def rows_of(part: Part, data: bytes) -> pa.Table:
    """The rows; raises Damaged."""
    check_rows(part, data)
    return pa.ipc.open_file(data).read_all()


def events_of(part: Part, data: bytes) -> Iterator[list[Any]]:
    """The events; raises Damaged before the first of them or not at all."""
    lines = _unsealed(data)
    if _seal(data) != part.digest:
        raise Damaged
    return map(orjson.loads, lines.splitlines()[1:])


def sealed(values: Sequence[Any]) -> bytes:
    """Values as lines of JSON, then the digest of these lines."""
    lines = b"".join(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE) for value in values)
    return lines + _digest(lines).encode() + b"\n"


def line_above_seal(data: bytes) -> dict[str, Any]:
    """The first of sealed lines, an object; raises Damaged."""
    try:
        value = orjson.loads(_unsealed(data).partition(b"\n")[0])
    except orjson.JSONDecodeError:
        raise Damaged from None
    if not isinstance(value, dict):
        raise Damaged
    return value


def _unsealed(data: bytes) -> bytes:
    lines, seal = data[:-_SEAL_LENGTH], data[-_SEAL_LENGTH:]
    if seal != _digest(lines).encode() + b"\n":
        raise Damaged
    return lines


_SEAL_LENGTH = hashlib.sha256().digest_size * 2 + 1


def _seal(data: bytes) -> str:
    return data[-_SEAL_LENGTH:-1].decode()


def _digest(data: bytes | memoryview) -> str:
    # As fast as a checksum where the processor helps, and nothing passes by chance.
    return hashlib.sha256(data).hexdigest()


def _arrow(table: pa.Table) -> memoryview:
    # Parquet takes twice as long to write, and is as large; nobody else reads this.
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue())
