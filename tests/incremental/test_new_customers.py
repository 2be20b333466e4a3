"""New customers: each one found, whatever stands around them, happens meanwhile, or a clock says."""

import random
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from dub_source.errors import AnchorsLost, Kind, WalkIncomplete
from dub_source.ids import surely_after, surely_before, ulid_ms
from dub_source.incremental import Frontier, FrontierBuilder, Incremental
from dub_source.sandbox import Customer, Dataset, Fault
from dub_source.sandbox.generate import WORKSPACE_ID
from dub_source.sandbox.ids import cuid, nanoid, ulid
from dub_source.sandbox.store import Store
from dub_source.types import Page
from dub_source.walk import Sweep
from tests.incremental.conftest import CreateWorld
from tests.incremental.world import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    World,
    aged,
    at,
    now_ms,
    ulids,
)

pytestmark = pytest.mark.usefixtures("collation")


def nanoids(number: int, where: Callable[[str], bool] = lambda _id: True, seed: int = 0) -> list[str]:
    source = random.Random(seed)
    found: list[str] = []
    while len(found) < number:
        each = nanoid(source)
        if where(each):
            found.append(each)
    return found


def cuids(number: int) -> list[str]:
    source = random.Random(1)
    return [cuid(source) for _ in range(number)]


def is_before(customer_id: str) -> bool:
    return surely_before(customer_id, now_ms() - DAY_MS)


def is_after(customer_id: str) -> bool:
    return surely_after(customer_id, now_ms() + 2 * DAY_MS)


def is_neither(customer_id: str) -> bool:
    return not is_before(customer_id) and not is_after(customer_id)


def days(*ages: float) -> list[str]:
    return aged(*(24 * 60 * each for each in ages), seed=7)


WORKSPACES: dict[str, Callable[[], list[str]]] = {
    "empty": list,
    "one customer": lambda: days(3),
    "one customer of this minute": lambda: aged(0.5),
    "all of this minute": lambda: aged(*(number / 300 for number in range(250))),
    "ulids": lambda: days(*range(1, 250)),
    "ulids until now": lambda: aged(*(number * 7 for number in range(250))),
    "cuids only": lambda: cuids(250),
    "one cuid": lambda: cuids(1),
    "nanoids only": lambda: nanoids(400),
    "nanoids that sort before": lambda: nanoids(150, is_before),
    "nanoids that sort after": lambda: nanoids(250, is_after),
    "nanoids of which nobody knows": lambda: nanoids(6, is_neither),
    "one nanoid after": lambda: nanoids(1, is_after),
    "cuids and nanoids after": lambda: [*cuids(150), *nanoids(150, is_after)],
    "mixed": lambda: [*days(*range(1, 200)), *nanoids(200), *cuids(100)],
    "mixed until now": lambda: [*aged(*range(300)), *nanoids(300), *cuids(100)],
}


@pytest.mark.parametrize("kind", WORKSPACES)
@pytest.mark.parametrize("new", (1, 230))
def test_new_customers_are_found_in_every_workspace(create_world: CreateWorld, kind: str, new: int) -> None:
    world = create_world(WORKSPACES[kind]())
    frontier = world.swept()
    created = world.insert(*ulids([now_ms()] * new, seed=99))
    run = world.run(frontier)
    assert set(created) <= set(run.read)
    assert run.complete
    assert run.incremental.unreadable == 0
    # And so are those that come after that run, which left another frontier.
    later = world.insert(*ulids([now_ms()] * new, seed=98))
    assert set(later) <= set(world.run(run.frontier).read)


@pytest.mark.parametrize("workspace", ("main", "lateimport"))
def test_the_recorded_workspaces(
    create_world: CreateWorld, seed: Dataset, workspace: str, collation: str
) -> None:
    token = next(each for each in seed.tokens if each.name == {"main": "owner"}.get(workspace, workspace))
    assert token.workspace_id is not None
    seed.tokens = [token]
    seed.workspaces.sort(key=lambda each: each.id != token.workspace_id)
    world = create_world(seed)
    builder, began = FrontierBuilder(), datetime.now(UTC)
    for page in Sweep(world.client):
        builder.add_ids(each["id"] for each in page.customers)
        builder.add_dates(page.customers)
    created = world.insert(*aged(*[0.0] * 120))
    run = world.run(builder.frontier(now=began))
    assert set(created) <= set(run.read)
    assert run.complete
    assert len(run.requests) <= 3 + 2


def around(ms: int, collation_insensitive: bool) -> list[str]:
    """Ids of other kinds right before and after the ULIDs of a millisecond."""
    first, last = ulid(ms, random.Random(0))[:13], ulid(ms + 1, random.Random(0))[:13]
    body = first.lower() if collation_insensitive else first
    return [
        body + "0" * 11,
        body + "z" * 11,
        first + "0" * 11,
        first + "zzzzzzzzzzz",
        first + "uil",  # not decodable: no u, i, l in a ULID
        first[:-1] + "U" + "0" * 11,
        last + "a" * 11,
    ]


@pytest.mark.parametrize("offset_ms", (-DAY_MS, -16 * MINUTE_MS, -MINUTE_MS, 0, HOUR_MS, 12 * HOUR_MS))
def test_ids_of_other_kinds_right_before_and_after_the_frontier(
    create_world: CreateWorld, offset_ms: int
) -> None:
    now = now_ms()
    stored = [*days(5, 6, 7), *ulids([now - 2 * HOUR_MS, now - 60]), *nanoids(100, is_after)]
    legacy = [each for fold in (True, False) for each in around(now + offset_ms, fold)]
    world = create_world(dict.fromkeys([*stored, *legacy]))
    frontier = world.swept()
    assert frontier.newest_ms == now - 60
    created = world.insert(*ulids([now, now + 1, now + 1, now + 50], seed=5))
    run = world.run(frontier)
    assert set(created) <= set(run.read)
    assert run.complete


def test_undecodable_ids_among_the_new_ones_do_not_end_the_walk(create_world: CreateWorld) -> None:
    world = create_world(days(1, 2, 3))
    frontier = world.swept()
    now = now_ms()
    strange = [each for number in range(120) for each in around(now + number, collation_insensitive=False)]
    world.insert(*dict.fromkeys(strange), created_ms=now - 700 * DAY_MS)
    created = world.insert(*ulids(now + number for number in range(120)))
    run = world.run(frontier, page_size=50)
    assert set(created) <= set(run.read)
    assert run.complete


def test_an_id_that_decodes_to_this_morning_does_not_push_the_frontier_past_unread_ones(
    create_world: CreateWorld,
) -> None:
    """It comes when the sweep is over, as an import's would; the truly new ones are older than it says."""
    now = now_ms()
    world = create_world(days(1, 2, 3))
    frontier = world.swept(began=at(now - 6 * HOUR_MS))
    [morning] = world.insert(*ulids([now - HOUR_MS]), created_ms=now - 700 * DAY_MS)
    late = world.insert(*ulids(now - each * HOUR_MS for each in (2, 3, 4, 5)))
    run = world.run(frontier)
    assert {morning, *late} <= set(run.read)


def test_ids_that_decode_to_the_future_do_not_push_the_frontier(create_world: CreateWorld) -> None:
    now = now_ms()
    future = ulids([now + 5 * MINUTE_MS, now + 3 * HOUR_MS, now + 30 * DAY_MS, now + 9_000 * DAY_MS])
    world = create_world([*days(1, 2, 3), *future])
    frontier = world.swept()
    for _ in range(3):
        created = world.insert(*ulids([now_ms()], seed=random.randrange(10**9)))
        run = world.run(frontier)
        assert set(created) <= set(run.read)
        frontier = run.frontier
        assert frontier.newest_ms is not None
        assert frontier.newest_ms <= now_ms()


def test_a_late_commit_inside_the_overlap_is_found(create_world: CreateWorld) -> None:
    """Its id was made before the sweep began, but it was stored only after the sweep and a run had ended."""
    world = create_world([*days(1, 2, 3), *aged(16, 10, 0.1)])
    run = world.run(world.swept())
    late = world.insert(*aged(14.8, 5, seed=3))
    again = world.run(run.frontier)
    assert set(late) <= set(again.read)
    assert again.frontier.newest_ms == run.frontier.newest_ms
    [outside] = world.insert(*aged(18, seed=4))
    assert outside not in world.run(again.frontier).read, "the overlap is what makes the difference"
    assert outside in world.run(again.frontier, overlap_s=1_200.0).read


def test_many_customers_of_one_millisecond(create_world: CreateWorld) -> None:
    now = now_ms()
    there = ulids([now - 1] * 500, seed=1)
    world = create_world([*days(1, 2), *there])
    frontier = world.swept()
    created = world.insert(*ulids([now - 1] * 500, seed=2))
    run = world.run(frontier)
    assert set(created) <= set(run.read)


def test_a_backdated_import_of_50_000_at_once_is_found_in_one_run(create_world: CreateWorld) -> None:
    world = create_world([*days(*range(1, 100)), *nanoids(100)])
    frontier = world.swept()
    created = import_at_once(world, 50_000)
    run = world.run(frontier)
    assert created <= set(run.read)
    assert max(run.read[each] for each in created) == 1
    assert len(run.requests) <= 500 + 4
    again = world.run(run.frontier)
    assert len(again.requests) <= 500 + 4
    assert again.complete


def import_at_once(world: World, number: int) -> set[str]:
    """Customers of years ago, with ids of the last second; put into the store in one go."""
    now = now_ms()
    source = random.Random(11)
    ids = ulids((now - source.randrange(1_000) for _ in range(number)), seed=11)
    store = world.sandbox.store
    rows = [
        Customer(each, WORKSPACE_ID, f"imported-{index}", now - 900 * DAY_MS + index)
        for index, each in enumerate(ids)
    ]
    filled = Store(replace(store.dataset, customers=[*world.rows(), *rows]), random.Random(0))
    vars(store).update(vars(filled))
    return set(ids)


def test_our_own_creates_do_not_hide_others(create_world: CreateWorld) -> None:
    """Somebody else's customer is made before ours, and stored after we have read ours back."""
    world = create_world(days(1, 2, 3))
    frontier = world.swept()
    others = world.insert(*aged(30, 20))
    ours = world.client.create({"externalId": "ours", "country": "DE"})["id"]
    run = world.run(frontier, refresh_requests=1, next_to_refresh=lambda _number: [ours])
    assert {ours, *others} <= set(run.read)


def test_rows_met_in_other_ways_do_not_move_the_frontier(create_world: CreateWorld) -> None:
    """Two are stored late, when the walk for new ones is over; the younger one is met by its first sale."""
    world = create_world(days(1, 2, 3))
    frontier = world.swept()
    younger, older = aged(5, 25, seed=5)

    def come_late(_method: str, target: str) -> None:
        if "firstSaleAt" in target and older not in world.sandbox.ids():
            world.insert(younger, first_sale_ms=now_ms())
            world.insert(older)

    world.sandbox.before_request(come_late)
    run = world.run(frontier, refresh_requests=2, next_to_refresh=lambda _number: [younger])
    assert run.read[younger] == 2, "by its first sale, and by the refresh"
    assert older not in run.read
    assert run.frontier.newest_ms == frontier.newest_ms
    assert run.frontier.first_sale_at is not None
    assert {younger, older} <= set(world.run(run.frontier).read)


# Anchors


@pytest.mark.parametrize("deleted", (1, 2, 5, 8))
def test_deleted_anchors_cost_a_request_each(create_world: CreateWorld, deleted: int) -> None:
    world = create_world([*days(*(number / 10 for number in range(1, 1_500))), *aged(*range(20, 90, 7))])
    frontier = world.swept()
    assert len(frontier.anchors) > deleted
    world.delete(frontier.anchors[:deleted])
    created = world.insert(*aged(1))
    run = world.run(frontier)
    assert set(created) <= set(run.read)
    assert not set(run.frontier.anchors) & set(frontier.anchors[:deleted])
    rows = sum(len(page.customers) for page in run.pages)
    assert len(run.requests) <= 4 + deleted + rows // 100


@pytest.mark.parametrize("kind", ("ulids", "nanoids that sort after", "mixed", "nanoids only", "cuids only"))
def test_when_all_anchors_are_gone_that_is_said(create_world: CreateWorld, kind: str) -> None:
    world = create_world(WORKSPACES[kind]())
    frontier = world.swept()
    world.delete([*frontier.anchors, *frontier.above])
    world.insert(*aged(0))
    with pytest.raises(AnchorsLost, match="mode auto or full") as caught:
        world.run(frontier)
    assert caught.value.kind is Kind.INCOMPLETE
    assert not any(each in str(caught.value) for each in frontier.anchors)


def test_when_all_anchors_below_are_gone_it_comes_from_above(create_world: CreateWorld) -> None:
    world = create_world([*days(*range(1, 50)), *nanoids(200, is_after)])
    frontier = world.swept()
    world.delete(frontier.anchors)
    created = world.insert(*aged(*range(150)))
    run = world.run(frontier)
    assert set(created) <= set(run.read)
    assert run.complete
    assert set(run.frontier.anchors) - set(frontier.anchors)


def test_the_only_start_is_deleted_between_the_two_directions(create_world: CreateWorld) -> None:
    [start] = aged(5)
    world = create_world([start])
    frontier = world.swept()
    created = world.insert(*aged(4, 3, 2), *aged(8, 7, 6, seed=1))

    def delete_start(_method: str, target: str) -> None:
        if "startingAfter" in target and "sortOrder=desc" in target and start in world.sandbox.ids():
            world.sandbox.delete(start)

    world.sandbox.before_request(delete_start)
    run = world.run(frontier)
    assert start not in world.sandbox.ids()
    assert set(created) <= set(run.read)


def test_with_nothing_new_nobody_is_handed_out(create_world: CreateWorld) -> None:
    """Who is handed out costs more than the page: names are read again, rows compared."""
    world = create_world([*days(*range(3, 200)), *nanoids(400), *cuids(50)])
    frontier = world.swept()
    assert not world.run(frontier).read
    created = world.insert(*aged(2, 1))
    assert set(world.run(frontier).read) == set(created)


def test_a_frontier_stays_as_it_was_until_everything_was_read(create_world: CreateWorld) -> None:
    world = create_world(days(1, 2, 3))
    frontier = world.swept()
    world.insert(*aged(1))
    incremental = Incremental(world.client, frontier, refresh_requests=0)
    pages = iter(incremental)
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert incremental.frontier is frontier
    assert not incremental.new_customers_complete
    world.sandbox.inject(Fault("reset", containing="subscriptionCanceledAt"))
    incremental = Incremental(world.client, frontier, refresh_requests=0)
    with pytest.raises(Exception, match="broke before the answer"):
        list(incremental)
    assert incremental.frontier is frontier


@pytest.mark.parametrize("seed", range(6))
def test_cursors_that_are_deleted_between_any_two_requests(create_world: CreateWorld, seed: int) -> None:
    source = random.Random(seed)
    world = create_world([*days(*range(1, 60)), *nanoids(60)])
    frontier = world.swept()
    created = set(world.insert(*ulids((now_ms() - number for number in range(300)), seed=1)))
    deleted: set[str] = set()

    def delete_cursor(_method: str, target: str) -> None:
        cursor = target.partition("startingAfter=")[2].partition("&")[0]
        if cursor and len(deleted) < 60 and source.random() < 0.6 and cursor in world.sandbox.ids():
            for each in [cursor, *source.sample(sorted(created - deleted), source.randrange(4))]:
                if each not in deleted:
                    deleted.add(each)
                    world.sandbox.delete(each)

    world.sandbox.before_request(delete_cursor)
    run = world.run(frontier, page_size=20)
    assert len(deleted) > 10
    assert created - deleted <= set(run.read)
    assert run.complete


def test_a_server_that_ignores_cursors_does_not_trap_it(
    create_world: CreateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = create_world(days(*range(1, 300)))
    frontier = world.swept()
    list_customers = world.client.list

    def without_cursor(**parameters: object) -> Page:
        parameters["starting_after"] = None
        return list_customers(**parameters)  # type: ignore[arg-type]

    monkeypatch.setattr(world.client, "list", without_cursor)
    with pytest.raises(WalkIncomplete, match="ends where it began"):
        world.run(frontier)


# Clocks


@pytest.mark.parametrize("hours", (-100_000, -72, -5, 5, 72, 100_000))
def test_our_clock_may_be_wrong(create_world: CreateWorld, hours: int) -> None:
    def clock() -> float:
        return time.time() + hours * 3600

    world = create_world([*days(*range(1, 50)), *nanoids(300)], clock=clock)
    began = datetime.fromtimestamp(clock(), UTC)
    frontier = world.swept(began=began - timedelta(hours=hours))  # as the caller knows it from Dub's clock
    for number in range(3):
        created = world.insert(*ulids([now_ms()] * 20, seed=number))
        run = world.run(frontier, clock=clock)
        assert set(created) <= set(run.read)
        assert len(run.requests) <= 4
        frontier = run.frontier
    assert frontier.read_at is not None
    assert abs((frontier.read_at - datetime.now(UTC)).total_seconds()) < 60


@pytest.mark.parametrize("hours", (-23, -5, 0, 5, 23))
def test_clocks_of_dubs_servers_may_differ(create_world: CreateWorld, hours: int) -> None:
    """The one that makes ids is hours ahead, or behind since always, of the one that answers."""
    shift = hours * HOUR_MS
    known = ulids((now_ms() + shift - each * HOUR_MS for each in range(1, 100)), seed=3)
    world = create_world([*known, *nanoids(300)])
    frontier = world.swept()
    for number in range(3):
        created = world.insert(*ulids((now_ms() + shift - each for each in range(20)), seed=number))
        run = world.run(frontier)
        assert set(created) <= set(run.read)
        frontier = run.frontier


@pytest.mark.parametrize("hours", (-72, 0, 72))
def test_without_dubs_clock_the_walk_goes_on_to_the_end(
    create_world: CreateWorld, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    monkeypatch.setattr("dub_source.client.rate_limit.RateLimiter.server_offset_s", None)
    world = create_world([*days(*range(1, 50)), *nanoids(300)])
    frontier = world.swept()
    created = world.insert(*aged(*range(150)))
    run = world.run(frontier, clock=lambda: time.time() + hours * 3600)
    assert set(created) <= set(run.read)
    assert set(nanoids(300, is_after)) & set(world.sandbox.ids()) <= set(run.read)
    assert len(run.requests) > 5
    assert run.frontier.read_at == frontier.read_at


# What it must not depend on


def test_count_and_customer_ids_may_be_refused(create_world: CreateWorld) -> None:
    world = create_world([*days(*range(1, 50)), *nanoids(50)])
    frontier = world.swept()
    for path in ("/count", "customerIds"):
        world.sandbox.inject(Fault("status", containing=path, status=404, code="not_found", times=99))
    created = world.insert(*aged(3, 2, 1))
    known = world.sandbox.ids()[:30]
    turns = count()
    run = world.run(
        frontier,
        refresh_requests=10,
        next_to_refresh=lambda number: [next_of(known, turns) for _ in range(number)],
    )
    assert set(created) <= set(run.read)
    assert not any("/count" in request.path for request in run.requests)
    assert run.incremental.refreshed == 9
    assert len(run.requests) <= 4 + 10


def next_of(known: list[str], turns: "count[int]") -> str:
    return known[next(turns) % len(known)]


def test_plain_or_expanded(create_world: CreateWorld) -> None:
    world = create_world(100)
    frontier = world.swept()
    linked = next(row for row in world.sandbox.snapshot().values() if row.get("link"))
    for expanded in (True, False):
        run = world.run(
            frontier,
            include_expanded_fields=expanded,
            refresh_requests=1,
            next_to_refresh=lambda _number: [linked["id"]],
        )
        assert any("link" in row for page in run.pages for row in page.customers) == expanded
        assert all(("includeExpandedFields=true" in each.query) == expanded for each in run.requests)


def test_frontiers_of_runs_are_as_good_as_those_of_sweeps(create_world: CreateWorld) -> None:
    """Fifty runs in a row, each from the frontier of the one before it."""
    now = now_ms()
    world = create_world([*days(*range(1, 300)), *nanoids(200)])
    frontier = world.swept(began=at(now - 10 * HOUR_MS))
    assert frontier == Frontier.from_state(frontier.as_state())
    source = random.Random(8)
    for turn in range(50):
        moment = now - 10 * HOUR_MS + turn * 10 * MINUTE_MS
        created = world.insert(
            *ulids((moment + number for number in range(source.randrange(200))), seed=turn)
        )
        run = world.run(frontier)
        assert set(created) <= set(run.read)
        frontier = run.frontier
        world.delete(sorted({*source.sample(frontier.anchors, 3)} & {*world.sandbox.ids()}))
    assert len(frontier.anchors) >= 8
    ages = [now - ms for each in frontier.anchors if (ms := ulid_ms(each))]
    assert max(ages) > 100 * DAY_MS
