"""A sweep that is killed anywhere goes on elsewhere: the parts together read everybody once, and prove it."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, repeat
from typing import Any

import orjson
import pytest

from dub_source.client import DubClient
from dub_source.errors import WalkIncomplete
from dub_source.sandbox import Fault, Sandbox
from dub_source.sandbox.generate import generate
from dub_source.settings import Settings
from dub_source.walk import Certificate, Sweep, verify
from tests.conftest import StartSandbox
from tests.test_sweep import KINDS, Meddler
from tests.test_territory import picture

MakeSweep = Callable[..., Sweep]
WORKERS = 8


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sweeps of small workspaces begin at as many anchors as those of large ones."""
    monkeypatch.setattr("dub_source.walk.sweep._ROWS_PER_ANCHOR", 20)


@pytest.fixture
def maker() -> Iterator[Callable[..., MakeSweep]]:
    clients: list[DubClient] = []

    def make(sandbox: Sandbox, **options: Any) -> MakeSweep:
        def sweep(**more: Any) -> Sweep:
            clients.append(DubClient(Settings(api_key=sandbox.key(), base_url=sandbox.url)))
            return Sweep(clients[-1], **{"workers": WORKERS, **options, **more})

        return sweep

    yield make
    for client in clients:
        client.close()


class Store:
    """What a consumer has on disk: rows and events, together."""

    def __init__(self) -> None:
        self.read: Counter[str] = Counter()
        self.events = b"[]"
        self.parts = 0

    def run(self, make: MakeSweep, *, stop_after: int | None, batch: int = 1) -> Certificate | None:
        """One process: reads on, stores every ``batch`` pages, is killed after so many; None if it was."""
        self.parts += 1
        sweep = make(replay=orjson.loads(self.events))
        unsaved: list[str] = []
        pages = iter(sweep)
        for number, page in enumerate(pages, start=1):
            unsaved += [customer["id"] for customer in page.customers]
            if number % batch == 0:
                self._save(unsaved, sweep)
                unsaved = []
            if number == stop_after:
                pages.close()
                return None
        self._save(unsaved, sweep)
        assert sweep.certificate is not None
        return sweep.certificate

    def _save(self, ids: list[str], sweep: Sweep) -> None:
        self.read.update(ids)
        self.events = orjson.dumps([*orjson.loads(self.events), *sweep.drain_events()])

    def run_to_the_end(self, make: MakeSweep, stops: Iterator[int], *, batch: int = 1) -> Certificate:
        """Processes one after the other, until one is not killed."""
        while True:
            certificate = self.run(make, stop_after=next(stops, None), batch=batch)
            if certificate is not None:
                return certificate


@pytest.mark.slow
@pytest.mark.parametrize("stop_after", (1, 2, 3, 5, 8, 13, 21, 34, 55, 80, 99))
@pytest.mark.parametrize("known", (False, True))
def test_two_parts_are_one_sweep(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep], stop_after: int, known: bool
) -> None:
    sandbox = start_sandbox(4_000)
    make = maker(sandbox, page_size=40, known_ids=sandbox.ids() if known else ())
    list(make())
    at_once = len(sandbox.requests)
    sandbox.forget_requests()
    store = Store()
    certificate = store.run_to_the_end(make, iter([stop_after]))
    assert store.parts == 2
    assert store.read == Counter(sandbox.ids())
    assert verify(certificate)
    assert (certificate.rows, certificate.counted) == (4_000, 4_000)
    # Requests that were under way when it was killed, and that the answers come in another order.
    assert len(sandbox.requests) <= at_once + WORKERS + 2 + 10


def test_finished_segments_make_no_request(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep]
) -> None:
    sandbox = start_sandbox(2_000)
    make = maker(sandbox)
    store = Store()
    assert store.run(make, stop_after=None) is not None
    sandbox.forget_requests()
    assert store.run(make, stop_after=None) is not None
    # The count that the certificate states, and nothing else.
    assert [request.path for request in sandbox.requests] == ["/customers/count"]
    assert store.read == Counter(sandbox.ids())


def test_no_anchor_is_read_again(start_sandbox: StartSandbox, maker: Callable[..., MakeSweep]) -> None:
    sandbox = start_sandbox(2_000)
    make = maker(sandbox, known_ids=sandbox.ids())
    store = Store()
    store.run(make, stop_after=9)
    sandbox.forget_requests()
    store.run(make, stop_after=8)
    followed = [request for request in sandbox.requests if "startingAfter" in request.query]
    assert followed == list(sandbox.requests)


@pytest.mark.parametrize("every", (1, 2, 7))
def test_killed_again_and_again(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep], every: int
) -> None:
    sandbox = start_sandbox(1_500)
    store = Store()
    certificate = store.run_to_the_end(maker(sandbox, page_size=50), repeat(every))
    assert store.read == Counter(sandbox.ids())
    assert verify(certificate)
    assert store.parts > 30 / every


def test_pages_that_were_not_stored_are_read_again(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep]
) -> None:
    sandbox = start_sandbox(3_000)
    store = Store()
    certificate = store.run_to_the_end(maker(sandbox, page_size=50), iter([8, 14, 3, 19]), batch=5)
    assert store.read == Counter(sandbox.ids())
    assert verify(certificate)


def meddled(start_sandbox: StartSandbox, maker: Callable[..., MakeSweep], seed: int) -> Counter[str]:
    """One random workspace, read in random parts while it changes, also between them."""
    source = random.Random(seed)
    customers = source.choice((2, 40, 400, 1_200, 3_000))
    sandbox = start_sandbox(generate(customers, random_seed=seed))
    kinds = tuple(kind for kind in KINDS if source.random() < 0.7)
    meddler = Meddler(sandbox, seed, kinds)
    known = source.sample(sandbox.ids(), customers // 2) if source.random() < 0.5 else ()
    make = maker(
        sandbox,
        page_size=source.choice((3, 10, 37, 100)),
        workers=source.choice((1, 2, 3, 8)),
        known_ids=known,
    )
    store = Store()
    while True:
        kill = (
            source.randrange(1, max(customers // 20, 3)) if store.parts < source.choice((1, 2, 6)) else None
        )
        try:
            certificate = store.run(make, stop_after=kill, batch=source.choice((1, 1, 4)))
        except WalkIncomplete:
            return meddler.did + Counter(incomplete=1)
        if certificate is not None:
            break
        for customer_id in source.sample(sandbox.ids(), min(len(sandbox.ids()) // 10, 30)) if kinds else ():
            sandbox.delete(customer_id)
            meddler.stayed.discard(customer_id)
    assert meddler.stayed <= set(store.read), f"seed {seed} lost {len(meddler.stayed - set(store.read))}"
    assert not store.read or max(store.read.values()) == 1, f"seed {seed} read somebody twice"
    assert verify(certificate)
    assert certificate.rows == len(store.read)
    return meddler.did + Counter(complete=1, several_parts=store.parts > 2)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(6))
def test_nobody_is_lost_in_parts_while_the_workspace_changes(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep], block: int
) -> None:
    seeds = range(10 * block, 10 * block + 10)
    did = sum((meddled(start_sandbox, maker, seed) for seed in seeds), Counter[str]())
    assert did["complete"] >= 8
    assert did["several_parts"] >= 2
    assert all(did[kind] for kind in KINDS), did


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_nobody_is_lost_in_many_more_parts(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep]
) -> None:
    did = sum((meddled(start_sandbox, maker, seed) for seed in range(1_000, 1_080)), Counter[str]())
    assert did["complete"] >= 72


@pytest.mark.parametrize("seed", range(6))
def test_replayed_events_make_the_same_territory(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep], seed: int
) -> None:
    sandbox = start_sandbox(generate(600, random_seed=seed, unreadable=seed % 3))
    Meddler(sandbox, seed, KINDS)
    make = maker(sandbox, page_size=10)
    sweep = make(replay=())
    events: list[Any] = []
    for number, _ in enumerate(chain(sweep, [None])):
        events += sweep.drain_events()
        if number % 10 == 0:
            again = make(replay=orjson.loads(orjson.dumps(events)))
            assert picture(again._territory) == picture(sweep._territory)
    assert {event[0] for event in events} >= {"expected", "settle", "take", "end", "drop"}


def test_a_front_that_is_blocked_stays_blocked(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep]
) -> None:
    dataset = generate(300, unreadable=3)
    sandbox = start_sandbox(dataset)
    readable = {row.id for row in dataset.customers if row.external_id is not None}
    store = Store()
    certificate = store.run_to_the_end(maker(sandbox, page_size=20, workers=2), iter([4, 4, 4, 4]))
    assert store.read == Counter(readable)
    assert str(certificate) == "complete except 3"


def test_the_count_of_the_beginning_is_remembered(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep]
) -> None:
    sandbox = start_sandbox(500)
    make = maker(sandbox)
    store = Store()
    store.run(make, stop_after=2)
    for customer_id in sandbox.ids()[-100:]:
        sandbox.delete(customer_id)
    sweep = make(replay=orjson.loads(store.events))
    assert sweep.expected == 500


def test_without_the_count_endpoint_too(start_sandbox: StartSandbox, maker: Callable[..., MakeSweep]) -> None:
    sandbox = start_sandbox(700)
    sandbox.inject(Fault("status", containing="/count", status=404, code="not_found", times=99))
    store = Store()
    certificate = store.run_to_the_end(maker(sandbox, page_size=20), iter([6, 6]))
    assert store.read == Counter(sandbox.ids())
    assert (verify(certificate), certificate.counted) == (True, None)
    assert sum("/count" in request.path for request in sandbox.requests) == 1


@pytest.mark.parametrize("first, second", ((700, None), (None, 700), (700, 30)))
def test_the_size_that_a_part_went_by_is_remembered(
    start_sandbox: StartSandbox,
    maker: Callable[..., MakeSweep],
    first: int | None,
    second: int | None,
) -> None:
    """What was noted of ages belongs to it: a later part may know another number, or none."""
    sandbox = start_sandbox(700)
    sandbox.inject(Fault("status", containing="/count", status=404, code="not_found", times=99))
    make = maker(sandbox, page_size=20)
    store = Store()
    assert store.run(partial(make, about=first), stop_after=12) is None
    noted = {event[0] for event in orjson.loads(store.events)}
    assert ("read" in noted) == (first is not None)
    certificate = store.run(partial(make, about=second), stop_after=None)
    assert certificate is not None
    assert verify(certificate)
    assert store.read == Counter(sandbox.ids())
    assert sum("/count" in request.path for request in sandbox.requests) == 1


def test_events_that_nobody_drains_are_not_kept(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep]
) -> None:
    sweep = maker(start_sandbox(500))()
    list(sweep)
    assert sweep.drain_events() == []


@pytest.mark.parametrize(
    "events",
    (
        [["sing", "cus_a"]],
        [["take", 0, "asc", ["cus_a"]]],
        [["settle", "cus_a"], ["end", 0, "up"]],
        [["read", ["2026-01-01"]]],
        [[]],
        [None],
    ),
)
def test_what_is_no_sweep_is_refused(
    start_sandbox: StartSandbox, maker: Callable[..., MakeSweep], events: list[Any]
) -> None:
    make = maker(start_sandbox(0))
    with pytest.raises(ValueError, match="not the events"):
        make(replay=events)
