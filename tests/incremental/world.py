"""A workspace, a client, and runs over it, for tests of incremental runs."""

import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dub_source.client import DubClient
from dub_source.ids import ulid_ms
from dub_source.incremental import Frontier, FrontierBuilder, Incremental
from dub_source.sandbox import Customer, Dataset, Sandbox
from dub_source.sandbox.app import LoggedRequest
from dub_source.sandbox.generate import WORKSPACE_ID, generate
from dub_source.sandbox.ids import ulid
from dub_source.types import Page

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
OVERLAP_S = 900.0


def now_ms() -> int:
    """Of this machine; sandboxes put it into the date of every answer."""
    return int(time.time() * 1000)


def at(ms: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)


def ulids(moments: Iterable[int], seed: int = 0) -> list[str]:
    source = random.Random(seed)
    return [ulid(ms, source) for ms in moments]


def aged(*minutes: float, seed: int = 0) -> list[str]:
    """ULIDs made so many minutes ago."""
    now = now_ms()
    return ulids((now - round(each * MINUTE_MS) for each in minutes), seed)


def workspace(ids: Iterable[str]) -> Dataset:
    """A workspace of customers with these ids, each created when the id was made, or two years ago."""
    dataset = generate(0)
    dataset.customers = [
        Customer(each, WORKSPACE_ID, f"user-{number}", ulid_ms(each) or now_ms() - 730 * DAY_MS + number)
        for number, each in enumerate(ids)
    ]
    return dataset


@dataclass
class Run:
    """What one incremental run came to."""

    incremental: Incremental
    read: Counter[str] = field(default_factory=Counter)
    pages: list[Page] = field(default_factory=list)
    requests: list[LoggedRequest] = field(default_factory=list)

    @property
    def frontier(self) -> Frontier:
        return self.incremental.frontier

    @property
    def complete(self) -> bool:
        return self.incremental.new_customers_complete


class World:
    """A sandbox and a client of it."""

    def __init__(self, sandbox: Sandbox, client: DubClient) -> None:
        self.sandbox = sandbox
        self.client = client

    def swept(
        self, *, began: datetime | None = None, overlap_s: float = OVERLAP_S, seed: int = 0
    ) -> Frontier:
        """The frontier after a sweep; it reads in any order, and not what nobody can read."""
        builder = FrontierBuilder(overlap_s=overlap_s)
        unreadable = {row.id for row in self.rows() if row.external_id is None}
        rows = [row for row in self.sandbox.snapshot().values() if row["id"] not in unreadable]
        random.Random(seed).shuffle(rows)
        builder.add_ids(row["id"] for row in rows)
        builder.add_dates(rows)
        return through_json(builder.frontier(now=began or datetime.now(UTC)))

    def run(self, frontier: Frontier, **options: Any) -> Run:
        self.sandbox.forget_requests()
        options = {"refresh_requests": 0, "overlap_s": OVERLAP_S} | options
        run = Run(Incremental(options.pop("client", self.client), frontier, **options))
        for page in run.incremental:
            run.pages.append(page)
            run.read.update(customer["id"] for customer in page.customers)
        run.requests = self.sandbox.requests
        return run

    def insert(self, *ids: str, **fields: Any) -> list[str]:
        """New customers with these ids."""
        return [self.sandbox.insert(id=each, **fields).id for each in ids]

    def poison(self, *ids: str) -> None:
        """Make customers unreadable."""
        for each in ids:
            self.sandbox.change(each, external_id=None)

    def change(self, customer_id: str, column: str, value: Any) -> None:
        """Set a column of a customer, as the sandbox names it."""
        self.sandbox.change(customer_id, None, **{column: value})

    def delete(self, ids: Sequence[str]) -> None:
        for each in ids:
            self.sandbox.delete(each)

    def rows(self) -> list[Customer]:
        """All customers as they are stored, in the order of ids."""
        return self.sandbox.store.tables[WORKSPACE_ID].rows


def through_json(frontier: Frontier) -> Frontier:
    """As it comes back from where state is stored."""
    import orjson

    stored: dict[str, Any] = orjson.loads(orjson.dumps(frontier.as_state()))
    back = Frontier.from_state(stored)
    assert back == frontier
    return back
