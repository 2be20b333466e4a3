"""Whatever ids a workspace has, and whatever happens between two requests: each new customer is found."""

import random
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dub_source.client import NO_RETRY, DubClient
from dub_source.errors import AnchorsLost
from dub_source.ids import ulid_ms
from dub_source.incremental import FrontierBuilder
from dub_source.sandbox import Sandbox
from dub_source.sandbox.ids import cuid, nanoid, ulid
from dub_source.settings import Settings
from dub_source.walk import Sweep
from tests.incremental.world import DAY_MS, HOUR_MS, MINUTE_MS, World, now_ms, through_json, workspace

KINDS = ("old ulid", "new ulid", "future ulid", "nanoid", "cuid", "near", "strange")


def some_id(source: random.Random, kind: str, now: int) -> str:
    if kind == "old ulid":
        return ulid(now - round(source.expovariate(1 / (30 * DAY_MS))) - HOUR_MS, source)
    if kind == "new ulid":
        return ulid(now - source.randrange(20 * MINUTE_MS), source)
    if kind == "future ulid":
        return ulid(now + round(source.expovariate(1 / (3 * DAY_MS))), source)
    if kind == "nanoid":
        return nanoid(source)
    if kind == "cuid":
        return cuid(source)
    like = ulid(now - source.randrange(-DAY_MS, DAY_MS), source)[: source.randrange(6, 14)]
    if kind == "near":
        return (like.lower() if source.random() < 0.5 else like) + nanoid(source)[4 : source.randrange(9, 28)]
    return like + "".join(source.choices("_-.~", k=3)) + nanoid(source)[4:]


def some_ids(source: random.Random, now: int) -> list[str]:
    """Up to some hundred ids: of a few kinds, alike when compared without case only once."""
    kinds = source.sample(KINDS, source.randrange(1, len(KINDS)))
    number = source.choice((0, 1, 2, 10, 60, 250))
    made = [some_id(source, source.choice(kinds), now) for _ in range(number)]
    return list({each.lower(): each for each in made}.values())


class Meddler:
    """Between any two requests: customers come, and customers that serve as cursors go."""

    def __init__(self, world: World, source: random.Random) -> None:
        self._world = world
        self._source = source
        self.gone: set[str] = set()
        self.did: Counter[str] = Counter()

    def __call__(self, _method: str, target: str) -> None:
        roll = self._source.random()
        cursor = target.partition("startingAfter=")[2].partition("&")[0]
        there = self._world.sandbox.ids()
        if roll < 0.2:
            self._world.insert(ulid(now_ms(), self._source))
            self.did["insert"] += 1
        elif roll < 0.45 and cursor in there and len(self.gone) < 12:
            for each in {cursor, *self._source.sample(there, min(2, len(there)))}:
                self._world.sandbox.delete(each)
                self.gone.add(each)
            self.did["delete"] += 1


@pytest.mark.parametrize("bytewise", (False, True))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32))
def test_each_new_customer_is_found(bytewise: bool, seed: int) -> None:
    new_customers_are_found(bytewise, seed)


def new_customers_are_found(bytewise: bool, seed: int) -> Counter[str]:
    """One random workspace, a sweep, and three runs over it; what happened."""
    source = random.Random(seed)
    now = now_ms()
    meddling = source.random() < 0.5
    with patched_order(bytewise), Sandbox(workspace(some_ids(source, now)), rate_limit=0) as sandbox:
        client_settings = Settings(api_key=sandbox.key(), base_url=sandbox.url)
        with DubClient(client_settings, retry=NO_RETRY) as client:
            world = World(sandbox, client)
            began = datetime.now(UTC)
            builder = FrontierBuilder()
            for page in Sweep(client):
                builder.add_ids(each["id"] for each in page.customers)
                builder.add_dates(page.customers)
            frontier = through_json(builder.frontier(now=began))
            meddler = Meddler(world, source)
            for turn in range(3):
                known = set(sandbox.ids())
                created = set(newcomers(world, source))
                if meddling:
                    sandbox.before_request(meddler)
                try:
                    run = world.run(
                        frontier, page_size=source.choice((1, 7, 100)) if len(known) < 90 else 100
                    )
                except AnchorsLost:
                    assert not {*frontier.anchors, *frontier.above} & set(sandbox.ids())
                    return meddler.did + Counter(lost=1)
                finally:
                    sandbox.before_request(None)
                assert created - meddler.gone <= set(run.read), f"turn {turn}"
                assert run.complete
                assert run.incremental.unreadable == 0
                frontier = through_json(run.frontier)
                assert frontier.newest_ms is None or frontier.newest_ms <= now_ms()
            return meddler.did + Counter(done=1)


def newcomers(world: World, source: random.Random) -> list[str]:
    """New ids; some of one millisecond, some stored late, with any time of creation."""
    now = now_ms()
    late = source.choice((0, 0, 10 * MINUTE_MS))
    moments = [
        now - source.choice((0, 0, 1, source.randrange(late + 1))) for _ in range(source.randrange(40))
    ]
    made = dict.fromkeys(ulid(ms, source) for ms in moments)
    return [
        world.insert(each, created_ms=now - source.choice((0, source.randrange(900 * DAY_MS))))[0]
        for each in made
    ]


def patched_order(bytewise: bool) -> AbstractContextManager[object]:
    return patch("dub_source.sandbox.store.id_key", str) if bytewise else nullcontext()


def test_all_of_it_happens() -> None:
    """Else the test above would be about less than it says."""
    did = sum((new_customers_are_found(bool(seed % 2), seed) for seed in range(40)), Counter[str]())
    assert did["insert"] > 20
    assert did["delete"] > 20
    assert did["done"] > 20
    made = [each for seed in range(40) for each in some_ids(random.Random(seed), now_ms())]
    assert sum((ulid_ms(each) or 0) > now_ms() + DAY_MS for each in made) > 20
    assert sum(len(each) == 28 for each in made) > 100
    assert sum(each.startswith("cl") for each in made) > 100


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_in_many_more_workspaces() -> None:
    did = sum((new_customers_are_found(bool(seed % 2), seed) for seed in range(1_000, 1_250)), Counter[str]())
    assert did["done"] > 175
