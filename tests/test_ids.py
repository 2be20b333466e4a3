"""What ids tell: judged by the orders that databases have, and by the recorded ids."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dub_source import ids
from dub_source.sandbox.collation import id_key
from dub_source.sandbox.ids import cuid, nanoid, ulid

MS = 1_793_491_200_000  # 2026-11-01: its ULIDs begin with cus_1M6GP9
NOW = ulid(MS, random.Random(0))[:13]
ORDERS: tuple[Callable[[str], str], ...] = (id_key, str, str.lower, str.upper)
moments = st.integers(ids.FIRST_ULID_MS, 2**44)  # until the year 2527
seeds = st.integers(0, 2**32)


@given(moments, seeds)
def test_the_moment_of_a_ulid(ms: int, seed: int) -> None:
    made = ulid(ms, random.Random(seed))
    assert ids.is_ulid(made)
    assert ids.ulid_ms(made) == ms


@pytest.mark.parametrize(
    "other",
    (
        "",
        "cus_",
        ulid(MS, random.Random(1)).lower(),
        ulid(MS, random.Random(1))[:-1],
        ulid(MS, random.Random(1)) + "0",
        ulid(MS, random.Random(1))[:-1] + "U",
        ulid(MS, random.Random(1))[:-1] + "\n",
        ulid(MS, random.Random(1)).removeprefix("cus_"),
        nanoid(random.Random(1)),
        cuid(random.Random(1)),
    ),
)
def test_other_ids_tell_no_moment(other: str) -> None:
    assert ids.ulid_ms(other) is None
    assert not ids.is_ulid(other)


def test_recorded_ids(recordings: Path) -> None:
    """Of 1,307 recorded customers 1,267 have a ULID; those made last tell when the recording was made."""
    seed = json.loads((recordings / "seed.json").read_text(encoding="utf-8"))
    made = {each["id"]: ids.ulid_ms(each["id"]) for each in seed["customers"]}
    assert sum(ms is not None for ms in made.values()) == 1_267
    assert sum(len(each) == len("cus_") + 24 for each, ms in made.items() if ms is None) == 40
    assert all(ids.FIRST_ULID_MS < ms < 1_800_000_000_000 for ms in made.values() if ms is not None)


def a_bit(source: random.Random, ms: int) -> int:
    """A moment that is often close to another one."""
    return max(ids.FIRST_ULID_MS, ms + source.choice((0, 1, -1, 40, -40, 10**6, -(10**6), 10**10, -(10**10))))


def some_id(source: random.Random, ms: int) -> str:
    """Any kind of id, often one that begins like a ULID of that moment."""
    kind = source.randrange(8)
    if kind == 0:
        return ulid(a_bit(source, ms), source)
    if kind == 1:
        return nanoid(source)
    if kind == 2:
        return cuid(source)
    if kind == 3:
        return "".join(source.choices("cus_-AZaz09éß \n~", k=source.randrange(30)))
    prefix = ulid(a_bit(source, ms), source)[: source.randrange(3, 15)]
    if source.random() < 0.3:
        prefix = prefix.lower()
    return prefix + nanoid(source)[4 : source.randrange(4, 28)]


@given(moments, seeds)
def test_sure_is_true_in_every_order(ms: int, seed: int) -> None:
    source = random.Random(seed)
    customer_id = some_id(source, ms)
    before, after = ids.surely_before(customer_id, ms), ids.surely_after(customer_id, ms)
    assert not (before and after)
    for _ in range(20):
        other = a_bit(source, ms)
        made = ulid(other, source)
        for key in ORDERS:
            if before and other >= ms:
                assert key(customer_id) < key(made)
            if after and other <= ms:
                assert key(customer_id) > key(made)


@given(moments, seeds)
def test_of_two_moments_one_is_surely_before(ms: int, seed: int) -> None:
    source = random.Random(seed)
    other = a_bit(source, ms)
    made = ulid(other, source)
    assert ids.surely_before(made, ms) == (other < ms)
    assert ids.surely_after(made, ms) == (other > ms)


@given(moments, moments, seeds)
def test_ulids_follow_each_other_as_they_were_made(one: int, other: int, seed: int) -> None:
    source = random.Random(seed)
    first, second = ulid(one, source), ulid(other, source)
    for key in ORDERS:
        assert ids.follows(first, second) == (key(first) > key(second))
    assert ids.follows(first, second) == (ids.likely_order(first) > ids.likely_order(second))


@pytest.mark.parametrize(
    "customer_id, before, after",
    (
        ("clabcdefghij0123456789abc", True, False),  # a cuid
        ("cus_0zzz", True, False),
        ("cus_1Lzz", True, False),
        ("cus_1lzz", False, False),  # without case before, bytewise after
        (NOW[:6], True, False),  # a mere beginning
        (NOW, False, False),
        (NOW.lower() + "zz", False, False),
        ("cus_1Naa", False, True),
        ("cus_1naa", False, True),
        ("cus_9", False, True),
        ("cus_z", False, True),
        ("cus-z", False, False),  # about signs databases do not agree
        ("cus_1é", False, False),
        ("d", False, True),
        ("", True, False),
    ),
)
def test_where_ids_lie(customer_id: str, before: bool, after: bool) -> None:
    assert ids.surely_before(customer_id, MS) == before
    assert ids.surely_after(customer_id, MS) == after


@pytest.mark.parametrize("ms", (-1, 0, 2**60))
def test_moments_without_ulids_of_this_form_are_harmless(ms: int) -> None:
    made = ulid(MS, random.Random(2))
    assert ids.surely_before(made, ms) == (ms > MS)
    assert ids.surely_after(made, ms) == (ms < MS)


def test_the_share_of_nanoids_about_which_nothing_is_said_is_small() -> None:
    source = random.Random(3)
    made = [nanoid(source) for _ in range(20_000)]
    before = sum(ids.surely_before(each, MS) for each in made)
    after = sum(ids.surely_after(each, MS) for each in made)
    assert 20_000 * 0.015 < before < 20_000 * 0.03
    assert before + after > 20_000 * 0.995
