"""Customers as JSON become the same columns as customers as objects, whatever they hold."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from dub_source import schema
from dub_source.errors import UnknownFormat
from dub_source.schema import COLUMNS, EXPANDED_COLUMNS, to_table, to_table_without_refused
from tests.test_schema import JSON

VALUES = JSON.map(lambda value: orjson.loads(json.dumps(value)))
"""As they come from the wire: numbers of more than 64 bits are doubles."""
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
WHOLE = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.integers(0, 253_402_300_799_999).map(
    lambda ms: (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).strftime(
        "%Y-%m-%dT%H:%M:%S.%fZ"
    )
)
USUAL: dict[Any, Any] = {
    pa.string(): TEXTS,
    pa.int64(): WHOLE,
    pa.float64(): WHOLE | st.floats(allow_nan=False, allow_infinity=False),
    pa.timestamp("us", tz="UTC"): MOMENTS,
}


@st.composite
def usual_customers(draw: st.DrawFn) -> dict[str, Any]:
    """A customer of known fields with values of their types; some are null, some absent."""
    customer: dict[str, Any] = {}
    for path, (name, kind) in (COLUMNS | EXPANDED_COLUMNS).items():
        if name != "id" and draw(st.booleans()):
            continue
        parent = customer if len(path) == 1 else customer.setdefault(path[0], {})
        parent[path[-1]] = draw(USUAL[kind] if name == "id" else st.none() | USUAL[kind])
    for parent in ("link", "partner", "discount"):
        if draw(st.sampled_from(range(6))) == 0:
            customer[parent] = None
    return customer


@given(customers=st.lists(usual_customers(), max_size=4), pieces=st.integers(1, 3))
def test_both_ways_from_customers_to_columns_give_the_same(customers: list[Any], pieces: int) -> None:
    """The fast one takes the usual customers; the slow one takes all."""
    fast = schema._read_json(
        [orjson.dumps(customers[piece::pieces]) for piece in range(pieces)], expanded=True
    )
    order = [each for piece in range(pieces) for each in customers[piece::pieces]]
    slow = schema._unusual(order, expanded=True)
    assert fast.schema == slow.schema
    assert fast.to_pylist() == slow.to_pylist()


@given(customers=st.lists(usual_customers(), min_size=1, max_size=3), value=VALUES, data=st.data())
def test_whatever_stands_in_a_field_both_forms_of_customers_are_taken_alike(
    customers: list[Any], value: Any, data: st.DataObject
) -> None:
    """Objects and their JSON."""
    path = data.draw(st.sampled_from(sorted(COLUMNS | EXPANDED_COLUMNS)))
    customers[0] |= {path[0]: value if len(path) == 1 else {path[-1]: value}}

    def outcome(make: Callable[[], pa.Table]) -> Any:
        try:
            return make().to_pylist()
        except UnknownFormat as error:
            return str(error)

    expected = outcome(lambda: schema._unusual(customers, expanded=True))
    assert outcome(lambda: to_table(customers, expanded=True)) == expected
    texts = [schema.as_json([each]) for each in customers]
    table, is_readable, refused = schema.table_of(texts, expanded=True)
    readable, readable_table, all_refused = to_table_without_refused(customers, expanded=True)
    assert table.to_pylist() == readable_table.to_pylist()
    assert is_readable.to_pylist() == [any(each is one for one in readable) for each in customers]
    assert refused == all_refused
