"""Made-up workspaces: the same for the same seed, with the shares that make real ones hard."""

import re
from collections import Counter
from itertools import pairwise

import pytest

from dub_source.sandbox import Customer, Dataset
from dub_source.sandbox.generate import generate
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect

SIZE = 6_000
ULID = re.compile(r"cus_1[0-9A-HJKMNP-TV-Z]{24}")
NANOID = re.compile(r"cus_[0-9A-Za-z]{24}")
CUID = re.compile(r"cl[0-9a-z]{23}")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_2024_10, _2025_03 = 1_727_740_800_000, 1_741_046_400_000


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return generate(SIZE, random_seed=1)


def minted_ms(ulid: str) -> int:
    value = 0
    for character in ulid.removeprefix("cus_"):
        value = value * 32 + _CROCKFORD.index(character)
    return value >> 80


def share(dataset: Dataset, count: int) -> float:
    return count / len(dataset.customers)


def fields(row: Customer) -> dict[str, object]:
    return {name: getattr(row, name) for name in Customer.__slots__ if name != "rendered"}


def test_the_same_seed_makes_the_same_rows() -> None:
    one, two, other = (generate(300, random_seed=seed) for seed in (7, 7, 8))
    rows = [[fields(row) for row in each.customers] for each in (one, two, other)]
    assert rows[0] == rows[1] != rows[2]
    assert one.tokens == two.tokens == other.tokens  # keys are the same for every seed


def test_sandboxes_of_one_seed_mint_the_same_ids(start_sandbox: StartSandbox, connect: Connect) -> None:
    created = []
    for _ in range(2):
        api = connect(start_sandbox(5, random_seed=3, clock=lambda: 1_795_318_806.0))
        created.append(api.post({"externalId": "new", "country": "US"}).body)
    assert created[0] == created[1]


def test_ids_are_of_their_time_imports_excepted(dataset: Dataset) -> None:
    kinds: Counter[str] = Counter()
    for row in dataset.customers:
        if ULID.fullmatch(row.id):
            late = minted_ms(row.id) - row.created_ms
            assert late >= 0
            kinds["native" if late == 0 else "imported"] += 1
        elif NANOID.fullmatch(row.id):
            assert _2024_10 <= row.created_ms < _2025_03
            kinds["nanoid"] += 1
        else:
            assert CUID.fullmatch(row.id)
            assert row.created_ms < _2024_10
            kinds["cuid"] += 1
    assert 0.15 < share(dataset, kinds["imported"]) < 0.25
    assert 0.10 < share(dataset, kinds["nanoid"]) < 0.20
    assert 0.10 < share(dataset, kinds["cuid"]) < 0.25
    assert kinds["native"] > 0.4 * SIZE


def test_imports_come_in_a_few_batches(dataset: Dataset) -> None:
    moments = sorted(
        minted_ms(row.id)
        for row in dataset.customers
        if ULID.fullmatch(row.id) and minted_ms(row.id) != row.created_ms
    )
    batches = 1 + sum(later - earlier > 600_000 for earlier, later in pairwise(moments))
    assert 2 <= batches <= 12


def test_a_naive_walk_loses_rows_of_it(start_sandbox: StartSandbox, connect: Connect) -> None:
    api = connect(start_sandbox(1_000))
    assert len(set(api.walk())) < 950
    assert len(api.in_order(api.listed(pageSize=1).ids[0])) == 1_000


def test_fields_are_missing_and_skewed_as_in_life(dataset: Dataset) -> None:
    rows = dataset.customers
    missing = {
        name: share(dataset, sum(getattr(row, name) is None for row in rows)) for name in Customer.__slots__
    }
    assert 0.05 < missing["name"] < 0.11
    assert 0.04 < missing["email"] < 0.08
    assert 0.5 < missing["avatar"] < 0.7
    assert 0.55 < missing["stripe_customer_id"] < 0.75
    assert 0.01 < missing["country"] < 0.06
    assert 0.6 < missing["link_id"] < 0.8
    assert 0.55 < missing["first_sale_ms"] < 0.75
    assert missing["canceled_ms"] > 0.85
    assert missing["external_id"] == 0
    assert any(row.has_random_name for row in rows)
    assert sum(not (row.name or "").isascii() for row in rows) > 0.2 * SIZE
    assert sum(row.sale_amount < 0 for row in rows) > 0
    best = sorted((row.sale_amount for row in rows), reverse=True)
    assert sum(best[: SIZE // 50]) > 0.3 * sum(best)  # 2% of the customers bring a third of the revenue
    assert {row.country for row in rows} > {"US", "DE", None}


def test_unique_fields_are_unique(dataset: Dataset) -> None:
    for name in ("id", "external_id", "stripe_customer_id"):
        values = [value.lower() for row in dataset.customers if (value := getattr(row, name)) is not None]
        assert len(values) == len(set(values))


def test_links_and_partners_show_in_expanded_fields(start_sandbox: StartSandbox) -> None:
    rows = start_sandbox(400).snapshot().values()
    added = Counter(
        name for row in rows for name in ("link", "programId", "partner", "discount") if name in row
    )
    assert added["link"] > added["partner"] == added["programId"] > added["discount"] > 10


def test_its_keys(start_sandbox: StartSandbox, connect: Connect) -> None:
    sandbox = start_sandbox(3)
    status = {name: connect(sandbox, name).listed().status for name in ("owner", "viewer", "free", "expired")}
    assert status == {"owner": 200, "viewer": 200, "free": 403, "expired": 401}
    assert connect(sandbox, "viewer").post({"externalId": "x", "country": "US"}).status == 403


@pytest.mark.parametrize("size, unreadable", ((10, 0), (10, 1), (10, 3), (10, 10), (0, 0)))
def test_unreadable_rows_are_spread_evenly(size: int, unreadable: int) -> None:
    rows = generate(size, unreadable=unreadable).customers
    places = [number for number, row in enumerate(rows) if row.external_id is None]
    assert (len(rows), len(places)) == (size, unreadable)
    gaps = {later - earlier for earlier, later in pairwise(places)}
    assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("size, unreadable", ((-1, 0), (5, 6), (5, -1)))
def test_impossible_numbers_are_refused_in_one_sentence(size: int, unreadable: int) -> None:
    with pytest.raises(ValueError, match=r"^The number of customers must not be .*\.$"):
        generate(size, unreadable=unreadable)


def test_an_empty_workspace(start_sandbox: StartSandbox, connect: Connect) -> None:
    api = connect(start_sandbox(0))
    assert api.listed().json == []
    assert api.count() == 0
