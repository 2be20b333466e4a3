"""The columns that this package adds to a customer, and one form for the types that tables come in."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

MOMENT = pa.timestamp("us", tz="UTC")

CLOCKS_DIFFER = timedelta(seconds=2)
"""By so much moments of two runs may be wrong to each other: Dub's clock is known to a second at best."""

SYSTEM_COLUMNS: dict[str, pa.DataType] = {
    "row_hash": pa.string(),
    "name_generated": pa.bool_(),
    "observed_at": MOMENT,
    "deleted_at": MOMENT,
}
"""Of ``customers`` and ``customers_history``: what the row holds in short, whether Dub makes up the name, the
start of the request that read the row, and of the one that proved the customer gone (null: it exists)."""

HISTORY_COLUMNS: dict[str, pa.DataType] = {
    "version_key": pa.string(),
    "change": pa.string(),
    "changed_fields": pa.string(),
}
"""Of ``customers_history`` alone: its primary key, created, updated or deleted, and the names of the columns
that an update changed (a sorted JSON list)."""


def is_field(name: str) -> bool:
    """Whether a column holds something that Dub says about a customer."""
    return name not in SYSTEM_COLUMNS and name not in HISTORY_COLUMNS and not name.startswith("_dlt")


def plain(column: pa.ChunkedArray) -> pa.Array:
    """The same values as text, bool, int64, double or UTC microseconds, whichever of them holds them.

    Destinations and files give other types back than they got: large or dictionary-encoded texts, decimals,
    shorter integers, moments in other units and zones (without a zone they are UTC).
    """
    array = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=column.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    target = _plain_type(array.type)
    return array if array.type == target else array.cast(target, safe=False)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_boolean(kind):
        return kind
    if pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale <= 0):
        return pa.int64()
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind):
        return MOMENT
    return pa.string()


def texts(column: pa.Array) -> pa.Array:
    """Plain values as texts that are equal exactly if the values are, on every machine and in every version.

    Moments are microseconds since 1970, doubles as Python writes them: with as few digits as tell them apart.
    """
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).cast(pa.string())
    if pa.types.is_floating(column.type):
        # Arrow's and DuckDB's own forms of doubles are not promised to stay. Distinct amounts are few.
        distinct = column.dictionary_encode()
        # + 0.0: minus nothing is nothing.
        forms = [None if each is None else repr(each + 0.0) for each in distinct.dictionary.to_pylist()]
        return pa.array(forms, type=pa.string()).take(distinct.indices)
    return column.cast(pa.string())


def with_columns(table: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    """The table with these columns at its end, instead of those of the same names."""
    table = table.select([name for name in table.column_names if name not in columns])
    for name, column in columns.items():
        table = table.append_column(name, column)
    return table


def nothing(rows: int, name: str) -> pa.Array:
    """A column of nulls with the type of a column of this package."""
    return pa.nulls(rows, type=(SYSTEM_COLUMNS | HISTORY_COLUMNS)[name])


def any_true(mask: pa.Array) -> bool:
    """Whether one value at least is true."""
    return bool(pc.any(mask, min_count=0).as_py())
