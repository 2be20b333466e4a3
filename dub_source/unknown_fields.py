"""Fields that this version does not know: each becomes a text column, whatever it holds and whenever.

A warehouse does not change the type of a column, so a type that was taken from the first values would fail
a later load: for good, if the table has it. Text holds everything: strings as they are, all else as JSON.
Objects are not taken apart either: the keys of one that holds data (``metadata``) would become columns
without end.

A name becomes a column by dlt's rules (``newField`` -> ``new_field``). Some cannot: they belong to a known
field (``sale_amount``, ``ID``), to another field of the same customer (``newField`` and ``new_field``), to
the warehouse, or to nothing (``""``). These are kept as they came, all together as one JSON object a
customer, in the column ``other_fields``.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, TypeAlias

import orjson
import pyarrow as pa
from dlt.common.normalizers.naming.snake_case import NamingConvention

from dub_source.types import Customer

Path: TypeAlias = tuple[str, ...]
"""Where a field stands on the wire: ``("sales",)`` or ``("link", "url")``."""

OTHER_FIELDS = "other_fields"
"""The column of the fields that have none of their own."""

_KEPT_FREE = frozenset(
    {
        OTHER_FIELDS,
        *"row_hash name_generated observed_at deleted_at version_key change changed_fields".split(),
        *"valid_from valid_to is_current".split(),
    }
)
"""What this package writes about a customer and its versions itself, in tables and views."""
_OF_WAREHOUSES = frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "rowid"})
"""Names that Postgres and DuckDB do not give away (BigQuery's, and dlt's, begin with an underscore)."""
_LONGEST = 63
"""Bytes of a name in Postgres; dlt would cut longer ones there, and only there."""

_NAMING = NamingConvention()


def unknown_columns(
    customers: Sequence[Customer], known: Mapping[Path, str], parents: Collection[str]
) -> dict[str, pa.Array]:
    """Columns for the fields that are not known.

    Which column a field of a customer gets depends on this customer alone, not on the others.

    Args:
        customers: objects as on the wire.
        known: the known fields and their columns.
        parents: the objects among the known fields whose own fields are looked at, too.

    Returns:
        Text columns by name, in a fixed order; those without a value are left out.
    """
    unknown = _unknown_paths(customers, known, parents)
    if not unknown:
        return {}
    taken = frozenset(known.values()) | _KEPT_FREE | _OF_WAREHOUSES
    columns: dict[str, list[str | None]] = {}
    leftovers: list[Customer] = [{} for _ in customers]
    for path in sorted(unknown):
        name = _column_name(path)
        texts = columns.setdefault(name, [None] * len(customers)) if name and name not in taken else None
        for row, value in _values(customers, path, parents):
            if texts is None or texts[row] is not None:
                _put(leftovers[row], path, value)
            else:
                texts[row] = value if isinstance(value, str) else json_text(value)
    columns[OTHER_FIELDS] = [json_text(each) if each else None for each in leftovers]
    return {
        name: pa.array(texts, type=pa.string())
        for name, texts in columns.items()
        if any(text is not None for text in texts)
    }


def json_text(value: Any) -> str:
    """A value as JSON: keys sorted, so that the same object is the same text, however large or deep it is."""
    if isinstance(value, float):
        return json.dumps(value)  # orjson writes null for what is no number.
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        return "".join(_json_parts(value))


def _unknown_paths(
    customers: Sequence[Customer], known: Mapping[Path, str], parents: Collection[str]
) -> set[Path]:
    tops = {path[0] for path in known}
    unknown: set[Path] = {(name,) for name in set().union(*customers) - tops}
    for parent in parents:
        objects = [each for each in [customer.get(parent) for customer in customers] if each is not None]
        if set(map(type, objects)) - {dict}:
            unknown.add((parent,))
            objects = [each for each in objects if isinstance(each, dict)]
        ours = {path[1] for path in known if path[0] == parent}
        unknown |= {(parent, name) for name in set().union(*objects) - ours}
    return unknown


def _values(customers: Sequence[Customer], path: Path, parents: Collection[str]) -> Iterator[tuple[int, Any]]:
    """The values of a field that are not null, with the number of their row."""
    *above, name = path
    for row, customer in enumerate(customers):
        parent = customer.get(above[0]) if above else customer
        value = parent.get(name) if isinstance(parent, dict) else None
        # The fields of a known object have columns of their own; only another thing in its place has not.
        if value is not None and not (not above and name in parents and isinstance(value, dict)):
            yield row, value


def _put(target: Customer, path: Path, value: Any) -> None:
    for step in path[:-1]:
        target = target.setdefault(step, {})
    target[path[-1]] = value


def _column_name(path: Path) -> str | None:
    """The name that dlt gives a field; None if it is not fit to be one."""
    *above, name = path
    if not re.search("[A-Za-z0-9]", name):
        return None  # dlt makes "x" of "!!!".
    own = _NAMING.normalize_identifier(name)
    column = _NAMING.make_path(*above, own)
    return None if own.startswith("_") or len(column) > _LONGEST else column


class _Written(str):
    """JSON already, among values that are to become JSON."""

    __slots__ = ()


def _json_parts(value: Any) -> Iterator[str]:
    """JSON of what orjson does not write: objects within more than 254 others, numbers of more than 64 bits.

    Without recursion, because what orjson reads may be deeper (1,024) than Python's stack has room for.
    """
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Written):
            yield item
        elif isinstance(item, dict):
            fields = [(_Written(","), _Written(json_text(name) + ":"), item[name]) for name in sorted(item)]
            waiting += reversed([_Written("{"), *list(chain(*fields))[1:], _Written("}")])
        elif isinstance(item, list):
            elements = [(_Written(","), each) for each in item]
            waiting += reversed([_Written("["), *list(chain(*elements))[1:], _Written("]")])
        else:
            yield json.dumps(item, ensure_ascii=False)
