"""What stops an apply, and what becomes of what is under way then."""

import signal
import threading
import time

import pytest

from dub_source.client import RetryPolicy
from dub_source.errors import RoleTooLow, Unauthorized
from dub_source.sandbox.faults import Fault
from tests.reverse.conftest import MakeFleet
from tests.reverse.fleet import (
    ALREADY,
    APPLIED,
    NOT,
    REJECTED,
    Fleet,
    after,
    counted,
    external_ids,
    renamed,
    swap,
)


def test_a_revoked_key_stops_at_once(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(60, latency_ms=5)
    changes = [*renamed(fleet, 50), fleet.delete(50, fleet.ids[55])]
    fleet.sandbox.before_request(after(11, lambda: fleet.sandbox.revoke(fleet.sandbox.key())))
    report = fleet.apply(changes, workers=4)
    assert isinstance(report.stopped_by, Unauthorized)
    refused = sum(status == 401 for _, _, status in fleet.writes())
    applied = sum(status == 200 for _, _, status in fleet.writes())
    assert counted(fleet.log.results.values()) == {APPLIED: applied, NOT: 51 - applied}
    assert applied in range(6, 11)
    assert refused in range(1, 5)
    assert fleet.log.outcomes[50].reason == (
        "The apply ended before it was sent: Dub does not know this API key."
    )


def test_a_role_that_may_not_write(fleet: Fleet) -> None:
    fleet.settings = type(fleet.settings)(api_key=fleet.sandbox.key("viewer"), base_url=fleet.sandbox.url)
    report = fleet.apply(renamed(fleet, 12), workers=2)
    assert isinstance(report.stopped_by, RoleTooLow)
    assert counted(fleet.log.results.values()) == {NOT: 12}
    assert 1 <= len(fleet.writes()) <= 2


def test_one_change_that_always_fails_blocks_no_others(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(30)
    changes = renamed(fleet, 30)
    for each in fleet.ids[0:14:2]:  # never two in a row, and more than an outage would need
        fleet.sandbox.inject(Fault("status", "PATCH", each, times=1_000, status=500))
    report = fleet.apply(changes, workers=1)
    assert report.stopped_by is None
    assert counted(fleet.log.results.values()) == {APPLIED: 23, NOT: 7}


@pytest.mark.parametrize(
    "fault",
    (Fault("status", "PATCH", skip=5, times=10_000, status=503), Fault("reset", skip=12, times=10_000)),
    ids=("writes", "everything"),
)
def test_an_outage_stops_before_all_changes_have_met_it(make_fleet: MakeFleet, fault: Fault) -> None:
    fleet = make_fleet(100)
    changes = renamed(fleet, 100)
    fleet.sandbox.inject(fault)
    report = fleet.apply(changes, workers=2)
    assert report.stopped_by is not None
    results = counted(fleet.log.results.values())
    assert results.keys() == {APPLIED, NOT}
    attempted = sum(each.attempts > 0 for each in fleet.log.outcomes.values())
    assert attempted < 25
    fleet.sandbox.clear_faults()
    fleet.apply(changes, fresh=True)
    assert counted(fleet.log.results.values()).keys() <= {APPLIED, ALREADY}
    assert {each["name"] for each in fleet.shown().values()} == {f"New {number}" for number in range(100)}


def test_a_proxy_that_refuses_everything_stops_it(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(60)
    fleet.sandbox.inject(Fault("status", "PATCH", status=413, code="too_large", times=1_000))
    report = fleet.apply(renamed(fleet, 60), workers=2)
    assert report.stopped_by is not None
    assert counted(fleet.log.results.values())[REJECTED] < 10


@pytest.mark.parametrize("number", (signal.SIGINT, signal.SIGTERM), ids=("SIGINT", "SIGTERM"))
def test_an_interrupt_ends_what_is_under_way_and_saves_everything(
    make_fleet: MakeFleet, number: signal.Signals
) -> None:
    fleet = make_fleet(40, latency_ms=20)
    changes = renamed(fleet, 40)

    class Ended(BaseException):
        pass

    def end(*_: object) -> None:
        raise Ended

    before = signal.signal(number, end)
    main = threading.main_thread().ident
    assert main is not None
    fleet.sandbox.before_request(after(9, lambda: signal.pthread_kill(main, number)))
    try:
        with pytest.raises(Ended):
            fleet.apply(changes, workers=3)
    finally:
        signal.signal(number, before)
    fleet.sandbox.before_request(None)
    results = fleet.log.results
    assert len(results) == 40
    written = {what for _, what, status in fleet.writes() if status == 200}
    assert len(written) in range(8, 20)
    applied = {changes[each].customer_id for each, result in results.items() if result == APPLIED}
    assert applied == written
    assert not fleet.journal.exists()
    fleet.apply(changes)
    assert counted(fleet.log.results.values()) == {APPLIED: 40}
    assert len(fleet.writes()) == 40


def test_an_interrupt_ends_the_waiting_for_a_change_that_fails(fleet: Fleet) -> None:
    patient = RetryPolicy(initial_wait_s=20.0, max_wait_s=20.0, jitter=0.0)
    fleet.sandbox.inject(Fault("status", "PATCH", times=100, status=500))
    main = threading.main_thread().ident
    assert main is not None
    fleet.sandbox.before_request(
        after(1, lambda: threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start())
    )
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fleet.apply(renamed(fleet, 4), policy=patient, workers=1)
    assert time.monotonic() - began < 10.0
    assert len(fleet.writes()) == 1
    assert counted(fleet.log.results.values()) == {NOT: 4}
    assert [each.attempts for _, each in sorted(fleet.log.outcomes.items())] == [1, 0, 0, 0]


def test_a_swap_under_way_is_ended_before_an_interrupt_gets_its_way(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(20, latency_ms=30)
    one, other = fleet.ids[:2]
    changes = swap(fleet, one, other)
    changes += [fleet.update(number, fleet.ids[number], name="New", chain=0) for number in range(3, 20)]
    was = external_ids(fleet, one, other)
    main = threading.main_thread().ident
    assert main is not None
    fleet.sandbox.before_request(after(1, lambda: signal.pthread_kill(main, signal.SIGINT), "PATCH"))
    with pytest.raises(KeyboardInterrupt):
        fleet.apply(changes)
    assert external_ids(fleet, one, other) == was[::-1]
    assert counted(fleet.log.results.values()) == {APPLIED: 3, NOT: 17}


def test_who_does_not_wait_finds_it_in_the_journal(make_fleet: MakeFleet) -> None:
    """A second Ctrl-C, while a request is under way that takes long."""
    fleet = make_fleet(6)
    changes = renamed(fleet, 6)
    main = threading.main_thread().ident
    assert main is not None
    fleet.sandbox.inject(Fault("stall", "PATCH", skip=2, seconds=0.6))

    def interrupt_twice() -> None:
        signal.pthread_kill(main, signal.SIGINT)
        threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT)).start()

    fleet.sandbox.before_request(after(3, interrupt_twice))
    with pytest.raises(KeyboardInterrupt):
        fleet.apply(changes, workers=1)
    fleet.sandbox.before_request(None)
    assert fleet.log.outcomes == {}
    assert fleet.journal.exists()
    time.sleep(0.6)
    fleet.apply(changes)
    assert counted(fleet.log.results.values()) == {APPLIED: 6}
    assert len(fleet.writes()) == 6
