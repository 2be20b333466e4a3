"""From customers as they stand on the wire to Arrow tables with fixed column types.

Known fields have the types of :data:`COLUMNS` whatever a batch holds (a column of nulls included).
A field that Dub adds later becomes a text column by itself, whatever it holds: texts as they are, all else as
JSON (see :mod:`dub_source.unknown_fields`).
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pa_json

from dub_source.errors import UnknownFormat
from dub_source.types import Customer
from dub_source.unknown_fields import Path, json_text, unknown_columns

_TEXT = pa.string()
_CENTS = pa.int64()
_COUNT = pa.int64()
_MOMENT = pa.timestamp("us", tz="UTC")

_NUL, _INSTEAD = "\0", "\N{REPLACEMENT CHARACTER}"

_Known: TypeAlias = dict[Path, tuple[str, pa.DataType]]

COLUMNS: _Known = {
    ("id",): ("id", _TEXT),
    ("name",): ("name", _TEXT),
    ("email",): ("email", _TEXT),
    ("avatar",): ("avatar", _TEXT),
    ("externalId",): ("external_id", _TEXT),
    ("stripeCustomerId",): ("stripe_customer_id", _TEXT),
    ("country",): ("country", _TEXT),
    ("sales",): ("sales", _COUNT),
    ("saleAmount",): ("sale_amount", _CENTS),
    ("createdAt",): ("created_at", _MOMENT),
    ("firstSaleAt",): ("first_sale_at", _MOMENT),
    ("subscriptionCanceledAt",): ("subscription_canceled_at", _MOMENT),
}
"""Path on the wire -> column name and type, for every customer."""

EXPANDED_COLUMNS: _Known = {
    ("link", "id"): ("link__id", _TEXT),
    ("link", "domain"): ("link__domain", _TEXT),
    ("link", "key"): ("link__key", _TEXT),
    ("link", "shortLink"): ("link__short_link", _TEXT),
    ("link", "url"): ("link__url", _TEXT),
    ("link", "programId"): ("link__program_id", _TEXT),
    ("programId",): ("program_id", _TEXT),
    ("partner", "id"): ("partner__id", _TEXT),
    ("partner", "name"): ("partner__name", _TEXT),
    ("partner", "email"): ("partner__email", _TEXT),
    ("partner", "image"): ("partner__image", _TEXT),
    ("discount", "id"): ("discount__id", _TEXT),
    ("discount", "amount"): ("discount__amount", pa.float64()),
    ("discount", "type"): ("discount__type", _TEXT),
    ("discount", "maxDuration"): ("discount__max_duration", _COUNT),
    ("discount", "couponId"): ("discount__coupon_id", _TEXT),
    ("discount", "couponTestId"): ("discount__coupon_test_id", _TEXT),
    ("discount", "description"): ("discount__description", _TEXT),
}
"""The same for what ``includeExpandedFields`` adds."""

_NAMES = {path: name for path, (name, _) in (COLUMNS | EXPANDED_COLUMNS).items()}
_PARENTS = sorted({path[0] for path in EXPANDED_COLUMNS if len(path) > 1})

_SMALLEST, _LARGEST = -(2**63), 2**63 - 1
_LARGEST_ROUNDED = 9_223_372_036_854_776_000
"""What JavaScript prints for 2^63, the double next to it."""


def arrow_schema(*, expanded: bool) -> pa.Schema:
    """Names and types of the known columns; only ``id`` is never null."""
    return pa.schema(
        pa.field(name, kind, nullable=name != "id") for name, kind in _known(expanded=expanded).values()
    )


def to_table(customers: Sequence[Customer], *, expanded: bool) -> pa.Table:
    """Customers as one Arrow table.

    Args:
        customers: objects as on the wire.
        expanded: whether the columns of link, partner and discount are part of the table.

    Returns:
        The columns of :func:`arrow_schema`, then text columns for unknown fields that have a value. Not
        expanded, the known fields of the expanded form are left out even if Dub sends them.

    Raises:
        UnknownFormat: if a number or a date cannot be read as one; names the column, not the value.
    """
    with suppress(pa.ArrowException, orjson.JSONEncodeError):
        return _read_json([orjson.dumps(customers)], expanded=expanded)
    return _unusual(customers, expanded=expanded)


def as_json(customers: Sequence[Customer]) -> bytes:
    """Customers as JSON, which takes a seventh of their memory, for :func:`table_of`."""
    try:
        return orjson.dumps(customers)
    except orjson.JSONEncodeError:  # deeper than orjson writes
        return json_text(customers).encode()


def table_of(texts: Sequence[bytes], *, expanded: bool) -> tuple[pa.Table, pa.BooleanArray, dict[str, str]]:
    """What :func:`to_table_without_refused` does, with customers as JSON, in as many pieces as there are.

    Returns:
        The table, for each customer whether the table has it, and by id the column in the way of the others.
    """
    with suppress(pa.ArrowException, UnknownFormat):
        table = _read_json(texts, expanded=expanded)
        return table, pa.repeat(pa.scalar(True), table.num_rows), {}
    customers: list[Customer] = [each for text in texts for each in orjson.loads(text)]
    readable, table, refused = to_table_without_refused(customers, expanded=expanded)
    these = set(map(id, readable))
    return table, pa.array([id(each) in these for each in customers], pa.bool_()), refused


def _unusual(customers: Sequence[Customer], *, expanded: bool) -> pa.Table:
    """With a field that is not known, or a value of another JSON type than usual (12.0 for 12)."""
    known = _known(expanded=expanded)
    try:
        _refuse_fractions(customers, known)
        table = _read(customers, known)
    except (pa.ArrowException, UnknownFormat, TypeError, OverflowError, ValueError):
        table = _read([_coerced(customer, known) for customer in customers], known)
    for name, column in unknown_columns(customers, _NAMES, _PARENTS if expanded else ()).items():
        table = table.append_column(name, column)
    return _storable(table)


def to_table_without_refused(
    customers: Sequence[Customer], *, expanded: bool
) -> tuple[Sequence[Customer], pa.Table, dict[str, str]]:
    """The same, where one customer who cannot be read stands in the way of no other one.

    Returns:
        The customers who can be read, their table, and the others: by id the column that is in the way.
    """
    try:
        return customers, to_table(customers, expanded=expanded), {}
    except UnknownFormat as error:
        if len(customers) == 1:
            nobody = to_table([], expanded=expanded)
            return [], nobody, {customers[0]["id"]: error.column}
    middle = len(customers) // 2
    halves = [
        to_table_without_refused(half, expanded=expanded) for half in (customers[:middle], customers[middle:])
    ]
    table = pa.concat_tables([half[1] for half in halves], promote_options="default")
    return [*halves[0][0], *halves[1][0]], table, halves[0][2] | halves[1][2]


def storable(text: str) -> str:
    """A text as every warehouse can keep it.

    Postgres refuses the character NUL, so it becomes U+FFFD, the one for what cannot be shown. Everywhere,
    so that a customer is the same row in every warehouse.
    """
    return text.replace(_NUL, _INSTEAD)


def _storable(table: pa.Table) -> pa.Table:
    for number, field in enumerate(table.schema):
        if field.type == _TEXT:
            column = table.column(number)
            if pc.any(pc.match_substring(column, _NUL)).as_py():
                table = table.set_column(number, field, pc.replace_substring(column, _NUL, _INSTEAD))
    return table


def _known(*, expanded: bool) -> _Known:
    return COLUMNS | EXPANDED_COLUMNS if expanded else COLUMNS


def _refuse_fractions(customers: Sequence[Customer], known: _Known) -> None:
    """Arrow would cut the fraction of a float without a word where the column is of integers."""
    for path, (name, kind) in known.items():
        if pa.types.is_integer(kind):
            parents = [each.get(path[0]) for each in customers] if len(path) > 1 else customers
            values = {type(each.get(path[-1])) for each in parents if isinstance(each, dict)}
            if float in values or bool in values:
                raise _not_of_its_type(name, kind)


def _read_json(texts: Sequence[bytes], *, expanded: bool) -> pa.Table:
    """By Arrow's own reader, which says if anything is not as it is known, and during which others can go on.

    From dicts it takes as long, and nobody else gets a turn: a walk then takes a third longer.
    """
    known = _known(expanded=expanded)
    lines = b"".join(b'{"rows":' + text + b"}\n" for text in texts)
    wire = pa.schema([("rows", pa.list_(_wire_type(known)))])
    table = pa_json.read_json(
        pa.BufferReader(lines),
        read_options=pa_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
        parse_options=pa_json.ParseOptions(explicit_schema=wire, unexpected_field_behavior="error"),
    )
    columns = _columns(table["rows"].combine_chunks().flatten(), known)
    # The character NUL looks so in JSON; text that only looks like it costs another look.
    return _storable(columns) if b"\\u0000" in lines else columns


def _read(customers: Sequence[Customer], known: _Known) -> pa.Table:
    """Straight from dicts into columns; an order of magnitude faster than row by row."""
    return _columns(pa.array(customers, type=_wire_type(known)), known)


def _columns(rows: pa.StructArray, known: _Known) -> pa.Table:
    columns = []
    for path, (name, kind) in known.items():
        column = rows
        for step in path:
            column = _child(column, step)
        columns.append(_cast(column, name, kind))
    fields = [pa.field(name, kind, nullable=name != "id") for name, kind in known.values()]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _child(parent: pa.StructArray, name: str) -> pa.Array:
    """A field of a struct array; null where the struct itself is null."""
    return parent.flatten()[parent.type.get_field_index(name)]


def _cast(column: pa.Array, name: str, kind: pa.DataType) -> pa.Array:
    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        raise _not_of_its_type(name, kind) from None


def _not_of_its_type(name: str, kind: pa.DataType) -> UnknownFormat:
    error = UnknownFormat(
        f"Dub answered a value for {name} that is no {kind}: a newer version of dub-source may know it; if "
        "there is none, please report it."
    )
    error.column = name
    return error


def _wire_type(known: _Known) -> pa.StructType:
    """The struct that a customer is on the wire, where moments are still text."""
    tree: dict[str, Any] = {}
    for path, (_, kind) in known.items():
        parent = tree
        for step in path[:-1]:
            parent = parent.setdefault(step, {})
        parent[path[-1]] = _TEXT if kind == _MOMENT else kind
    return _struct(tree)


def _struct(tree: Mapping[str, Any]) -> pa.StructType:
    return pa.struct(
        [(name, _struct(kind) if isinstance(kind, dict) else kind) for name, kind in tree.items()]
    )


def _coerced(customer: Customer, known: _Known) -> Customer:
    """The same customer with every known value in the JSON type of its column."""
    result: Customer = {}
    for path, (name, kind) in known.items():
        value: Any = customer
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        target = result
        for step in path[:-1]:
            target = target.setdefault(step, {})
        target[path[-1]] = _value(value, name, kind)
    return result


def _value(value: Any, name: str, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if kind in (_TEXT, _MOMENT):
        return value if isinstance(value, str) else json_text(value)
    if isinstance(value, bool):
        raise _not_of_its_type(name, kind)
    try:
        number = float(value)
        if not pa.types.is_integer(kind):
            return number
        # Dub computes in doubles, so the largest amounts come rounded up beyond 64 bits. More is wrong.
        if (isinstance(value, int) or number.is_integer()) and abs(int(value)) <= _LARGEST_ROUNDED:
            return max(_SMALLEST, min(_LARGEST, int(value)))
    except (TypeError, ValueError, OverflowError):
        pass
    raise _not_of_its_type(name, kind)
