"""Who is meant by ids, external ids and email addresses, in the warehouse and in Dub."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
import pyarrow as pa

from dub_source.by_id import ById
from dub_source.client import DubClient, external
from dub_source.destinations.sql_tables import SqlTables, chunks, placeholders
from dub_source.errors import CustomerNotFound
from dub_source.privacy import Privacy
from dub_source.reverse.named import Named
from dub_source.reverse.stored import DONE
from dub_source.table_names import PUSH_CHANGES, PUSH_LOG, history_of

if TYPE_CHECKING:
    import dlt

_PAGE = 100
_TEXT = pa.string()
_NAMING = ("external_id", "email")

_NO_SWAP = (
    "NOT EXISTS (SELECT 1 FROM {CHANGES} t WHERE t.{plan_id} = c.{plan_id} "
    "AND t.{customer_id} = c.{customer_id} AND t.{temporary})"
)
_UNSENT = f"SELECT c.{{plan_id}}, c.{{number}}, c.{{asked}}, NULL FROM {{CHANGES}} c WHERE {_NO_SWAP}"
_IDLE = (
    "SELECT c.{plan_id}, c.{number}, c.{asked}, CASE WHEN c.{op} = 'create' THEN l.{answered} END "
    "FROM {CHANGES} c LEFT JOIN {LOG} l ON l.{change_key} = c.{change_key} "
    "WHERE (l.{change_key} IS NULL OR CASE WHEN c.{op} = 'create' THEN l.{customer_id} IS NULL "
    f"ELSE l.{{result}} NOT IN ({DONE}) END) AND {_NO_SWAP}"
)
"""Changes that are not in effect, without and with a table of outcomes."""


@dataclass(frozen=True, slots=True)
class Person:
    """A customer who is named.

    Attributes:
        customer_id: Dub's id.
        deleted: whether the warehouse says that the customer is deleted.
        formerly: named only by a value that the customer had once, and that may be somebody else's by now.
    """

    customer_id: str
    deleted: bool
    formerly: bool


@dataclass(frozen=True, slots=True)
class Found:
    """Who is named.

    Attributes:
        persons: by their ids.
        nobodies: how many of the names are nobody's.
    """

    persons: tuple[Person, ...]
    nobodies: int


class Persons:
    """Looks for persons."""

    def __init__(self, pipeline: "dlt.Pipeline", table: str, privacy: Privacy) -> None:
        """Look what there is.

        Args:
            pipeline: of the warehouse.
            table: the table of customers.
            privacy: columns that the warehouse has as hashes.
        """
        names = {"customers": table, "history": history_of(table), "changes": PUSH_CHANGES, "log": PUSH_LOG}
        self._tables = SqlTables(pipeline, names, called="The tables of customers and plans")
        self._privacy = privacy

    def find(self, client: DubClient, named: Named) -> Found:
        """Everybody who is named, whether in the warehouse or only in Dub.

        Raises:
            DestinationError: if the warehouse cannot be read.
            RequestError: if Dub cannot be asked, or cannot show somebody who is named.
        """
        search = _Search()
        for column in _NAMING:
            values = named.external_ids if column == "external_id" else named.emails
            self._in_warehouse(column, values, search)
        for external_id in dict.fromkeys(named.external_ids):
            for customer_id in _with_external_id(client, external_id):
                search.add(customer_id, external_id, now=True)
        # Whether Dub tells cases apart depends on its database.
        for email in dict.fromkeys(form for each in named.emails for form in (each, each.lower())):
            for customer_id in _with_email(client, email):
                search.add(customer_id, email.lower(), now=True)
        self._by_id(client, named.ids, search)
        deleted = self._deleted(list(search.found))
        return Found(
            tuple(
                Person(each, each in deleted, formerly=not now) for each, now in sorted(search.found.items())
            ),
            nobodies=len({*named.ids, *named.external_ids, *map(str.lower, named.emails)} - search.names),
        )

    def values_of(self, ids: Sequence[str]) -> dict[str, set[str]]:
        """What the customers are, and were, called by: ``external_id`` and ``email``, this in lower case."""
        found: dict[str, set[str]] = {name: set() for name in _NAMING}
        for part in ("customers", "history"):
            for column in set(_NAMING) & set(self._tables.columns[part]):
                for _, value in self._having(part, column, "{id}", ids):
                    if value is not None:
                        found[column].add(value.lower() if column == "email" else value)
        return found

    def not_in_effect(self, external_ids: set[str], emails: set[str]) -> dict[str, set[int]]:
        """Changes that hold such a name and are not in effect: by plan, their numbers.

        Those are creations that made nobody, and updates that did not give the name to somebody else. The
        answer to a creation that was rejected shows whoever has the external id, in letters of other cases.
        Swaps are left alone: whoever has a made-up external id already must get the one that was asked for.

        Args:
            external_ids: exactly as they are.
            emails: in lower case.
        """
        if not self._tables.columns["changes"]:
            return {}
        logged = bool(self._tables.columns["log"])
        schema = pa.schema(
            [("plan_id", _TEXT), ("number", pa.int64()), ("asked", _TEXT), ("answered", _TEXT)]
        )
        found: dict[str, set[int]] = {}
        for rows in self._tables.read(schema, _IDLE if logged else _UNSENT):
            for row in rows.to_pylist():
                for values in (orjson.loads(row[name]) for name in ("asked", "answered") if row[name]):
                    email = (values.get("email") or "").lower()
                    if values.get("external_id") in external_ids or email in emails:
                        found.setdefault(row["plan_id"], set()).add(row["number"])
        return found

    # The warehouse

    def _in_warehouse(self, column: str, values: Sequence[str], search: "_Search") -> None:
        given = {each.lower() if column == "email" else each for each in values}
        stored = {each: each for each in given} | self._hashed(column, values)
        condition = "lower({email})" if column == "email" else f"{{{column}}}"
        for part in ("customers", "history"):
            if column in self._tables.columns[part]:
                for customer_id, value in self._having(part, column, condition, list(stored)):
                    name = stored.get(value.lower() if column == "email" else value, value)
                    search.add(customer_id, name, now=part == "customers")

    def _hashed(self, column: str, values: Sequence[str]) -> dict[str, str]:
        """What the values became, if the warehouse has hashes of them; a hash tells letters' cases apart."""
        if column not in self._privacy.hashed or not values:
            return {}
        names = {each: each for each in values}
        if column == "email":
            names = {form: each.lower() for each in values for form in (each, each.lower())}
        hashes = self._privacy.applied(pa.table({column: pa.array(list(names), _TEXT)}))[column]
        return dict(zip(hashes.to_pylist(), names.values(), strict=True))

    def _having(
        self, part: str, column: str, condition: str, values: Sequence[str]
    ) -> Iterator[tuple[str, str]]:
        """Ids and values of the rows whose ``condition`` is among the values."""
        schema = pa.schema([("id", _TEXT), (column, _TEXT)])
        for some in chunks(values):
            for rows in self._tables.read(
                schema,
                f"SELECT DISTINCT {{id}}, {{{column}}} FROM {{{part.upper()}}} "
                f"WHERE {condition} IN ({placeholders(some)})",
                *some,
            ):
                yield from zip(rows["id"].to_pylist(), rows[column].to_pylist(), strict=True)

    def _by_id(self, client: DubClient, ids: Sequence[str], search: "_Search") -> None:
        for customer_id in self._known(ids):
            search.add(customer_id, customer_id, now=True)
        unknown = [each for each in dict.fromkeys(ids) if each not in search.names]
        asked = {each.casefold(): each for each in unknown}
        for again in ById(client).read(unknown):
            for customer_id in (*(each["id"] for each in again.page.customers), *again.unreadable):
                # Dub finds ids in any case, and by other letters: é is e to its database (recorded).
                if (name := asked.get(customer_id.casefold())) is not None:
                    search.add(customer_id, name, now=True)

    def _known(self, ids: Sequence[str]) -> set[str]:
        """Those of the ids that are in any table."""
        known: set[str] = set()
        for part, column in (
            ("customers", "id"),
            ("history", "id"),
            ("changes", "customer_id"),
            ("log", "customer_id"),
        ):
            if self._tables.columns[part]:
                known |= self._distinct(part, column, ids)
        return known

    def _distinct(self, part: str, column: str, ids: Sequence[str], condition: str = "") -> set[str]:
        found: set[str] = set()
        for some in chunks(list(dict.fromkeys(ids))):
            for rows in self._tables.read(
                pa.schema([(column, _TEXT)]),
                f"SELECT DISTINCT {{{column}}} FROM {{{part.upper()}}} "
                f"WHERE {{{column}}} IN ({placeholders(some)}) {condition}",
                *some,
            ):
                found.update(rows[column].to_pylist())
        return found

    def _deleted(self, ids: Sequence[str]) -> set[str]:
        marked = "deleted_at" in self._tables.columns["customers"]
        return self._distinct("customers", "id", ids, "AND {deleted_at} IS NOT NULL") if marked else set()


class _Search:
    """Who was found so far, and by which names.

    Attributes:
        found: by id, whether one of the names is theirs now.
        names: those that are somebody's.
    """

    def __init__(self) -> None:
        self.found: dict[str, bool] = {}
        self.names: set[str] = set()

    def add(self, customer_id: str, name: str, *, now: bool) -> None:
        self.found[customer_id] = self.found.get(customer_id, False) or now
        self.names.add(name)


def _with_external_id(client: DubClient, external_id: str) -> list[str]:
    try:
        customer = client.get(external(external_id))
    except CustomerNotFound:
        return []
    # Dub's database takes é for e, and capitals for small letters (recorded): that may be somebody else.
    return [customer["id"]] if customer["externalId"] == external_id else []


def _with_email(client: DubClient, email: str) -> list[str]:
    """Customers with this address, in whichever case Dub has it."""
    found: list[str] = []
    for number in range(1, 1_001):
        customers = client.list(email=email, page=number, page_size=_PAGE).customers
        # Should Dub not know the filter, it would show everybody.
        found += [each["id"] for each in customers if (each.get("email") or "").lower() == email.lower()]
        if len(customers) < _PAGE:
            break
    return found
