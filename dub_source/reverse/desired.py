"""The desired state: from a table, a query or a file to one Arrow table of texts."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from dub_source.errors import SettingsError
from dub_source.reverse.fields import CREATE_ONLY, PLANNED, READ_ONLY, WRITABLE
from dub_source.reverse.files import Column, Rows, file_rows
from dub_source.reverse.model import Op
from dub_source.reverse.queries import query_rows
from dub_source.reverse.sync_file import Source, Sync
from dub_source.reverse.texts import NoText, as_texts

if TYPE_CHECKING:
    import dlt

_OP = "op"
_IGNORED = b"ignored_columns"


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which columns of a source are read: what they become -> their places."""

    places: Mapping[str, int]
    ignored: tuple[str, ...]


def read_desired(
    sync: Sync, *, pipeline: "dlt.Pipeline | None" = None, folder: Path | None = None
) -> pa.Table:
    """What a sync wants, as text, and nothing else.

    Args:
        sync: names the source, the key and the mapping.
        pipeline: its destination has the table or answers the query; not needed for a file.
        folder: where relative paths of files begin: the folder of the sync file; None is the current one.

    Returns:
        ``row`` (int64, the place in the source, from 1), ``key`` (string), ``op`` (string: update, create,
        delete or null) and a string column for each column to plan that the source has. NULL stays null, for
        the key too. Values are as they stand; nothing is said here of what Dub would accept, nor of keys that
        are missing or there twice. A database returns the rows of a table in any order.

    Raises:
        SettingsError: if the source cannot be what the sync says; names columns and rows, never values.
        DestinationError: if the destination cannot be read.
    """
    with _opened(sync.source, pipeline, folder) as rows:
        label = _label(sync.source)
        chosen = _choose(sync, rows.names, label)
        table = _table(rows, chosen, label)
    columns = {_OP: pa.nulls(len(table), pa.string())} | {name: table[name] for name in table.column_names}
    columns[_OP] = _ops(table[_OP], label) if _OP in chosen.places else columns[_OP]
    order = ["key", _OP, *(column for column in PLANNED if column in chosen.places)]
    numbers = pa.array(range(1, len(table) + 1), pa.int64())
    result = pa.table({"row": numbers} | {name: columns[name] for name in order})
    return result.replace_schema_metadata({_IGNORED: json.dumps(chosen.ignored).encode()})


def ignored_columns(desired: pa.Table) -> tuple[str, ...]:
    """The columns of the source that :func:`read_desired` has left out, as they are called there."""
    return tuple(json.loads((desired.schema.metadata or {}).get(_IGNORED, b"[]")))


def read_owned(
    sync: Sync, *, pipeline: "dlt.Pipeline | None" = None, folder: Path | None = None
) -> pa.Array | None:
    """The ids of the customers that a mirror was told to own; None if it was told nothing.

    Arguments and errors are those of :func:`read_desired`; the source must have a column ``id``.
    """
    if sync.owns is None:
        return None
    with _opened(sync.owns, pipeline, folder) as rows:
        label = _label(sync.owns)
        place = _place(rows.names, "id", label)
        if place is None:
            raise _missing("id", rows.names, label, "name it id there")
        table = _table(rows, _Chosen({"key": place}, ()), label)
    return table["key"].combine_chunks().drop_null()


@contextmanager
def _opened(source: Source, pipeline: "dlt.Pipeline | None", folder: Path | None) -> Iterator[Rows]:
    if source.file is not None:
        with file_rows(source.file, folder or Path()) as rows:
            yield rows
        return
    if pipeline is None:
        raise SettingsError(
            f"{_label(source)} is read from a warehouse, and there is none: name a destination."
        )
    with query_rows(source, pipeline) as rows:
        yield rows


def _label(source: Source) -> str:
    """The source as the subject of a sentence; of a query no word."""
    return "The query" if source.query is not None else f"The {source.name}"


# Which columns


def _choose(sync: Sync, names: Sequence[str], label: str) -> _Chosen:
    theirs = sync.mapping.get(sync.key, sync.key)
    key = _place(names, theirs, label, exact=sync.key in sync.mapping)
    if key is None:
        raise _missing(theirs, names, label, f"map {sync.key} to the column that holds it")
    places = {"key": key}
    if _OP not in sync.mapping.values() and (op := _place(names, _OP, label)) is not None:
        places[_OP] = op
    if sync.sync_mode != "delete":
        places |= (
            _mapped(sync, names, label) if sync.mapping.keys() - {sync.key} else _named(sync, names, label)
        )
        _check_planned(sync, places, label)
    used = set(places.values())
    return _Chosen(
        places,
        tuple(name for place, name in enumerate(names) if place not in used and not name.startswith("_dlt_")),
    )


def _mapped(sync: Sync, names: Sequence[str], label: str) -> dict[str, int]:
    places = {}
    for column, theirs in sync.mapping.items():
        if column == sync.key:
            continue
        place = _place(names, theirs, label, exact=True)
        if place is None:
            raise _missing(theirs, names, label, f"correct the mapping of {column}")
        places[column] = place
    return places


def _named(sync: Sync, names: Sequence[str], label: str) -> dict[str, int]:
    """Columns that are called like those of the customers, in any case of letters."""
    refused = [name for name in READ_ONLY if _place(names, name, label) is not None]
    if refused:
        listed = f"{', '.join(sorted(refused)[:3])}{' and others' if len(refused) > 3 else ''}"
        raise SettingsError(
            f"{label} has columns that cannot be written to Dub ({listed}): leave them out, "
            "or say with a mapping which columns to write."
        )
    found = {column: _place(names, column, label) for column in PLANNED if column != sync.key}
    return {column: place for column, place in found.items() if place is not None}


def _check_planned(sync: Sync, places: Mapping[str, int], label: str) -> None:
    for column in CREATE_ONLY:
        if column in places and not (sync.creates or sync.try_ignored or _OP in places):
            raise SettingsError(
                f"{label} has the column {column}, which Dub accepts for a customer who exists, and ignores: "
                "leave it out, or set try_ignored (--try) to see for yourself."
            )
    for column in sync.clear_nulls:
        if column not in places:
            raise SettingsError(
                f"{label} has no column for {column}, which clear_nulls names: add it, or take it out there."
            )
    if sync.sync_mode != "mirror" and places.keys() <= {"key"}:
        raise SettingsError(
            f"{label} has no column that can be written: name columns as customers have them "
            f"({', '.join(WRITABLE)}), or say with a mapping what they are called."
        )


def _place(names: Sequence[str], wanted: str, label: str, *, exact: bool = False) -> int | None:
    """Where a column is. Databases and people do not agree on the case of letters, nor on blanks around them.

    Args:
        exact: the name was chosen with care, so that one written exactly like it is preferred.
    """
    found = [place for place, name in enumerate(names) if name == wanted] if exact else []
    found = found or [place for place, name in enumerate(names) if _folded(name) == _folded(wanted)]
    if len(found) > 1:
        raise SettingsError(f"{label} has {len(found)} columns called {wanted}: leave one of them.")
    return found[0] if found else None


def _folded(name: str) -> str:
    return name.strip().casefold()


def _missing(wanted: str, names: Sequence[str], label: str, advice: str) -> SettingsError:
    # Without a header, the names are the first person's values: only what looks like the name meant is said.
    proper = [name for name in names if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_ \-]{0,40}", name)]
    near = get_close_matches(wanted, proper, 1, 0.6)
    meant = f" (but {near[0]})" if near else ""
    return SettingsError(f"{label} has no column {wanted}{meant}: {advice}, or add it.")


# Their values


def _table(rows: Rows, chosen: _Chosen, label: str) -> pa.Table:
    """The chosen columns under the names that they get."""
    schema = pa.schema([(name, pa.string()) for name in chosen.places])
    batches, before = [], 0
    for columns in rows.batches(list(chosen.places.values())):
        arrays = [
            _texts(column, f"{label} holds in the column {rows.names[place]}", before)
            for place, column in zip(chosen.places.values(), columns, strict=True)
        ]
        batches.append(pa.table(arrays, schema=schema))
        before += len(arrays[0])
    return pa.concat_tables(batches) if batches else schema.empty_table()


def _texts(column: Column, holds: str, before: int) -> pa.Array:
    try:
        return pa.array(as_texts(column), pa.string())
    except (NoText, UnicodeEncodeError):
        pass
    for number, value in enumerate(column, before + 1):
        try:
            pa.array(as_texts([value]), pa.string())
        except NoText as error:
            raise SettingsError(f"{holds}, row {number}, {error.reason}.") from None
        except UnicodeEncodeError:
            raise SettingsError(f"{holds}, row {number}, half a character: correct it there.") from None
    raise AssertionError("one of them was refused")


def _ops(column: pa.ChunkedArray, label: str) -> pa.Array:
    """What to do with each row, in Dub's words; blanks around them and capitals do not matter."""
    known = {word: _op(word) for word in column.unique().to_pylist()}
    values = column.to_pylist()
    for number, value in enumerate(values, 1):
        if value is not None and value.strip() and known[value] is None:
            raise SettingsError(
                f"{label} has in the column op, row {number}, something else than {', '.join(Op)} "
                "or nothing: correct it."
            )
    return pa.array([known[value] for value in values], pa.string())


def _op(word: str | None) -> str | None:
    folded = (word or "").strip().lower()
    return folded if folded in list(Op) else None
