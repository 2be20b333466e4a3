"""The refresh budget: known customers again, for so many requests and not one more."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from dub_source.errors import Unauthorized
from dub_source.incremental import Frontier, refresh_bound
from dub_source.incremental.hints import Hints
from dub_source.sandbox import Fault
from tests.incremental.conftest import CreateWorld
from tests.incremental.world import Run, World, aged

SINCE = datetime.now(UTC) - timedelta(hours=1)


class Turns:
    """Whose turn it is: round and round."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.waiting = deque(ids)

    def __call__(self, number: int) -> list[str]:
        some = [self.waiting[each] for each in range(min(number, len(self.waiting)))]
        self.waiting.rotate(-len(some))
        return some


def crowd(create_world: CreateWorld, number: int) -> tuple[World, list[str], Frontier]:
    world = create_world(aged(*(24 * 60 * each for each in range(2, number + 2)), seed=7))
    return world, world.sandbox.ids(), world.swept()


def cost(run: Run) -> int:
    """Requests beside those for new customers and dates, which are three here."""
    return len(run.requests) - 3


@pytest.mark.parametrize("requests", (1, 2, 3, 7))
def test_a_hundred_a_request_as_long_as_the_budget_lasts(create_world: CreateWorld, requests: int) -> None:
    world, ids, frontier = crowd(create_world, 450)
    run = world.run(frontier, refresh_requests=requests, next_to_refresh=Turns(ids))
    expected = ids[: 100 * requests]
    assert set(expected) == set(run.read)
    assert run.incremental.refreshed == len(expected)
    assert cost(run) == min(requests, 5)
    assert run.incremental.refreshed_until == expected[-1] if requests < 5 else ids[-1]


@pytest.mark.parametrize("requests", (0, -1))
def test_0_turns_it_off(create_world: CreateWorld, requests: int) -> None:
    world, _, frontier = crowd(create_world, 50)

    def nobody(_number: int) -> Sequence[str]:
        raise AssertionError("nobody is asked for")

    run = world.run(frontier, refresh_requests=requests, next_to_refresh=nobody, hinted_since=SINCE)
    assert cost(run) == 0
    assert run.incremental.refreshed == 0
    assert run.incremental.refreshed_until is None


def test_with_nobody_known_it_costs_nothing(create_world: CreateWorld) -> None:
    world, _, frontier = crowd(create_world, 50)
    run = world.run(frontier, refresh_requests=10, next_to_refresh=lambda _number: [])
    assert cost(run) == 0


def test_who_always_names_the_same_does_not_trap_it(create_world: CreateWorld) -> None:
    world, ids, frontier = crowd(create_world, 50)
    run = world.run(frontier, refresh_requests=10, next_to_refresh=lambda number: ids[:number])
    assert cost(run) == 1
    assert run.incremental.refreshed == 50


@pytest.mark.parametrize("requests", (1, 2, 5, 10))
def test_one_by_one_where_customer_ids_is_not_answered(create_world: CreateWorld, requests: int) -> None:
    world, ids, frontier = crowd(create_world, 250)
    world.sandbox.inject(Fault("status", containing="customerIds", status=422, times=99))
    seen: list[str] = []
    turn = 0
    for _ in range(4):
        turns = Turns(ids[turn:] + ids[:turn])
        run = world.run(frontier, refresh_requests=requests, next_to_refresh=turns)
        assert cost(run) == requests
        assert run.incremental.refreshed == requests - 1
        seen += run.read
        # Whoever was named but not asked for still has their turn to come.
        until = run.incremental.refreshed_until
        turn = ids.index(until) + 1 if until else turn
    assert seen == ids[: 4 * (requests - 1)]


@pytest.mark.parametrize("requests", (1, 2, 5, 12, 80))
def test_unreadable_and_deleted_ones_never_exceed_the_budget(
    create_world: CreateWorld, requests: int
) -> None:
    world, ids, frontier = crowd(create_world, 450)
    world.delete(ids[:150])
    world.poison(*ids[160:170], ids[250])
    run = world.run(frontier, refresh_requests=requests, next_to_refresh=Turns(ids[:400]))
    # The page by first sale and the one by cancellation may be spoiled, too.
    spent = [
        each for each in run.requests if "sortBy" not in each.query and "startingAfter" not in each.query
    ]
    assert len(spent) <= requests
    if requests == 80:
        assert set(run.read) >= set(ids[150:400]) - {*ids[160:170], ids[250]}


def test_the_turn_goes_on_behind_unreadable_ones(create_world: CreateWorld) -> None:
    """A budget that ends in the middle of the search for one says how far it came."""
    world, ids, frontier = crowd(create_world, 300)
    world.poison(ids[60])
    turn, seen = 0, set()
    for _ in range(12):
        run = world.run(frontier, refresh_requests=6, next_to_refresh=Turns(ids[turn:] + ids[:turn]))
        seen |= set(run.read)
        until = run.incremental.refreshed_until
        if until is None:
            break
        turn = ids.index(until) + 1
    assert seen >= set(ids) - set(ids[58:63])


# Hints


def hinting(monkeypatch: pytest.MonkeyPatch, ids: Sequence[str], requests: int) -> list[int]:
    """Let hints name these; what they are allowed is noted."""
    allowed: list[int] = []

    def hinted_ids(_client: object, *, since: datetime, most_requests: int) -> Hints:
        assert since == SINCE
        allowed.append(most_requests)
        return Hints(tuple(ids), min(requests, most_requests))

    monkeypatch.setattr("dub_source.incremental.refresh.hinted_ids", hinted_ids)
    return allowed


@pytest.mark.parametrize("requests", (4, 5, 10, 20))
@pytest.mark.parametrize("hint_requests", (1, 2, 9))
@pytest.mark.parametrize("hinted", (0, 3, 150, 2_000))
def test_hinted_ones_come_first_but_never_take_all(
    create_world: CreateWorld, monkeypatch: pytest.MonkeyPatch, requests: int, hint_requests: int, hinted: int
) -> None:
    world, ids, frontier = crowd(create_world, 2_600)
    named = ids[600 : 600 + hinted]
    [allowed] = [hinting(monkeypatch, named, hint_requests)]
    run = world.run(frontier, refresh_requests=requests, next_to_refresh=Turns(ids[:600]), hinted_since=SINCE)
    [most] = allowed
    asked = min(hint_requests, most)
    assert cost(run) <= requests - asked
    assert run.incremental.hints == Hints(tuple(named), asked)
    read = list(run.read)
    assert read[: min(100, hinted)] == [each for each in read if each in set(named)][:100]
    assert len(set(named) & set(read)) >= min(hinted, 100)
    assert len(set(ids[:600]) & set(read)) >= min(600, 100 * (requests - requests // 2))


def test_hinted_ones_do_not_take_all_where_they_are_read_one_by_one(
    create_world: CreateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, ids, frontier = crowd(create_world, 300)
    hinting(monkeypatch, ids[100:], 2)
    world.sandbox.inject(Fault("status", containing="customerIds", status=400, times=99))
    run = world.run(frontier, refresh_requests=10, next_to_refresh=Turns(ids[:100]), hinted_since=SINCE)
    assert list(run.read) == [*ids[100:102], *ids[:5]]
    assert cost(run) == 10 - 2
    assert run.incremental.refreshed_until == ids[4]


@pytest.mark.parametrize("requests", (1, 2, 3))
def test_a_budget_too_small_for_hints_is_not_spent_on_them(
    create_world: CreateWorld, monkeypatch: pytest.MonkeyPatch, requests: int
) -> None:
    world, ids, frontier = crowd(create_world, 300)
    allowed = hinting(monkeypatch, ids, 1)
    run = world.run(frontier, refresh_requests=requests, next_to_refresh=Turns(ids), hinted_since=SINCE)
    assert allowed == []
    assert run.incremental.hints is None
    assert run.incremental.refreshed == min(300, 100 * requests)


def test_without_a_moment_nobody_is_asked_for_hints(
    create_world: CreateWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, ids, frontier = crowd(create_world, 300)
    assert hinting(monkeypatch, ids, 1) == []
    world.run(frontier, refresh_requests=10, next_to_refresh=Turns(ids))
    assert not [
        each for each in world.sandbox.requests if "events" in each.path or "commissions" in each.path
    ]


def test_real_hints_count_against_the_budget(create_world: CreateWorld) -> None:
    world, ids, frontier = crowd(create_world, 2_000)
    run = world.run(frontier, refresh_requests=10, next_to_refresh=Turns(ids), hinted_since=SINCE)
    hints = run.incremental.hints
    assert hints is not None
    assert 1 <= hints.requests <= 2
    assert cost(run) == 10
    assert run.incremental.refreshed == 100 * (10 - hints.requests)


def test_a_key_that_is_refused_ends_the_run(create_world: CreateWorld) -> None:
    world, ids, frontier = crowd(create_world, 100)
    world.sandbox.inject(Fault("status", containing="customerIds", status=401, code="unauthorized"))
    world.sandbox.inject(Fault("status", containing="/customers/cus_", status=401, code="unauthorized"))
    with pytest.raises(Unauthorized):
        world.run(frontier, refresh_requests=10, next_to_refresh=Turns(ids))


# The bound


@pytest.mark.parametrize("requests", (1, 2, 3, 4, 10))
@pytest.mark.parametrize("known", (1, 100, 101, 950))
@pytest.mark.parametrize("hinted", (0, 950))
def test_after_so_many_runs_everybody_was_read_again(
    create_world: CreateWorld, monkeypatch: pytest.MonkeyPatch, requests: int, known: int, hinted: int
) -> None:
    world, ids, frontier = crowd(create_world, known)
    hinting(monkeypatch, ids[:hinted], 99)
    turns = Turns(ids[::-1])
    bound = refresh_bound(known, requests)
    assert bound is not None
    seen: set[str] = set()
    for _ in range(bound):
        run = world.run(
            frontier, refresh_requests=requests, next_to_refresh=turns, hinted_since=SINCE if hinted else None
        )
        seen |= set(run.read)
    assert seen == set(ids)


@pytest.mark.parametrize(
    "known, requests, each, runs",
    (
        (1_000_000, 10, 100, 2_000),
        (10_000, 10, 100, 20),
        (1, 10, 100, 1),
        (0, 10, 100, 0),
        (100, 1, 100, 1),
        (101, 1, 100, 2),
        (1_000, 10, 1, 250),
        (1_000, 0, 100, None),
        (1_000, -5, 100, None),
        (1_000, 1, 1, None),
    ),
)
def test_the_bound_in_numbers(known: int, requests: int, each: int, runs: int | None) -> None:
    assert refresh_bound(known, requests, ids_per_request=each) == runs
