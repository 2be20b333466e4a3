"""Customers that cannot be read: they cost themselves, some requests, and nobody else."""

import random

import pytest

from dub_source.incremental import Frontier
from tests.incremental.conftest import CreateWorld
from tests.incremental.world import DAY_MS, World, aged, now_ms, ulids

SPOILED = 2
"""The pages by first sale and by cancellation, if it is on them, are read again up to it."""

pytestmark = pytest.mark.usefixtures("collation")


def days(*ages: float) -> list[str]:
    return aged(*(24 * 60 * each for each in ages), seed=7)


def fresh(world: World, number: int) -> list[str]:
    """New customers of the last half an hour, the oldest first."""
    return world.insert(*aged(*(30 - 30 * each / number for each in range(number)), seed=8))


@pytest.mark.parametrize("position", (0, 1, 60, 149, 150, 298, 299))
def test_one_among_the_new_ones_hides_nobody(create_world: CreateWorld, position: int) -> None:
    world = create_world(days(*range(1, 150)))
    frontier = world.swept()
    created = fresh(world, 300)
    world.poison(created[position])
    run = world.run(frontier)
    assert set(created) - {created[position]} <= set(run.read)
    assert created[position] not in run.read
    assert run.incremental.unreadable == 1
    assert run.complete


@pytest.mark.parametrize("number", (1, 2, 3))
@pytest.mark.parametrize("there", (0, 1, 5))
def test_in_tiny_workspaces(create_world: CreateWorld, number: int, there: int) -> None:
    """The only new ones are unreadable, next to each other, or have one readable one behind them."""
    world = create_world(days(*range(1, 1 + there)))
    frontier = world.swept()
    created = fresh(world, number)
    world.poison(*created)
    run = world.run(frontier)
    assert run.incremental.unreadable >= 1
    assert not set(created) & set(run.read)
    last = world.insert(*aged(0, seed=9))
    run = world.run(frontier)
    assert set(last) <= set(run.read)
    assert run.incremental.unreadable >= 1


def test_two_apart_with_others_between_that_are_found_by_their_age(create_world: CreateWorld) -> None:
    world = create_world(days(*range(1, 150)))
    frontier = world.swept()
    created = fresh(world, 200)
    poisoned = [created[each] for each in (20, 50, 51, 180)]
    world.poison(*poisoned)
    run = world.run(frontier)
    assert set(created) - set(poisoned) <= set(run.read)
    assert 3 <= run.incremental.unreadable <= 4


@pytest.mark.parametrize("hidden", (1, 2, 40, 97))
@pytest.mark.parametrize("there", (1, 60, 150))
def test_who_is_hidden_between_two_of_them_is_not_said_to_be_read(
    create_world: CreateWorld, hidden: int, there: int
) -> None:
    """Backdated customers between two unreadable ones: no cursor leads there, and no order of creation."""
    world = create_world([*days(*range(1, 1 + there)), *cuid_like(1_200)])
    frontier = world.swept()
    now = now_ms()
    first, *enclosed, last = ulids((now - 60_000 + number for number in range(hidden + 2)), seed=3)
    world.insert(first, *enclosed, last, created_ms=now - 900 * DAY_MS)
    world.poison(first, last)
    [after] = world.insert(*aged(0.1))
    run = world.run(frontier)
    assert after in run.read
    assert not set(enclosed) & set(run.read), "else this tests nothing"
    assert not run.complete
    assert run.incremental.unreadable >= 1


@pytest.mark.parametrize("imported", (False, True))
def test_more_are_hidden_between_two_of_them_than_any_page_shows(
    create_world: CreateWorld, imported: bool
) -> None:
    """Found by their age, unless they were imported: then an import is seen, and nobody is trusted."""
    world = create_world(days(*range(1, 150)))
    frontier = world.swept()
    now = now_ms()
    created = ulids((now - 10_000 + number for number in range(3_300)), seed=3)
    for each in created:
        world.insert(each, created_ms=now - 900 * DAY_MS if imported and each != created[-1] else now - 5_000)
    world.poison(created[150], created[1_700])
    run = world.run(frontier)
    hidden = set(created[151:1_700])
    assert run.incremental.unreadable == (1 if imported else 2)
    assert hidden <= set(run.read) or (imported and not hidden & set(run.read))
    assert set(created[:150] + created[1_701:]) <= set(run.read)
    assert run.complete == (not imported)


def test_imports_of_the_past_make_nobody_suspicious(create_world: CreateWorld) -> None:
    world = create_world(days(*range(1, 50)))
    now = now_ms()
    imported = ulids((now - 5 * DAY_MS // 2 + number for number in range(400)), seed=3)
    for each in imported:
        world.insert(each, created_ms=now - 900 * DAY_MS)
    frontier = world.swept()
    world.delete(frontier.anchors[:4])
    created = fresh(world, 150)
    world.poison(created[100])
    run = world.run(frontier)
    assert set(imported) & set(run.read), "those of the past are read on the way"
    assert (run.incremental.unreadable, run.complete) == (1, True)


def cuid_like(number: int) -> list[str]:
    """Ids that sort before all others, of customers younger than any backdated one."""
    return [f"cl{number:023d}" for number in range(number)]


def test_hidden_at_the_very_end_is_not_said_to_be_read(create_world: CreateWorld) -> None:
    world = create_world([*days(1, 2, 3), *cuid_like(1_200)])
    frontier = world.swept()
    now = now_ms()
    created = ulids((now - 60_000 + number for number in range(3)), seed=3)
    world.insert(*created, created_ms=now - 900 * DAY_MS)
    world.poison(created[1])
    run = world.run(frontier)
    assert created[0] in run.read
    assert created[2] not in run.read
    assert not run.complete


def test_an_unreadable_one_before_the_frontier_costs_next_to_nothing(create_world: CreateWorld) -> None:
    world = create_world(days(*(each / 10 for each in range(1, 200))))
    frontier = world.swept()
    world.poison(sorted(world.sandbox.ids())[100])
    created = world.insert(*aged(1))
    run = world.run(frontier)
    assert set(created) <= set(run.read)
    assert (run.incremental.unreadable, run.complete) == (0, True)
    assert len(run.requests) <= 4 + SPOILED


def test_an_unreadable_anchor_is_a_good_anchor(create_world: CreateWorld) -> None:
    world = create_world(days(*range(1, 50)))
    frontier = world.swept()
    world.poison(*frontier.anchors[:3])
    created = world.insert(*aged(1))
    run = world.run(frontier)
    assert set(created) <= set(run.read)
    assert run.complete


def test_the_frontier_does_not_stay_behind_one_for_ever(create_world: CreateWorld) -> None:
    world = create_world(days(*range(1, 50)))
    frontier = world.swept()
    created = world.insert(*aged(40, 39, 38, 20, 19, 18, 17, 16, 1))
    world.poison(created[1])
    run = world.run(frontier)
    assert run.incremental.unreadable == 1
    again = world.run(run.frontier)
    assert again.incremental.unreadable == 0
    assert again.complete
    assert len(again.requests) <= 4 + SPOILED


def test_the_newest_of_all_costs_few_requests_in_each_run(create_world: CreateWorld) -> None:
    world = create_world(days(*range(1, 250)))
    frontier = world.swept()
    world.poison(*world.insert(*aged(1)))
    for _ in range(3):
        run = world.run(frontier)
        assert (run.incremental.unreadable, run.complete) == (1, True)
        assert len(run.requests) <= 12
        frontier = run.frontier
    [after] = world.insert(*aged(0))
    assert after in world.run(frontier).read


def test_between_ulids_and_legacy_ids(create_world: CreateWorld) -> None:
    """The last of the new ones; nobody by age is behind it, but other ids are."""
    above = [f"cus_9{number:023d}" for number in range(150)]
    world = create_world([*days(*range(1, 50)), *above])
    frontier = world.swept()
    created = fresh(world, 100)
    world.poison(created[-1])
    run = world.run(frontier)
    assert set(created[:-1]) <= set(run.read)
    assert (run.incremental.unreadable, run.complete) == (1, True)
    world.delete(frontier.above[:3])
    assert world.run(frontier).complete


def test_coming_from_above_with_one_in_the_way(create_world: CreateWorld) -> None:
    world = create_world([f"cus_9{number:023d}" for number in range(50)])
    frontier = world.swept()
    assert not frontier.anchors
    created = fresh(world, 250)
    world.poison(created[100])
    run = world.run(frontier)
    assert set(created) - {created[100]} <= set(run.read)
    assert (run.incremental.unreadable, run.complete) == (1, True)


def test_an_empty_workspace_gets_only_unreadable_ones(create_world: CreateWorld) -> None:
    world = create_world()
    world.insert(*aged(3, 2, 1))
    world.poison(*world.sandbox.ids())
    run = world.run(Frontier())
    assert (run.incremental.unreadable, run.complete) == (3, False)
    assert len(run.requests) < 25


@pytest.mark.parametrize("seed", range(30))
def test_random_ones_next_to_random_others(create_world: CreateWorld, seed: int) -> None:
    """Whoever is readable is read, or it is said that somebody may be missing."""
    source = random.Random(seed)
    world = create_world(days(*(each / 7 for each in range(1, source.choice((2, 30, 400))))))
    frontier = world.swept()
    now = now_ms()
    number = source.choice((3, 30, 250))
    created = ulids((now - 1_000_000 + each * 1_000 for each in range(number)), seed=seed)
    for each in created:
        world.insert(each, created_ms=now - (source.random() < 0.3) * source.randrange(900) * DAY_MS)
    poisoned = source.sample(created, source.randrange(1, min(6, number)))
    world.poison(*poisoned)
    run = world.run(frontier)
    missing = set(created) - set(poisoned) - set(run.read)
    assert not missing or not run.complete
    assert 1 <= run.incremental.unreadable <= len(poisoned)
    assert len(run.requests) < 150
