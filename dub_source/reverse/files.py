"""Rows of a Parquet, CSV or JSONL file on this machine.

A file is opened once, by its name as it stands, and read from there: no name is a pattern or an address, no
other file is ever touched, and nothing is guessed. (DuckDB takes ``*`` for a pattern, its sniffer made one
column of two where a row of a CSV file was too long, and JSON numbers lost their digits.)
"""

import csv
import json
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, TypeAlias

import pyarrow as pa

from dub_source.errors import SettingsError

Column: TypeAlias = Sequence[Any]

_ROWS = 50_000
"""Rows of a batch."""
_DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class Rows:
    """What a source holds.

    Attributes:
        names: of its columns, as they are written there; a name may be there twice.
        batches: the columns at these places, batch by batch, once.
    """

    names: Sequence[str]
    batches: Callable[[Sequence[int]], Iterator[Sequence[Column]]]


@contextmanager
def file_rows(file: str, folder: Path) -> Iterator[Rows]:
    """The rows of a file, while it is open.

    Args:
        file: path; relative ones count from ``folder``. Its ending says what it is.
        folder: of the sync file, or the current one.

    Raises:
        SettingsError: if it cannot be read, or not be read without guessing.
    """
    path = folder / file
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise SettingsError(
            f"The file {file} must be Parquet, CSV or JSON lines, and be called .parquet, .csv or .jsonl."
        )
    _check(path, file)
    try:
        with _opened(path) as opened:
            yield read(opened, file)
    except UnicodeDecodeError:
        raise SettingsError(f"The file {file} is not UTF-8 text: save it as UTF-8.") from None
    except (OSError, pa.ArrowException) as error:
        # Their words may hold rows.
        raise SettingsError(f"The file {file} cannot be read ({type(error).__name__}).") from None


def _check(path: Path, shown: str) -> None:
    """A pipe would never end, and an empty file is a failed export rather than an empty desired state."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise SettingsError(f"There is no file {shown}: check its path.") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"The file {shown!r} cannot be read ({type(error).__name__}).") from None
    if stat.S_ISDIR(found.st_mode):
        raise SettingsError(f"The file {shown} is a folder: name a file in it.")
    if not stat.S_ISREG(found.st_mode):
        raise SettingsError(f"The file {shown} is no regular file: save the rows in one.")
    if found.st_size == 0:
        raise SettingsError(f"The file {shown} is empty, it does not even name its columns: export it again.")


def _parquet(opened: IO[bytes], shown: str) -> Rows:
    import pyarrow.parquet as pq

    parquet = pq.ParquetFile(opened)
    names = list(parquet.schema_arrow.names)

    def batches(wanted: Sequence[int]) -> Iterator[Sequence[Column]]:
        for batch in parquet.iter_batches(_ROWS, columns=[names[place] for place in wanted]):
            try:
                yield [batch.column(names[place]).to_pylist() for place in wanted]
            except UnicodeDecodeError:
                raise
            except (ValueError, OverflowError):
                raise SettingsError(
                    f"The file {shown} holds moments finer than microseconds or beyond the year 9999:"
                    " cast them to text."
                ) from None
            except KeyError:
                # That of zoneinfo, or of pytz if that is installed.
                raise SettingsError(
                    f"The file {shown} holds moments of a time zone that is not known here: cast them to"
                    " text."
                ) from None

    return Rows(names, batches)


def _csv(opened: IO[str], shown: str) -> Rows:
    first = opened.readline()
    delimiter = next((each for each in _DELIMITERS if each in first), ",")
    rows = _csv_rows(csv.reader(chain([first], opened), delimiter=delimiter, strict=True), shown)
    names = next(rows, [])

    def batches(wanted: Sequence[int]) -> Iterator[Sequence[Column]]:
        while batch := list(islice(rows, _ROWS)):
            columns = list(zip(*batch, strict=True))
            # An empty cell is NULL: CSV has no other.
            yield [[value or None for value in columns[place]] for place in wanted]

    return Rows(names, batches)


def _csv_rows(reader: Any, shown: str) -> Iterator[list[str]]:
    """The lines with something in them, the header first, all of one length."""
    width, number = None, 0
    try:
        for cells in reader:
            if not cells:
                continue
            width = width or len(cells)
            if len(cells) != width:
                raise SettingsError(
                    f"Row {number} of the file {shown} has {len(cells)} cells, and its header {width}: "
                    "quote cells that hold a comma or a line end."
                )
            yield cells
            number += 1
    except csv.Error:
        raise SettingsError(
            f"The file {shown} is no CSV in row {number}: a quote is missing, or a cell is too long."
        ) from None


def _jsonl(opened: IO[str], shown: str) -> Rows:
    columns: dict[str, list[Any]] = {}
    number = 0
    for line in opened:
        if not line.strip():
            continue
        for name, value in _json_object(line, number + 1, shown).items():
            column = columns.setdefault(name, [])
            column.extend([None] * (number - len(column)))
            column.append(value)
        number += 1
    for column in columns.values():
        column.extend([None] * (number - len(column)))
    names = list(columns)
    return Rows(names, lambda wanted: iter([[columns[names[place]] for place in wanted]]))


def _json_object(line: str, number: int, shown: str) -> dict[str, Any]:
    try:
        # Numbers keep their digits: 12345678901234567890 and 0.10 are as they are written.
        value = json.loads(line, parse_float=Decimal, object_pairs_hook=_without_repetition)
    except (ValueError, ArithmeticError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise SettingsError(
            f"Row {number} of the file {shown} is no JSON object in a line of its own, with each name once."
        )
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name twice")
    return found


def _opened(path: Path) -> IO[Any]:
    if path.suffix.lower() == ".parquet":
        return path.open("rb")
    # Spreadsheets begin their files with a byte order mark, which would be part of the first name.
    return path.open(encoding="utf-8-sig", newline="")


_READERS: dict[str, Callable[[IO[Any], str], Rows]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
}
