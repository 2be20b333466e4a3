"""The sandbox's database: customers with the unique keys and the orders that Dub's queries use."""

import random
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from dub_source.sandbox.collation import collate, id_key
from dub_source.sandbox.model import Customer, Dataset

Matches = Callable[[Customer], bool]
SortKey = Callable[[Customer], tuple[float, str]]

_NOT_SET = float("-inf")  # MySQL sorts NULL before every value


def _by(field: str) -> SortKey:
    def key(row: Customer) -> tuple[float, str]:
        value: int | None = getattr(row, field)
        return (_NOT_SET if value is None else value, id_key(row.id))

    return key


SORT_KEYS: dict[str, SortKey] = {
    "createdAt": _by("created_ms"),
    "saleAmount": _by("sale_amount"),
    "firstSaleAt": _by("first_sale_ms"),
    "subscriptionCanceledAt": _by("canceled_ms"),
}


class Duplicate(Exception):
    """A unique key is taken: externalId within the workspace, id or stripeCustomerId anywhere."""


class Table:
    """One workspace's customers, in id order and (once asked for) in the orders of SORT_KEYS."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.rows: list[Customer] = []
        self.external: dict[str, Customer] = {}
        self._orders: dict[str, list[Customer]] = {}
        self._views: dict[tuple[object, ...], list[Customer]] = {}

    def load(self, rows: Iterable[Customer]) -> None:
        """Take these rows instead of all there are."""
        self.rows = sorted(rows, key=lambda row: id_key(row.id))
        self.keys = [id_key(row.id) for row in self.rows]
        self.external = {collate(row.external_id): row for row in self.rows if row.external_id is not None}

    def add(self, row: Customer) -> None:
        """Put a row into all orders."""
        key = id_key(row.id)
        position = bisect_left(self.keys, key)
        self.keys.insert(position, key)
        self.rows.insert(position, row)
        if row.external_id is not None:
            self.external[collate(row.external_id)] = row
        for name, order in self._orders.items():
            insort(order, row, key=SORT_KEYS[name])
        self._views.clear()

    def remove(self, row: Customer) -> None:
        """Take a row out of all orders."""
        position = bisect_left(self.keys, id_key(row.id))
        del self.keys[position], self.rows[position]
        if row.external_id is not None:
            del self.external[collate(row.external_id)]
        for name, order in self._orders.items():
            del order[bisect_left(order, SORT_KEYS[name](row), key=SORT_KEYS[name])]
        self._views.clear()

    def ordered(self, sort_by: str) -> list[Customer]:
        """All rows ascending; built at the first call, then kept."""
        order = self._orders.get(sort_by)
        if order is None:
            order = self._orders[sort_by] = sorted(self.rows, key=SORT_KEYS[sort_by])
        return order

    def view(self, sort_by: str, signature: tuple[object, ...], matches: Matches) -> list[Customer]:
        """The rows that match, ascending; kept until the next write, because samplers ask page after page."""
        view = self._views.get((sort_by, *signature))
        if view is None:
            if len(self._views) > 64:
                self._views.clear()
            view = self._views[(sort_by, *signature)] = [row for row in self.ordered(sort_by) if matches(row)]
        return view

    def after(self, cursor: str, *, descending: bool, take: int, matches: Matches | None) -> list[Customer]:
        """What ``id >= cursor ORDER BY id LIMIT take OFFSET 1`` gives (``<=`` when descending).

        The offset stands for the cursor's own row. Where a filter hides that row, the offset skips a
        real one instead: that is Dub's behaviour, and the reason why filtered cursor walks lose rows.
        """
        position = bisect_left(self.keys, id_key(cursor))
        if matches is None:
            if descending:
                return self.rows[max(0, position - take) : position][::-1]
            return self.rows[position + 1 : position + 1 + take]
        found: list[Customer] = []
        for candidate in range(position, -1, -1) if descending else range(position, len(self.rows)):
            row = self.rows[candidate]
            if matches(row):
                found.append(row)
                if len(found) > take:
                    break
        return found[1:]

    def window(
        self, order: Sequence[Customer], sort_by: str, *, descending: bool, page: int, size: int
    ) -> list[Customer]:
        """Rows of one offset page. Ties other than createdAt's change places between odd and even pages."""
        start, end = (page - 1) * size, min(page * size, len(order))
        positions = range(start, end)
        if descending:
            positions = range(len(order) - 1 - start, len(order) - 1 - end, -1)
        if sort_by == "createdAt" or page % 2:
            return [order[position] for position in positions]
        return [order[_mirrored(order, SORT_KEYS[sort_by], position)] for position in positions]


def _mirrored(order: Sequence[Customer], key: SortKey, position: int) -> int:
    """The position with its group of ties turned round: without a tie-breaker no order is promised."""
    value = key(order[position])[0]
    first = bisect_left(order, value, key=lambda row: key(row)[0])
    last = bisect_right(order, value, key=lambda row: key(row)[0])
    return first + last - 1 - position


class Store:
    """All workspaces' customers. Not thread-safe: the sandbox holds its lock around every call."""

    def __init__(self, dataset: Dataset, source: random.Random) -> None:
        self.dataset = dataset
        self.random = source
        self._by_id: dict[str, Customer] = {}
        self._by_stripe_id: dict[str, Customer] = {}
        self._expansions: dict[tuple[str | None, str | None, str | None], bytes] = {}
        self.tables = {workspace.id: Table() for workspace in dataset.workspaces}
        grouped: dict[str, list[Customer]] = {workspace.id: [] for workspace in dataset.workspaces}
        for row in dataset.customers:
            grouped[row.workspace_id].append(row)
            self._by_id[id_key(row.id)] = row
            if row.stripe_customer_id is not None:
                self._by_stripe_id[collate(row.stripe_customer_id)] = row
        for workspace_id, rows in grouped.items():
            self.tables[workspace_id].load(rows)

    def find(self, workspace_id: str, customer_id: str) -> Customer | None:
        """The customer with this id, if it belongs to this workspace."""
        row = self._by_id.get(id_key(customer_id))
        return row if row is not None and row.workspace_id == workspace_id else None

    def find_external(self, workspace_id: str, external_id: str) -> Customer | None:
        """The customer of this workspace with this externalId."""
        return self.tables[workspace_id].external.get(collate(external_id))

    def add(self, row: Customer) -> None:
        """Add a customer.

        Raises:
            Duplicate: if its id, externalId or stripeCustomerId is taken.
        """
        if id_key(row.id) in self._by_id:
            raise Duplicate
        self._refuse_duplicates(row, row.external_id, row.stripe_customer_id)
        self._by_id[id_key(row.id)] = row
        if row.stripe_customer_id is not None:
            self._by_stripe_id[collate(row.stripe_customer_id)] = row
        self.tables[row.workspace_id].add(row)

    def remove(self, row: Customer) -> None:
        """Delete a customer."""
        self.tables[row.workspace_id].remove(row)
        del self._by_id[id_key(row.id)]
        if row.stripe_customer_id is not None:
            del self._by_stripe_id[collate(row.stripe_customer_id)]

    def update(self, row: Customer, changes: dict[str, Any]) -> None:
        """Set fields by their names here (not Dub's); every index follows.

        Raises:
            Duplicate: as :meth:`add`; nothing has changed then.
        """
        self._refuse_duplicates(
            row,
            changes.get("external_id", row.external_id),
            changes.get("stripe_customer_id", row.stripe_customer_id),
        )
        self.remove(row)
        for name, value in changes.items():
            setattr(row, name, value)
        row.rendered = None
        self.add(row)

    def _refuse_duplicates(self, row: Customer, external_id: str | None, stripe_id: str | None) -> None:
        if external_id is not None:
            other = self.find_external(row.workspace_id, external_id)
            if other is not None and other is not row:
                raise Duplicate
        if stripe_id is not None:
            other = self._by_stripe_id.get(collate(stripe_id))
            if other is not None and other is not row:
                raise Duplicate

    def render(self, rows: Sequence[Customer], *, expanded: bool) -> bytes:
        """A JSON array of customers."""
        if not rows:
            return b"[]"
        source = self.random
        if not expanded:
            return b"[" + b"},".join([row.rendered or row.render(source) for row in rows]) + b"}]"
        return b"[" + b",".join([self.render_one(row, expanded=True) for row in rows]) + b"]"

    def render_one(self, row: Customer, *, expanded: bool) -> bytes:
        """One customer as a JSON object."""
        body = row.rendered or row.render(self.random)
        if not expanded:
            return body + b"}"
        references = (row.link_id, row.program_id, row.partner_id)
        tail = self._expansions.get(references)
        if tail is None:
            tail = self._expansions[references] = self._expansion(*references)
        return body + tail

    def _expansion(self, link_id: str | None, program_id: str | None, partner_id: str | None) -> bytes:
        fields: dict[str, Any] = {}
        link = self.dataset.links.get(link_id or "")
        if link is not None:
            fields["link"] = link
        if program_id is not None:
            fields["programId"] = program_id
        if partner_id is not None and program_id is not None:
            enrollment = (partner_id, program_id)
            if enrollment in self.dataset.enrollments:
                fields["partner"] = self.dataset.partners[partner_id]
                if self.dataset.enrollments[enrollment] is not None:
                    fields["discount"] = self.dataset.enrollments[enrollment]
        return b"," + orjson.dumps(fields)[1:] if fields else b"}"
