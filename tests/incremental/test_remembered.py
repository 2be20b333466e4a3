"""What is remembered of millions of ids."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest

from dub_source.ids import is_ulid, likely_order, surely_after, surely_before, ulid_ms
from dub_source.incremental.remembered import Remembered
from dub_source.sandbox.ids import cuid, nanoid, ulid
from tests.incremental.world import DAY_MS, HOUR_MS

NOW_MS = 1_795_000_000_000


def remembered(ids: list[str], *, at_once: int = 1_000) -> list[str]:
    some = Remembered(about_now_ms=NOW_MS)
    for start in range(0, len(ids), at_once):
        some.add(ids[start : start + at_once])
    return some.ids()


def test_memory_does_not_grow() -> None:
    source = random.Random(0)
    ids = [ulid(NOW_MS - each * 40_000, source) for each in range(300_000)]
    ids += [nanoid(source) for _ in range(30_000)]
    assert len(remembered(ids)) < 7_000


@pytest.mark.parametrize("at_once", (100, 7_000, 1_000_000))
def test_of_ulids_the_newest_stay_and_ever_fewer_of_older_ones(at_once: int) -> None:
    source = random.Random(1)
    made = [NOW_MS - each * 5_000 for each in range(150_000)]
    source.shuffle(made)
    ids = [ulid(each, source) for each in made]
    kept = remembered(ids, at_once=at_once)
    assert set(kept) <= set(ids)
    assert kept == sorted(kept)
    assert kept[0] == min(ids)
    assert kept[-1_000:] == sorted(ids)[-1_000:]
    ages = [NOW_MS - (ulid_ms(each) or 0) for each in kept]
    gaps = [(newer, older - newer) for older, newer in pairwise(ages)]
    assert max(gap for _, gap in gaps) <= 20 * 60_000, "17 minutes is the widest bucket of these nine days"
    assert max(gap for age, gap in gaps if age < HOUR_MS) <= 10_000


@pytest.mark.parametrize("make", (nanoid, cuid))
def test_of_other_ids_those_nearest_to_these_days_stay(make: Callable[[random.Random], str]) -> None:
    source = random.Random(2)
    ids = [make(source) for _ in range(5_000)]
    kept = set(remembered(ids))
    below = sorted((each for each in ids if surely_before(each, NOW_MS - 2 * DAY_MS)), key=likely_order)
    above = sorted((each for each in ids if surely_after(each, NOW_MS + 2 * DAY_MS)), key=likely_order)
    assert above or below
    assert kept >= {*below[-64:], *above[:64]}
    assert not kept.intersection(below[:-64] + above[64:])
    assert not any(map(is_ulid, kept))


def test_ids_of_which_nobody_knows_the_side_stay_but_not_all() -> None:
    ids = [f"cus_1_{number:05}" for number in range(1_000)]
    assert not any(surely_before(each, NOW_MS) or surely_after(each, NOW_MS) for each in ids)
    kept = remembered(ids)
    assert 1 <= len(kept) <= 64
    assert set(kept) <= set(ids)
