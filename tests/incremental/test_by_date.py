"""First sales and cancellations: found by their dates, whatever stands on the same page."""

import random
from datetime import timedelta
from typing import Any

import pytest

from dub_source.incremental import Frontier
from dub_source.incremental.by_position import NewestFirst
from dub_source.sandbox.generate import generate
from tests.incremental.conftest import CreateWorld
from tests.incremental.world import DAY_MS, HOUR_MS, MINUTE_MS, World, aged, at, now_ms

FIELDS = (("first_sale_ms", "first_sale_at"), ("canceled_ms", "canceled_at"))


def days(number: int) -> list[str]:
    return aged(*(24 * 60 * each for each in range(2, number + 2)), seed=7)


def created_long_ago(create_world: CreateWorld, number: int) -> tuple[World, list[str]]:
    world = create_world(days(number))
    return world, world.sandbox.ids()


@pytest.mark.parametrize("column, name", FIELDS)
@pytest.mark.parametrize("known", (0, 1, 99, 100, 250))
@pytest.mark.parametrize("new", (1, 100, 250))
def test_all_dates_since_the_last_run(
    create_world: CreateWorld, column: str, name: str, known: int, new: int
) -> None:
    world, ids = created_long_ago(create_world, 600)
    now = now_ms()
    for number, each in enumerate(ids[:known]):
        world.change(each, column, now - DAY_MS - number * HOUR_MS)
    frontier = world.swept()
    changed = ids[300 : 300 + new]
    for number, each in enumerate(changed):
        world.change(each, column, now - number * MINUTE_MS)
    run = world.run(frontier)
    assert set(run.read) == {*changed, *ids[: known and 1]}
    assert getattr(run.frontier, name) == at(now)
    assert len(run.requests) <= 4 + new // 100
    assert set(world.run(run.frontier).read) == set(changed[:16]), "only the overlap again"


@pytest.mark.parametrize("column, name", FIELDS)
def test_dates_inside_the_overlap_are_read_again(create_world: CreateWorld, column: str, name: str) -> None:
    world, ids = created_long_ago(create_world, 50)
    now = now_ms()
    world.change(ids[0], column, now - MINUTE_MS)
    frontier = world.swept()
    assert getattr(frontier, name) == at(now - MINUTE_MS)
    world.change(ids[1], column, now - 15 * MINUTE_MS)
    world.change(ids[2], column, now - 17 * MINUTE_MS)
    read = world.run(frontier).read
    assert (ids[1] in read, ids[2] in read) == (True, False)


@pytest.mark.parametrize("column, name", FIELDS)
def test_dates_from_the_future_hide_nobody(create_world: CreateWorld, column: str, name: str) -> None:
    world, ids = created_long_ago(create_world, 50)
    for number, each in enumerate(ids[:3]):
        world.change(each, column, now_ms() + number * 400 * DAY_MS + HOUR_MS)
    frontier = world.swept()
    assert getattr(frontier, name) == frontier.read_at
    for each in ids[10:13]:
        world.change(each, column, now_ms())
        run = world.run(frontier)
        assert each in run.read
        frontier = run.frontier
        assert getattr(frontier, name) <= at(now_ms())


@pytest.mark.parametrize("column, name", FIELDS)
def test_more_of_one_moment_than_fit_on_a_page(create_world: CreateWorld, column: str, name: str) -> None:
    """Between two requests ties change places; what slips through comes with the next run."""
    world, ids = created_long_ago(create_world, 400)
    frontier = world.swept()
    now = now_ms()
    for each in ids[:350]:
        world.change(each, column, now)
    first = world.run(frontier)
    second = world.run(first.frontier)
    assert len(set(ids[:350]) & set(first.read)) > 200
    assert len(second.requests) <= 3 + 4
    assert getattr(first.frontier, name) == at(now)


@pytest.mark.parametrize("poisoned", ((0,), (99,), (100,), (0, 1, 2, 3), (5, 37, 38, 150), (249,)))
def test_unreadable_ones_spoil_nobody_else(create_world: CreateWorld, poisoned: tuple[int, ...]) -> None:
    world, ids = created_long_ago(create_world, 400)
    frontier = world.swept()
    now = now_ms()
    changed = ids[:250]
    for number, each in enumerate(changed):
        world.sandbox.change(each, first_sale_ms=now - number * 1_000)
    unreadable = [changed[each] for each in poisoned]
    world.poison(*unreadable)
    run = world.run(frontier)
    assert set(changed) - set(unreadable) <= set(run.read)
    assert len(run.requests) <= 30


def test_a_workspace_of_unreadable_ones_ends_too(create_world: CreateWorld) -> None:
    world, ids = created_long_ago(create_world, 130)
    frontier = world.swept()
    world.poison(*ids)
    run = world.run(frontier)
    assert not run.read
    assert len(run.requests) < 2 * 131 + 10


@pytest.mark.parametrize("seed", range(20))
def test_by_position_all_that_can_be_read_comes(create_world: CreateWorld, seed: int) -> None:
    source = random.Random(seed)
    dataset = generate(source.choice((1, 99, 101, 350)), random_seed=seed)
    poisoned = source.sample(dataset.customers, min(len(dataset.customers), source.randrange(12)))
    for row in poisoned:
        row.external_id = None
    world = create_world(dataset)
    pages = NewestFirst(world.client, "createdAt", include_expanded_fields=False)
    rows = [row for page in pages for row in page.customers]
    assert {row["id"] for row in rows} == set(world.sandbox.ids()) - {row.id for row in poisoned}
    assert [row["createdAt"] for row in rows] == sorted((row["createdAt"] for row in rows), reverse=True)
    assert len(rows) == len({row["id"] for row in rows})
    assert pages.passed == len(poisoned)


def test_by_position_ends_where_dub_does(create_world: CreateWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dub answers no page beyond the thousandth, so around an unreadable one far inside some are left out."""
    monkeypatch.setattr("dub_source.incremental.by_position._LAST_PAGE", 12)
    monkeypatch.setattr("dub_source.incremental.by_position._LARGEST", 10)
    dataset = generate(300)
    by_age = sorted(dataset.customers, key=lambda row: row.created_ms, reverse=True)
    by_age[16].external_id = None
    world = create_world(dataset)
    pages: list[Any] = [
        row["id"]
        for page in NewestFirst(world.client, "createdAt", include_expanded_fields=False)
        for row in page.customers
    ]
    assert set(pages) >= {row.id for row in by_age[:15]} | {row.id for row in by_age[20:120]}
    assert len(pages) <= 120
    numbers = [int(each.query.partition("&page=")[2].partition("&")[0]) for each in world.sandbox.requests]
    assert max(numbers) <= 12


def test_most_positions_are_not_exceeded(create_world: CreateWorld) -> None:
    world = create_world(500)
    pages = list(NewestFirst(world.client, "createdAt", include_expanded_fields=False, most=200))
    assert [len(page.customers) for page in pages] == [100, 100]


def test_without_any_date_it_costs_a_request_each(create_world: CreateWorld) -> None:
    world, _ = created_long_ago(create_world, 500)
    run = world.run(Frontier(anchors=tuple(world.sandbox.ids()[-1:]), read_at=at(now_ms())))
    assert sum("sortBy" in request.query for request in run.requests) == 2
    assert run.frontier.first_sale_at is None
    assert run.frontier.read_at is not None
    assert run.frontier.read_at > at(now_ms()) - timedelta(minutes=1)
