"""What a run with nothing new costs: it depends on the overlap alone, never on the size of the workspace."""

import math
import random
from collections.abc import Callable

import pytest

from dub_source.ids import surely_after, ulid_ms
from dub_source.incremental import Frontier
from dub_source.sandbox.generate import generate
from dub_source.sandbox.ids import cuid, nanoid
from tests.incremental.conftest import CreateWorld
from tests.incremental.test_refresh import Turns
from tests.incremental.world import DAY_MS, HOUR_MS, World, now_ms, ulids

pytestmark = pytest.mark.usefixtures("collation")


def legacy(make: Callable[[random.Random], str], number: int) -> list[str]:
    source = random.Random(5)
    return [make(source) for _ in range(number)]


def since(span_ms: int, number: int) -> list[str]:
    """ULIDs of a span of time that ends now."""
    now = now_ms()
    return ulids((now - span_ms * each // number - 1 for each in range(number)), seed=6)


WORKSPACES: dict[str, Callable[[int], list[str]]] = {
    "two years of ulids": lambda size: since(730 * DAY_MS, size),
    "a busy day": lambda size: since(DAY_MS, size),
    "all within the overlap": lambda size: since(10 * 60_000, size),
    "dormant for a year": lambda size: [
        each for each in since(730 * DAY_MS, size) if (ulid_ms(each) or 0) < now_ms() - 365 * DAY_MS
    ],
    "cuids": lambda size: legacy(cuid, size),
    "nanoids": lambda size: legacy(nanoid, size),
    "nanoids after": lambda size: [
        each for each in legacy(nanoid, size) if surely_after(each, now_ms() + 2 * DAY_MS)
    ],
    "mixed": lambda size: [
        *since(600 * DAY_MS, size // 2),
        *legacy(nanoid, size // 4),
        *legacy(cuid, size // 4),
    ],
}


def inside(world: World, frontier: Frontier, overlap_s: float) -> int:
    """Customers inside the overlap, those by first sale and cancellation too."""
    floor = frontier.floor_ms(overlap_s)
    rows = world.rows()
    new = sum((ulid_ms(row.id) or 0) >= floor for row in rows)
    for at, values in (
        (frontier.first_sale_at, [row.first_sale_ms for row in rows]),
        (frontier.canceled_at, [row.canceled_ms for row in rows]),
    ):
        if at is not None:
            new += sum(each is not None and each >= (at.timestamp() - overlap_s) * 1000 for each in values)
    return new


@pytest.mark.parametrize("overlap_s", (0.0, 900.0, 6 * 3600.0))
@pytest.mark.parametrize("size", (1, 100, 101, 6_000))
@pytest.mark.parametrize("kind", WORKSPACES)
def test_nothing_new_costs_four_requests_and_the_overlap(
    create_world: CreateWorld, kind: str, size: int, overlap_s: float
) -> None:
    world = create_world(WORKSPACES[kind](size))
    source = random.Random(size)
    for row in source.sample(world.rows(), min(40, len(world.rows()))):
        world.change(row.id, "first_sale_ms", now_ms() - source.randrange(3 * HOUR_MS))
        world.change(row.id, "canceled_ms", now_ms() - source.randrange(3 * HOUR_MS))
    frontier = world.swept(overlap_s=overlap_s)
    for _ in range(2):
        run = world.run(frontier, overlap_s=overlap_s)
        rows = inside(world, frontier, overlap_s)
        assert len(run.requests) <= 4 + math.ceil(rows / 100)
        assert run.complete
        assert {request.path for request in run.requests} == {"/customers"}
        assert not [
            each for each in run.requests if "pageSize=0" in each.query or "customerIds" in each.query
        ]
        frontier = run.frontier


def test_and_what_the_budget_allows(create_world: CreateWorld) -> None:
    world = create_world(since(700 * DAY_MS, 5_000))
    frontier = world.swept()
    for requests in (0, 1, 10, 30):
        run = world.run(frontier, refresh_requests=requests, next_to_refresh=Turns(world.sandbox.ids()))
        assert len(run.requests) <= 4 + 1 + requests


@pytest.mark.parametrize("size", (0, 1, 5, 5_000, 20_000))
def test_believable_workspaces(create_world: CreateWorld, size: int) -> None:
    world = create_world(generate(size))
    assert len(world.run(world.swept()).requests) <= 4


def test_new_customers_cost_a_request_per_hundred(create_world: CreateWorld) -> None:
    world = create_world(generate(3_000))
    frontier = world.swept()
    world.insert(*since(60_000, 2_500))
    assert len(world.run(frontier).requests) <= 4 + 25


@pytest.mark.parametrize("page_size", (1, 7, 100))
def test_smaller_pages_cost_more_and_find_the_same(create_world: CreateWorld, page_size: int) -> None:
    world = create_world(generate(500))
    frontier = world.swept()
    created = world.insert(*since(60_000, 40))
    run = world.run(frontier, page_size=page_size)
    assert set(created) <= set(run.read)
    assert len(run.requests) <= 4 + math.ceil(41 / page_size)
