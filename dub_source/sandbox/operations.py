"""The operations of the customers API, each from a checked request to an answer."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from dub_source.sandbox import bodies, ids, validation
from dub_source.sandbox.collation import collate
from dub_source.sandbox.model import Customer, Workspace
from dub_source.sandbox.names import random_name
from dub_source.sandbox.problems import CUSTOMER_NOT_FOUND, DUPLICATE, Problem, invalid
from dub_source.sandbox.search import predicate
from dub_source.sandbox.store import SORT_KEYS, Duplicate, Matches, Store
from dub_source.sandbox.validation import Filters, ListQuery

_STORED_AVATARS = ("https://dubassets.com", "https://api.dub.co/og/avatar")
_FAILING_UPLOAD = "fail-upload"  # an avatar URL with these words cannot be fetched, so it becomes null later
_LONGEST_TEXT = 191
_COLUMNS = {
    "name": "name",
    "email": "email",
    "avatar": "avatar",
    "externalId": "external_id",
    "stripeCustomerId": "stripe_customer_id",
    "country": "country",
}
_LIMITED_COLUMNS = ("name", "email", "externalId", "stripeCustomerId", "country")
_GROUPS_LISTED = 10_000


@dataclass(slots=True)
class Answer:
    """One answer; without a content type it goes out without that header."""

    status: int
    body: bytes
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Call:
    """One request after authentication."""

    workspace: Workspace
    parameters: dict[str, str]
    raw_body: bytes = b""
    customer: str = ""
    """The id or ``ext_`` reference in the path, decoded."""


class Operations:
    """What the routes do. ``clock`` gives seconds since 1970; ``source`` decides ids, avatars and names."""

    def __init__(self, store: Store, source: random.Random, clock: Callable[[], float]) -> None:
        self._store = store
        self._mint = ids.Mint(source)
        self._random = source
        self._clock = clock

    def list_page(self, call: Call) -> Answer:
        """GET /customers."""
        query = validation.list_query(call.parameters)
        program_id = _program(call.workspace, query.filters)
        validation.check_paging(
            sort_by=query.sort_by,
            starting_after=query.starting_after,
            ending_before=query.ending_before,
            page=query.page,
        )
        matches = predicate(query.filters, program_id)
        table = self._store.tables[call.workspace.id]
        cursor = query.starting_after or query.ending_before
        if cursor:
            if self._store.find(call.workspace.id, cursor) is None:
                raise invalid("Invalid cursor: the provided ID does not exist.")
            backwards = query.ending_before is not None
            rows = table.after(
                cursor, descending=query.descending != backwards, take=query.page_size, matches=matches
            )
            rows = rows[::-1] if backwards else rows
        else:
            order = table.ordered(query.sort_by)
            if query.filters.customer_ids is not None:
                order = self._named(call.workspace, query, matches)
            elif matches is not None:
                order = table.view(query.sort_by, (query.filters, program_id), matches)
            rows = table.window(
                order, query.sort_by, descending=query.descending, page=query.page or 1, size=query.page_size
            )
        for position, row in enumerate(rows):
            if row.external_id is None:
                raise _unreadable(f"[{position}].externalId")
        return Answer(200, self._store.render(rows, expanded=query.expanded))

    def _named(self, workspace: Workspace, query: ListQuery, matches: Matches | None) -> list[Customer]:
        """The customers of ``customerIds``, looked up rather than searched for."""
        found = (self._store.find(workspace.id, each) for each in query.filters.customer_ids or ())
        rows = {row.id: row for row in found if row is not None and (matches is None or matches(row))}
        return sorted(rows.values(), key=SORT_KEYS[query.sort_by])

    def get(self, call: Call) -> Answer:
        """GET /customers/{id}."""
        expanded = validation.list_query(call.parameters).expanded
        row = self._find(call)
        if row.external_id is None:
            raise _unreadable("externalId")
        return Answer(200, self._store.render_one(row, expanded=expanded))

    def create(self, call: Call) -> Answer:
        """POST /customers."""
        body = bodies.create_body(call.raw_body)
        now = int(self._clock() * 1000)
        row = Customer(
            id=self._mint.ulid(now),
            workspace_id=call.workspace.id,
            external_id=body["externalId"],
            created_ms=now,
            name=body.get("name") or body.get("email") or random_name(self._random),
            email=body.get("email"),
            stripe_customer_id=body.get("stripeCustomerId"),
            country=body["country"],
        )
        row.avatar = self._stored_avatar(row, body.get("avatar"))
        _refuse_too_long({**body, "name": row.name}, "create")
        try:
            self._store.add(row)
        except Duplicate:
            raise Problem("conflict", DUPLICATE) from None
        answer = Answer(201, self._store.render_one(row, expanded=False))
        self._finish_upload(row, body.get("avatar"))
        return answer

    def update(self, call: Call) -> Answer:
        """PATCH /customers/{id}. ``country`` is checked and then ignored, as Dub does."""
        expanded = validation.list_query(call.parameters).expanded
        body = bodies.update_body(call.raw_body)
        row = self._find(call)
        body.pop("country", None)
        changes = {_COLUMNS[name]: value for name, value in body.items()}
        if "avatar" in changes:
            changes["avatar"] = self._stored_avatar(row, body["avatar"])
        _refuse_too_long(body, "update")
        try:
            self._store.update(row, changes)
        except Duplicate:
            raise Problem("conflict", DUPLICATE) from None
        if row.external_id is None:
            raise _unreadable_after_update()
        answer = Answer(200, self._store.render_one(row, expanded=expanded))
        self._finish_upload(row, body.get("avatar"))
        return answer

    def delete(self, call: Call) -> Answer:
        """DELETE /customers/{id}."""
        row = self._find(call)
        self._store.remove(row)
        return Answer(200, orjson.dumps({"id": row.id}))

    def count(self, call: Call) -> Answer:
        """GET /customers/count: a bare number, or a table by country or link."""
        filters = validation.count_query(call.parameters)
        program_id = _program(call.workspace, filters)
        rows = self._store.tables[call.workspace.id].rows
        group = {"country": "country", "linkId": "link_id"}.get(filters.group_by or "")
        matches = predicate(_without_group(filters), program_id)
        if matches is not None:
            rows = [row for row in rows if matches(row)]
        if group is None:  # groupBy=partnerId is accepted, and answers the plain number
            return Answer(200, orjson.dumps(len(rows)))
        return Answer(200, orjson.dumps(self._grouped(rows, filters.group_by or "", group)))

    def _grouped(self, rows: list[Customer], name: str, column: str) -> list[dict[str, Any]]:
        values = [value for row in rows if (value := getattr(row, column)) is not None]
        unset = len(rows) - len(values)
        shown = {collate(value): value for value in reversed(values)}
        counts = Counter(collate(value) for value in values)
        table: list[dict[str, Any]] = [{"_count": n, name: shown[key]} for key, n in counts.most_common()]
        if name == "country":
            # The order is by count(country), which is 0 for customers without one.
            return [*table, {"_count": unset, name: None}] if unset else table
        links = self._store.dataset.links
        return [
            entry | {"shortLink": link["shortLink"], "url": link["url"]}
            for entry in table[:_GROUPS_LISTED]
            if (link := links.get(entry[name])) is not None
        ]

    def _find(self, call: Call) -> Customer:
        if call.customer.startswith("ext_"):
            row = self._store.find_external(call.workspace.id, call.customer.removeprefix("ext_"))
        else:
            row = self._store.find(call.workspace.id, call.customer)
        if row is None:
            raise Problem("not_found", CUSTOMER_NOT_FOUND)
        return row

    def _stored_avatar(self, row: Customer, url: str | None) -> str | None:
        if not url or url == row.avatar or url.startswith(_STORED_AVATARS):
            return url
        return f"https://dubassets.com/customers/{row.id}/avatar_{ids.token(self._random, 7)}"

    def _finish_upload(self, row: Customer, url: str | None) -> None:
        """What happens after the answer: an avatar that could not be stored becomes null."""
        if url and not url.startswith(_STORED_AVATARS) and _FAILING_UPLOAD in url:
            self._store.update(row, {"avatar": None})


def _program(workspace: Workspace, filters: Filters) -> str | None:
    if not filters.program_id and not filters.partner_id:
        return None
    if workspace.default_program_id is None:
        raise Problem("not_found", "Program not found")
    return workspace.default_program_id


def _without_group(filters: Filters) -> Filters:
    """A count by country is not also filtered by country; the same for links."""
    if filters.group_by == "country":
        return replace(filters, country=None)
    return replace(filters, link_id=None) if filters.group_by == "linkId" else filters


def _unreadable(path: str) -> Problem:
    return invalid(f"invalid_type: {path}: Invalid input: expected string, received null")


def _unreadable_after_update() -> Problem:
    """PATCH commits first and checks its answer afterwards, so this error does not undo the write."""
    issue = {
        "expected": "string",
        "code": "invalid_type",
        "path": ["externalId"],
        "message": "Invalid input: expected string, received null",
    }
    return invalid(orjson.dumps([issue], option=orjson.OPT_INDENT_2).decode())


def _refuse_too_long(values: dict[str, Any], action: str) -> None:
    for column in _LIMITED_COLUMNS:
        if len(values.get(column) or "") > _LONGEST_TEXT:
            raise invalid(
                f"\nInvalid `prisma.customer.{action}()` invocation:\n\n\nThe provided value for the column "
                f"is too long for the column's type. Column: {column}"
            )
