"""Random plans, random faults, and somebody else who changes things between any two requests.

What is held against the outcomes is what the sandbox went through: before each request all customers are
looked at, and again after each change by somebody else, so that every difference has its author.
"""

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dub_source.errors import DestinationError
from dub_source.reverse import reasons
from dub_source.reverse.model import Change, Op, Outcome, Result
from dub_source.sandbox import Sandbox
from dub_source.sandbox.faults import Fault
from dub_source.sandbox.generate import generate
from dub_source.types import Page
from tests.reverse.fleet import Fleet, swap

_FRESH = "DUB_SOURCE_FRESH_EXAMPLES"
"""Set it to see other examples in each run; without it they are always the same."""
_FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "after_commit"},
    {"kind": "not_json"},
    {"kind": "truncated"},
    {"kind": "reset"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 503},
    {"kind": "status", "status": 429, "code": "rate_limit_exceeded"},
)
_DONE = (Result.APPLIED, Result.ALREADY_APPLIED)
_CUSTOMERS = 26

State = dict[str, dict[str, str | None]]


@dataclass
class Author:
    """What one of the two has done: columns of customers, births and deaths."""

    columns: set[tuple[str, str]] = field(default_factory=set)
    values: set[tuple[str, str, str | None]] = field(default_factory=set)
    births: Counter[str | None] = field(default_factory=Counter)
    deaths: set[str] = field(default_factory=set)

    def has_changed(self, customer_id: str) -> bool:
        return customer_id in self.deaths or any(each == customer_id for each, _ in self.columns)


class History:
    """Everything that customers were, and by whom."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.states: list[State] = [fleet.shown()]
        self.us, self.them = Author(), Author()

    def look(self, author: Author) -> None:
        before, now = self.states[-1], self._fleet.shown()
        if now == before:
            return
        author.deaths |= before.keys() - now.keys()
        author.births.update(now[each]["external_id"] for each in now.keys() - before.keys())
        for customer_id in now.keys() & before.keys():
            for column, value in now[customer_id].items():
                if value != before[customer_id][column]:
                    author.columns.add((customer_id, column))
                    author.values.add((customer_id, column, value))
        self.states.append(now)

    def had(self, customer_id: str, asked: Any) -> bool:
        """Whether there was a moment in which a customer had all of these values."""
        return any(
            customer_id in state
            and all(_is(column, value, state[customer_id]) for column, value in asked.items())
            for state in self.states
        )


def _is(column: str, asked: str | None, row: dict[str, str | None]) -> bool:
    value = row[column]
    if column == "avatar" and asked is not None:
        return str(value).startswith(f"https://dubassets.com/customers/{row['id']}/")
    if column == "name" and asked is None:
        return value in (None, row["email"])
    return value == asked


def make_plan(fleet: Fleet, source: random.Random) -> list[Change]:
    """Each customer once; about half of them in chains and swaps."""
    ids = fleet.ids
    source.shuffle(ids)
    changes: list[Change] = []
    for chain in range(source.randrange(3)):
        one, other = ids.pop(), ids.pop()
        also = {"name": "Swapped"} if source.random() < 0.5 else {}
        changes += swap(fleet, one, other, number=len(changes), chain=chain, **also)
    shown = fleet.shown()
    links = [ids.pop() for _ in range(source.randrange(2, 6))]
    wanted = ["chain-end", *(shown[each]["external_id"] for each in links)]
    for place, each in enumerate(links):
        changes.append(fleet.update(len(changes), each, external_id=wanted[place], chain=9))
    for _ in range(source.randrange(2, 10)):
        number, each = len(changes), ids.pop()
        columns: dict[str, str | None] = {
            "name": source.choice((f"New {number}", None)),
            "email": source.choice((f"new{number}@example.com", None)),
            "avatar": source.choice((f"https://example.com/{number}.png", None)),
            "stripe_customer_id": source.choice((f"cus_new{number}", None)),
            "country": "AQ",
            "external_id": source.choice((f"ext-new-{number}", shown[ids[0]]["external_id"])),
        }
        some = source.sample(sorted(columns), source.randrange(1, 4))
        asked = {name: columns[name] for name in some if not _is(name, columns[name], shown[each])}
        if asked:
            changes.append(fleet.update(number, each, **asked))
    changes += [fleet.create(len(changes) + n, f"created-{n}", name="Made") for n in range(3)]
    changes += [fleet.delete(len(changes) + n, ids.pop()) for n in range(source.randrange(1, 4))]
    return changes


class Others:
    """Somebody else, who changes what the plan is about, between requests."""

    def __init__(self, fleet: Fleet, changes: list[Change], source: random.Random) -> None:
        self.history = History(fleet)
        self._fleet = fleet
        self._changes = changes
        self._source = source
        self.chance = source.choice((0.0, 0.1, 0.3, 0.6))

    def __call__(self, _method: str, _target: str) -> None:
        self.history.look(self.history.us)
        if self._source.random() < self.chance:
            with suppress(KeyError, Taken):
                self._act(self._source.choice(self._changes))
            self.history.look(self.history.them)

    def _act(self, change: Change) -> None:
        sandbox, source = self._fleet.sandbox, self._source
        if change.op is Op.CREATE:
            name = source.choice(("Made", "Theirs"))
            _taken(lambda: sandbox.insert(external_id=change.external_id, name=name, country="DE"))
            return
        customer_id = change.customer_id or ""
        what = source.random()
        if what < 0.15:
            sandbox.delete(customer_id)
        elif what < 0.25:
            sandbox.change(customer_id, external_id=None)
        elif what < 0.4:
            sandbox.change(customer_id, country="FR", sales=3)
        else:
            column = source.choice(sorted(change.asked) or ["external_id"])
            value = source.choice((change.asked.get(column), change.before.get(column), f"x{what}"))
            if column != "avatar":
                _taken(lambda: sandbox.change(customer_id, None, **{column: value}))


class Taken(Exception):
    """Somebody else could not have this value either."""


def _taken(act: Callable[[], object]) -> None:
    try:
        act()
    except Exception as error:
        if type(error).__name__ == "Duplicate":
            raise Taken from None
        raise


def check_writes(history: History, changes: list[Change]) -> None:
    """Nothing was done that is not in the plan; nothing twice."""
    asked = {
        (each.customer_id, column): set() for each in changes for column in each.asked if each.customer_id
    }  # type: dict[tuple[str | None, str], set[str | None]]
    for each in changes:
        for column, value in each.asked.items():
            if each.customer_id is not None:
                # A swap that failed gives back what was there.
                asked[each.customer_id, column] |= {value, each.before.get(column)}
    for customer_id, column, value in history.us.values:
        if (column, asked.get((customer_id, column))) == ("name", None):
            assert (customer_id, "email") in history.us.columns
            continue  # A name that is not set reads as the email.
        allowed = asked[customer_id, column]
        kept = column == "avatar" and str(value).startswith("https://dubassets.com/")
        reads_as_email = column == "name" and None in allowed
        assert value in allowed or kept or reads_as_email, (customer_id, column)
    assert history.us.deaths <= {each.customer_id for each in changes if each.op is Op.DELETE}
    created = {each.external_id for each in changes if each.op is Op.CREATE}
    assert history.us.births.keys() <= created
    assert all(count == 1 for count in history.us.births.values())


def check_outcome(history: History, change: Change, outcome: Outcome, *, lost: bool) -> None:
    if change.op is Op.CREATE:
        check_creation(history, change, outcome, lost=lost)
    elif change.op is Op.DELETE:
        check_delete(history, change, outcome, lost=lost)
    else:
        check_update(history, change, outcome, lost=lost)


def check_creation(history: History, change: Change, outcome: Outcome, *, lost: bool) -> None:
    us, them, result = history.us, history.them, outcome.result
    if result is Result.APPLIED:
        # Whoever made exactly the same, while a request of ours was in doubt, cannot be told from us.
        assert us.births[change.external_id] or (them.births[change.external_id] and outcome.attempts)
    elif result is Result.ALREADY_APPLIED:
        assert them.births[change.external_id] or lost
    else:
        assert result is Result.REJECTED
        assert them.births[change.external_id]


def check_delete(history: History, change: Change, outcome: Outcome, *, lost: bool) -> None:
    us, them, result = history.us, history.them, outcome.result
    customer_id = change.customer_id or ""
    if result is Result.APPLIED:
        assert customer_id in us.deaths or (customer_id in them.deaths and outcome.attempts)
    elif result is Result.ALREADY_APPLIED:
        assert customer_id in them.deaths or (lost and customer_id in us.deaths)
    else:
        assert result is Result.DRIFTED
        assert (customer_id, "external_id") in them.columns


def check_update(history: History, change: Change, outcome: Outcome, *, lost: bool) -> None:
    us, them, result = history.us, history.them, outcome.result
    customer_id = change.customer_id or ""
    if result in _DONE and not change.temporary:
        assert history.had(customer_id, change.asked)
    if result is Result.APPLIED and not change.temporary and not them.has_changed(customer_id):
        assert us.has_changed(customer_id)
    if result is Result.ALREADY_APPLIED and not lost:
        assert them.has_changed(customer_id)
    if result is Result.DRIFTED:
        ours = lost and "avatar" in change.asked
        assert (
            customer_id in them.deaths
            or ours
            or any(
                (customer_id, column) in them.columns
                for column in ("name", "email", "external_id", *change.asked)
            )
        )


@pytest.mark.slow
def test_any_apply(tmp_path_factory: pytest.TempPathFactory) -> None:
    happened: Counter[str] = Counter()

    @settings(
        max_examples=int(os.environ.get("DUB_SOURCE_EXAMPLES") or 60),
        deadline=None,
        derandomize=not os.environ.get(_FRESH),
        database=None,
        # No shrinking: an apply has threads, so that a smaller example may fail or not.
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**32), st.sampled_from(("saved", "save fails", "disk lost")), st.integers(1, 4))
    def hold(seed: int, end: str, workers: int) -> None:
        happened.update(one_apply(tmp_path_factory.mktemp("apply"), seed, end, workers))

    hold()
    assert set(happened) >= {*Result, reasons.DELETED}, happened


def one_apply(folder: Path, seed: int, end: str, workers: int) -> Counter[str]:
    """A plan applied under trouble, then again in peace; what became of its changes."""
    source = random.Random(seed)
    with Sandbox(generate(_CUSTOMERS, random_seed=seed % 7), rate_limit=0, rate_window_s=1.0) as sandbox:
        fleet = Fleet(sandbox, folder)
        fleet.settings = replace(fleet.settings, rate_window_s=0.05)  # bounds the pause after many a 429
        changes = make_plan(fleet, source)
        others = Others(fleet, changes, source)
        sandbox.before_request(others)
        sandbox.inject(*_some_faults(source))
        with suppress(DestinationError):
            fleet.apply(changes, workers=workers, save=fleet.log.save if end == "saved" else _fail)
        first = dict(fleet.log.outcomes)
        assert first.keys() == ({each.number for each in changes} if end == "saved" else set())
        sandbox.clear_faults()
        others.chance = 0.0
        report = fleet.apply(changes, workers=workers, fresh=end == "disk lost")
        others("", "")
        assert report.stopped_by is None
        assert fleet.log.outcomes.keys() == {each.number for each in changes}
        for number, outcome in first.items():
            if outcome.result is not Result.NOT_ATTEMPTED:
                assert fleet.log.outcomes[number] == outcome, "the first final outcome stays"
        check_writes(others.history, changes)
        for change in changes:
            outcome = fleet.log.outcomes[change.number]
            assert outcome.result is not Result.NOT_ATTEMPTED
            check_outcome(others.history, change, outcome, lost=end == "disk lost")
    outcomes = [*first.values(), *fleet.log.outcomes.values()]
    return Counter([*(each.result for each in outcomes), *(each.reason or "" for each in outcomes)])


def _some_faults(source: random.Random) -> Iterator[Fault]:
    for _ in range(source.randrange(8)):
        method = source.choice(("PATCH", "PATCH", "POST", "DELETE", "GET"))
        skip = source.randrange(1, 8) if method == "GET" else source.randrange(8)
        yield Fault(method=method, skip=skip, times=source.randrange(1, 8), **source.choice(_FAULTS))


def _fail(_outcomes: list[Outcome], _pages: list[Page]) -> None:
    raise DestinationError("The destination is full.")
