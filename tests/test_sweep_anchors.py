"""Where a sweep begins, and where it begins anew when fronts become few: no part is left to one worker."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dub_source import runs
from dub_source.client import DubClient
from dub_source.destinations import Target
from dub_source.sandbox import Dataset, Fault, Sandbox
from dub_source.sandbox.generate import generate
from dub_source.settings import Settings
from dub_source.sync import sweeping
from dub_source.types import Customer
from dub_source.walk import Certificate, Sweep
from dub_source.walk.ages import SAMPLED, Ages, shared_out, spaced
from dub_source.walk.anchors import KnownIds, middles
from dub_source.walk.journal import Journal
from dub_source.walk.sampler import Sampler
from tests.conftest import StartSandbox

ClientOf = Callable[[Sandbox], DubClient]


@pytest.fixture
def client_of() -> Iterator[ClientOf]:
    clients: list[DubClient] = []

    def make(sandbox: Sandbox) -> DubClient:
        clients.append(DubClient(Settings(api_key=sandbox.key(), base_url=sandbox.url)))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sweeps of small workspaces begin at as many anchors as those of large ones."""
    monkeypatch.setattr("dub_source.walk.sweep._ROWS_PER_ANCHOR", 20)
    monkeypatch.setattr("dub_source.walk.anchors._ROWS_PER_MARK", 500)


# Stretches


@given(free=st.lists(st.booleans(), max_size=60), wanted=st.integers(0, 20))
def test_middles_are_free_and_different(free: list[bool], wanted: int) -> None:
    chosen = middles(free, wanted)
    assert all(free[position] for position in chosen)
    assert len(set(chosen)) == len(chosen) == min(wanted, sum(free)) or len(chosen) < wanted
    assert bool(chosen) == bool(wanted and any(free))


def test_the_longest_stretch_comes_first() -> None:
    free = [False, True, True, True, False, True, True, True, True, True, True, True, False]
    assert middles(free, 1) == [8]
    assert middles(free, 3) == [2, 7, 9]
    # At the start nobody comes to meet the first one: it begins there.
    assert middles([True] * 8, 4) == [0, 2, 4, 6]


def test_points_go_where_the_largest_piece_is() -> None:
    assert shared_out([10.0, 90.0], 4, least=1) == [0, 4]
    assert shared_out([40.0, 60.0], 3, least=1) == [1, 2]
    assert shared_out([4.0, 5.0], 9, least=5) == [0, 1]
    assert shared_out([], 3, least=1) == []
    assert spaced(3, from_the_start=False) == [0.25, 0.5, 0.75]
    assert spaced(4, from_the_start=True) == [0.0, 0.25, 0.5, 0.75]


def test_of_known_ids_those_from_everywhere_are_chosen_and_nobody_twice() -> None:
    known = KnownIds([f"cus_{number}" for number in range(1_000)])
    chosen = known.choose(4, claimed=())
    assert chosen == ["cus_0", "cus_250", "cus_500", "cus_750"]
    assert not set(known.choose(50, claimed=())) & set(chosen)
    assert known.choose(50, claimed=AllOfThem()) == []


class AllOfThem:
    def __contains__(self, value: object) -> bool:
        return True


# Ages


def people(*seconds: int) -> list[Customer]:
    return [{"id": f"cus_{each}", "createdAt": f"2026-01-01T00:{each:06d}"} for each in seconds]


def test_in_the_beginning_positions_are_evenly_spaced() -> None:
    assert Ages(1_000).targets(4, least=10) == [1, 250, 500, 750]


def test_where_much_is_unread_is_looked_at_next() -> None:
    ages = Ages(10_000)
    for position in ages.targets(4, least=10):
        ages.found(position, people(position)[0])
    ages.read(people(*range(1, 5_000), *range(7_600, 10_000)))
    # Everybody but the third quarter, more or less.
    (target,) = ages.targets(1, least=500)
    assert 5_000 < target < 7_500
    # Nobody looks twice at one place at once.
    assert all(not 5_000 < each < 7_500 for each in ages.targets(9, least=1))
    ages.found(target, people(target)[0])
    assert {5_000 < each < 7_500 for each in ages.targets(2, least=500)} == {True}


def test_what_is_read_is_left_alone() -> None:
    ages = Ages(1_000)
    ages.read(people(*range(1_000)))
    assert ages.targets(3, least=SAMPLED) == []


def test_a_position_that_tells_nothing_is_not_asked_again() -> None:
    ages = Ages(1_000)
    (target,) = ages.targets(1, least=10)
    ages.found(target, None)
    assert ages.targets(5, least=10) == []


@pytest.mark.parametrize(
    "position, found, elsewhere",
    (
        (700, people(400)[0], [1, 125, 250, 375]),
        (300, {"id": "cus_x", "createdAt": None}, [600, 700, 800, 900]),
    ),
)
def test_marks_that_contradict_each_other_are_not_believed(
    position: int, found: Customer, elsewhere: list[int]
) -> None:
    ages = Ages(1_000)
    ages.found(500, people(500)[0])
    ages.found(position, found)
    # Its stretch is still a whole, in which a position has been asked for that cannot be told.
    assert ages.targets(4, least=1) == elsewhere


def test_ages_can_be_replayed() -> None:
    journal = Journal()
    journal.keep()
    ages, again = Ages(1_000, journal), Ages(1_000)
    for position in ages.targets(3, least=1):
        ages.found(position, people(position)[0])
    for start in range(0, 600, 7):
        ages.read(people(*range(start, start + 7)))
    journal.settle()
    assert all(again.replay(event) for event in journal.drain())
    assert again.targets(5, least=1) == ages.targets(5, least=1)
    assert not again.replay(["settle", "cus_a"])


# Whole sweeps


def swept(sandbox: Sandbox, client: DubClient, **options: Any) -> Certificate:
    """Read a workspace with 8 workers; asserts that everybody was read once."""
    sweep = Sweep(client, **{"workers": 8, **options})
    read = Counter(customer["id"] for page in sweep for customer in page.customers)
    assert read == Counter(sandbox.ids())
    assert sweep.certificate is not None
    return sweep.certificate


def largest(certificate: Certificate) -> float:
    """The share of all customers that is in the largest segment."""
    return max(segment.rows for segment in certificate.segments) / certificate.rows


def without_sales(customers: int) -> Dataset:
    dataset = generate(customers)
    for row in dataset.customers:
        row.sales = row.sale_amount = 0
        row.first_sale_ms = row.canceled_ms = None
    return dataset


def test_cold_a_hundred_customers_of_all_ages_cost_one_request(
    start_sandbox: StartSandbox, client_of: ClientOf, small_segments: None
) -> None:
    sandbox = start_sandbox(4_000)
    certificate = swept(sandbox, client_of(sandbox), page_size=20)
    assert largest(certificate) < 0.25
    assert sum("sortBy=saleAmount" in request.query for request in sandbox.requests) == 1
    assert len(sandbox.requests) <= 200 * 1.15 + 6


def test_without_any_sales_too(
    start_sandbox: StartSandbox, client_of: ClientOf, small_segments: None
) -> None:
    sandbox = start_sandbox(without_sales(4_000))
    certificate = swept(sandbox, client_of(sandbox), page_size=20)
    assert largest(certificate) < 0.4
    assert len(sandbox.requests) <= 200 * 1.2 + 6


def without_the_count(sandbox: Sandbox) -> None:
    sandbox.inject(Fault("status", containing="/count", status=404, code="not_found", times=10**6))


@pytest.mark.parametrize("counts", (True, False))
@pytest.mark.parametrize("order", ("by id", "shuffled", "the first tenth", "all deleted", "foreign"))
def test_whatever_the_known_ids_say_no_segment_is_left_to_one_worker(
    start_sandbox: StartSandbox, client_of: ClientOf, small_segments: None, order: str, counts: bool
) -> None:
    sandbox = start_sandbox(4_000)
    if not counts:
        without_the_count(sandbox)
    ids = sandbox.ids()
    known = {
        "by id": ids,
        "shuffled": random.Random(1).sample(ids, len(ids)),
        "the first tenth": ids[:400],
        "all deleted": ids[::40],
        "foreign": [f"cus_{number}" for number in range(300)],
    }[order]
    if order == "all deleted":
        for customer_id in known:
            sandbox.delete(customer_id)
    sandbox.forget_requests()
    certificate = swept(sandbox, client_of(sandbox), page_size=20, known_ids=known, about=3_900)
    assert certificate.counted == (len(sandbox.ids()) if counts else None)
    assert largest(certificate) < 0.4
    assert len(sandbox.requests) <= 200 * 1.25 + 10


def test_known_ids_cost_a_request_where_they_are_in_order(
    start_sandbox: StartSandbox, client_of: ClientOf, small_segments: None
) -> None:
    sandbox = start_sandbox(4_000)
    certificate = swept(sandbox, client_of(sandbox), page_size=20, known_ids=sandbox.ids())
    assert largest(certificate) < 0.2
    assert sum("customerIds" in request.query for request in sandbox.requests) <= 2
    assert not any("page=" in request.query for request in sandbox.requests)
    assert len(sandbox.requests) <= 200 * 1.1 + 6


def test_a_sample_of_known_ids_is_not_taken_for_everybody_where_nothing_counts_them(
    start_sandbox: StartSandbox, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dub_source.walk.sweep._ROWS_PER_ANCHOR", 600)
    sandbox = start_sandbox(6_000)
    known = sorted(random.Random(1).sample(sandbox.ids(), 1_000), key=str.lower)
    pages_of_40 = 150
    for counts in (True, False):
        sandbox.forget_requests()
        if not counts:
            without_the_count(sandbox)
        certificate = swept(sandbox, client_of(sandbox), page_size=40, known_ids=known, about=5_900)
        assert certificate.counted == (6_000 if counts else None)
        assert len(certificate.segments) >= 8
        assert largest(certificate) < 0.3
        assert len(sandbox.requests) <= pages_of_40 * 1.25 + 10


@pytest.mark.parametrize("about", (None, 1, 40, 400_000))
def test_how_many_there_are_about_may_be_wrong(
    start_sandbox: StartSandbox, client_of: ClientOf, small_segments: None, about: int | None
) -> None:
    sandbox = start_sandbox(1_000)
    without_the_count(sandbox)
    for known in (sandbox.ids()[::10], ()):
        sandbox.forget_requests()
        swept(sandbox, client_of(sandbox), page_size=20, known_ids=known, about=about)
        assert len(sandbox.requests) <= 50 * 1.6 + 10


def test_what_dub_counts_is_believed_rather_than_what_the_caller_knows(
    start_sandbox: StartSandbox, client_of: ClientOf, small_segments: None
) -> None:
    sandbox = start_sandbox(1_000)
    sweep = Sweep(client_of(sandbox), about=3, workers=8)
    assert sweep.expected == 1_000
    for _ in sweep:
        pass
    assert sweep.certificate is not None
    assert len(sweep.certificate.segments) >= 8


def test_a_run_tells_the_sweep_how_many_customers_the_warehouse_has(
    start_sandbox: StartSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_segments: None
) -> None:
    monkeypatch.setattr(sweeping, "_ANCHORS", 20)
    monkeypatch.setattr(sweeping, "workers_for", lambda *_, **__: 8)
    sandbox = start_sandbox(2_000)
    without_the_count(sandbox)
    options: dict[str, Any] = {"mode": "full", "api_key": sandbox.key(), "base_url": sandbox.url}
    segments = []
    for _ in range(2):
        target = Target(database=tmp_path / "rows.duckdb")
        report = runs.load(target, pipelines_dir=tmp_path / "working", **options).report
        assert (report.read, report.complete) == (2_000, True)
        assert report.certificate is not None
        segments.append(len(report.certificate.segments))
    first, second = segments
    assert (first, second >= 8) == (1, True), "the first run knows nobody, the second one everybody"


class Positions:
    """How old, as a share of all, the customers are that a sampler finds at positions."""

    def __init__(self, sandbox: Sandbox, sampler: Sampler) -> None:
        rows = sorted(sandbox.snapshot().values(), key=lambda row: row["createdAt"])
        self._rank = {row["id"]: rank / len(rows) for rank, row in enumerate(rows)}
        self._sampler = sampler

    def of(self, position: int) -> float:
        found = self._sampler.around(position, rows=10)
        rows = [row for page in found.pages for row in page.customers]
        assert found.in_place
        return self._rank[rows[len(rows) // 2]["id"]]


def test_the_inside_of_a_large_workspace_is_reached_by_country(
    start_sandbox: StartSandbox, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dub_source.walk.sampler._REACH", 400)
    sandbox = start_sandbox(2_000)
    sampler = Sampler(client_of(sandbox), 2_000, include_expanded_fields=False)
    positions = Positions(sandbox, sampler)
    for position in (5, 390, 500, 1_000, 1_500, 1_650, 1_990):
        assert positions.of(position) == pytest.approx(position / 2_000, abs=0.05)
    by_country = [request for request in sandbox.requests if "country=US" in request.query]
    assert len(by_country) == 3


def test_without_countries_it_is_reached_by_revenue(
    start_sandbox: StartSandbox, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dub_source.walk.sampler._REACH", 400)
    sandbox = start_sandbox(2_000)
    sandbox.inject(Fault("status", containing="groupBy", status=404, code="not_found", times=9))
    sampler = Sampler(client_of(sandbox), 2_000, include_expanded_fields=False)
    found = [sampler.around(1_000, rows=1) for _ in range(200)]
    assert not any(each.in_place for each in found)
    assert any(each.pages for each in found)


@pytest.mark.parametrize("countries", (True, False))
def test_a_workspace_larger_than_offsets_reach_is_complete(
    start_sandbox: StartSandbox,
    client_of: ClientOf,
    monkeypatch: pytest.MonkeyPatch,
    small_segments: None,
    countries: bool,
) -> None:
    monkeypatch.setattr("dub_source.walk.sampler._REACH", 300)
    sandbox = start_sandbox(without_sales(4_000))
    if not countries:
        sandbox.inject(Fault("status", containing="groupBy", status=404, code="not_found", times=9))
    assert largest(swept(sandbox, client_of(sandbox), page_size=20)) < (0.4 if countries else 0.6)
