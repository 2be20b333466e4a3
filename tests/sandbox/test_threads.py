"""Tests may change a sandbox from their own thread while clients read: no torn page, no lost row."""

import select
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from dub_source.sandbox import Customer, Fault, Sandbox
from dub_source.sandbox.generate import generate
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect
from tests.sandbox.http_api import Api

READERS = 4


def in_threads(work: Callable[[int], object]) -> None:
    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(work, range(READERS)))


def walk(api: Api, anchor: str, doomed: set[str]) -> list[str]:
    """The exact walk, with cursors that nobody deletes; rows behind the cursor are left to the next page."""
    found = [anchor]
    for order in ("asc", "desc"):
        cursor = anchor
        while page := api.listed(startingAfter=cursor, sortOrder=order, pageSize=40).ids:
            kept = [each for each in page if each not in doomed]
            if not kept:
                break  # at most one row that is about to go, at the end of the table
            cursor = kept[-1]
            found += page[: page.index(cursor) + 1]
    return found


def test_control_operations_while_four_threads_read() -> None:
    walks = [0] * READERS
    with Sandbox(generate(600, random_seed=5), rate_limit=0) as sandbox:
        before = sandbox.ids()
        stable, doomed = before[::2], before[1::2]
        done = threading.Event()

        def read(number: int) -> None:
            with closing((api := Api(sandbox.url, sandbox.key())).connection):
                while not done.is_set() or not walks[number]:
                    found = walk(api, stable[50 * number], set(doomed))
                    assert len(found) == len(set(found))
                    assert set(stable) <= set(found)
                    walks[number] += 1

        def change() -> None:
            try:
                for number, victim in enumerate(doomed):
                    sandbox.delete(victim)
                    new = sandbox.insert(name=f"new {number}").id
                    sandbox.change(stable[number], sales=number)
                    if number % 20 == 0:
                        assert sandbox.snapshot()[new]["name"] == f"new {number}"
                        assert len(sandbox.ids()) == 600
                        assert all(request.status == 200 for request in sandbox.requests)
            finally:
                done.set()

        with ThreadPoolExecutor(1) as writer:
            changed = writer.submit(change)
            in_threads(read)
            changed.result()
        assert set(sandbox.ids()) & set(before) == set(stable)
        assert {request.status for request in sandbox.requests} == {200}
    assert min(walks) >= 1


def test_four_threads_of_one_key_get_exactly_their_limit() -> None:
    answers: list[int] = []
    with Sandbox(generate(10), rate_limit=50, clock=lambda: 1_795_318_806.0) as sandbox:

        def read(_: int) -> None:
            with closing((api := Api(sandbox.url, sandbox.key())).connection):
                answers.extend(api.listed(pageSize=1).status for _ in range(30))

        in_threads(read)
    assert sorted(answers) == [200] * 50 + [429] * 70


def test_four_threads_creating_the_same_customer_create_it_once() -> None:
    answers: list[int] = []
    with Sandbox(generate(10), rate_limit=0) as sandbox:

        def create(_: int) -> None:
            with closing((api := Api(sandbox.url, sandbox.key())).connection):
                wanted = [{"externalId": f"same {number}", "country": "US"} for number in range(20)]
                answers.extend(api.post(body).status for body in wanted)

        in_threads(create)
        assert len(sandbox.ids()) == 30
    assert sorted(answers) == [201] * 20 + [409] * 60


def test_a_hook_runs_under_the_lock(start_sandbox: StartSandbox, connect: Connect) -> None:
    """What it changes, no other thread sees half done."""
    sandbox = start_sandbox(3)
    waited: list[bool] = []

    def hook(_method: str, _target: str) -> None:
        other = threading.Thread(target=sandbox.ids)
        other.start()
        other.join(0.1)
        waited.append(other.is_alive())

    sandbox.before_request(hook)
    assert connect(sandbox).listed().status == 200
    assert waited == [True]


@pytest.mark.parametrize("stalled", (False, True))
def test_no_answer_shows_a_change_that_is_half_done(
    start_sandbox: StartSandbox, connect: Connect, monkeypatch: pytest.MonkeyPatch, stalled: bool
) -> None:
    """A request waits for the change, whether it comes during it or was there before."""
    sandbox = start_sandbox(3)
    api = connect(sandbox)
    add = sandbox.store.add
    arrived, half_done, go_on = threading.Event(), threading.Event(), threading.Event()

    def add_slowly(row: Customer) -> None:
        half_done.set()
        assert go_on.wait(10)
        add(row)

    def ask() -> None:
        api.connection.request("GET", "/customers", headers={"authorization": f"Bearer {api.key}"})

    monkeypatch.setattr(sandbox.store, "add", add_slowly)
    if stalled:
        sandbox.inject(Fault("stall", seconds=0.1))
        sandbox.before_request(lambda _method, _target: arrived.set())
        ask()
        assert arrived.wait(10)
    with ThreadPoolExecutor(1) as pool:
        inserting = pool.submit(sandbox.insert)
        assert half_done.wait(10)
        if not stalled:
            ask()
        answered, _, _ = select.select([api.connection.sock], [], [], 0.25)
        go_on.set()
        assert not answered
        assert inserting.result().id in api.connection.getresponse().read().decode()
