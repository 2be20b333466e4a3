"""Whole plans: order, parallel work, what stops an apply, saving meanwhile, and going on afterwards."""

import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from dub_source.client import RetryPolicy
from dub_source.errors import DestinationError, RoleTooLow, ServerError, SpoolError, Unauthorized
from dub_source.reverse import apply as applying
from dub_source.reverse.journal import Journal
from dub_source.reverse.model import Change, Outcome, Result
from dub_source.sandbox.faults import Fault
from dub_source.types import Page
from tests.conftest import StartSandbox
from tests.reverse.fleet import PLAN, Fleet, after, counted, swap

MakeFleet = Callable[..., Fleet]
APPLIED, ALREADY, DRIFTED, REJECTED, NOT = (
    "applied",
    "already_applied",
    "drifted",
    "rejected",
    "not_attempted",
)


@pytest.fixture
def make_fleet(start_sandbox: StartSandbox, tmp_path: Path) -> MakeFleet:
    def make(customers: int = 12, **options: object) -> Fleet:
        return Fleet(start_sandbox(customers, **{"rate_window_s": 1.0, **options}), tmp_path)

    return make


@pytest.fixture
def fleet(make_fleet: MakeFleet) -> Fleet:
    return make_fleet()


def renamed(fleet: Fleet, count: int) -> list[Change]:
    return [fleet.update(number, each, name=f"New {number}") for number, each in enumerate(fleet.ids[:count])]


def external_ids(fleet: Fleet, *ids: str) -> list[str | None]:
    shown = fleet.shown()
    return [shown[each]["external_id"] for each in ids]


# How a plan is carried out


def test_every_kind_of_change_and_every_outcome_in_one_plan(fleet: Fleet) -> None:
    ids = fleet.ids
    changes = [
        fleet.update(0, ids[0], name="New"),
        fleet.update(1, ids[1], name="So already"),
        fleet.update(2, ids[2], name="New"),
        fleet.update(3, ids[3], email="no address"),
        fleet.update(4, ids[4], country="AQ"),
        fleet.create(5, "new-1"),
        fleet.delete(6, ids[5]),
        fleet.delete(7, ids[6]),
    ]
    fleet.sandbox.change(ids[1], name="So already")
    fleet.sandbox.change(ids[2], name="Theirs")
    fleet.sandbox.delete(ids[6])
    report = fleet.apply(changes)
    assert fleet.log.results == {
        0: APPLIED,
        1: ALREADY,
        2: DRIFTED,
        3: REJECTED,
        4: "accepted_not_applied",
        5: APPLIED,
        6: APPLIED,
        7: ALREADY,
    }
    assert {each.value: count for each, count in report.counts.items()} == counted(fleet.log.results.values())
    assert report.stopped_by is None
    assert report.requests == len(fleet.sandbox.requests)
    assert fleet.writes()[-1] == ("DELETE", ids[5], 200)
    assert not fleet.journal.exists()


def test_a_finished_plan_sends_nothing(fleet: Fleet) -> None:
    changes = renamed(fleet, 3)
    fleet.apply(changes)
    fleet.sandbox.forget_requests()
    report = fleet.apply(changes)
    assert (fleet.sandbox.requests, dict(report.counts), report.requests) == ([], {}, 0)


def test_comparing_costs_a_request_for_a_hundred_customers(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(250)
    emails = enumerate(fleet.ids)
    fleet.apply([fleet.update(number, each, email=f"new{number}@example.com") for number, each in emails])
    assert counted(fleet.log.results.values()) == {APPLIED: 250}
    assert fleet.reads() == 3
    assert len(fleet.writes()) == 250


def test_requests_overlap(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(40, latency_ms=50)
    began = time.monotonic()
    fleet.apply(renamed(fleet, 40), workers=10)
    assert time.monotonic() - began < 40 * 0.05 / 2


def test_who_was_read_long_ago_is_read_again_before_it_is_written_to(fleet: Fleet) -> None:
    second = fleet.ids[1]
    changes = renamed(fleet, 2)
    fleet.sandbox.before_request(
        after(1, lambda: fleet.sandbox.change(second, name="Theirs"), "PATCH")  # both have been read
    )
    fleet.apply(changes, workers=1, clock=lambda: time.time() + (120.0 if fleet.writes() else 0.0))
    assert fleet.log.results == {0: APPLIED, 1: DRIFTED}
    assert fleet.shown()[second]["name"] == "Theirs"


@pytest.mark.parametrize("jump_s", (-90.0, 90.0, 3_600.0))
def test_a_clock_that_jumps_on_the_way_puts_no_answer_into_the_future(
    jump_s: float, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of an answer that seems to be of the future would win against all that comes until then."""
    jumped: list[float] = []
    fleet.sandbox.before_request(after(2, lambda: jumped.append(jump_s), "PATCH"))
    clock = lambda: time.time() + sum(jumped)  # noqa: E731
    monkeypatch.setattr(fleet, "client", partial(fleet.client, clock=clock))
    moments: list[datetime] = []

    def save(outcomes: list[Outcome], pages: list[Page]) -> None:
        fleet.log.save(outcomes, pages)
        moments.extend(page.requested_at for page in pages)
        moments.extend(each.requested_at for each in outcomes if each.requested_at is not None)

    fleet.apply(renamed(fleet, 3), workers=1, clock=clock, save=save)
    assert jumped == [jump_s]
    assert len(moments) == 6
    told = [(datetime.now(UTC) - each).total_seconds() for each in moments]
    assert min(told) > -20, told
    # But for the request under way, all are right, too.
    assert sum(each < 20 for each in told) >= 4, told


def test_deletes_come_last_of_all(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(30, latency_ms=5)
    ids = fleet.ids
    changes = [fleet.delete(number, each) for number, each in enumerate(ids[:10])]
    changes += [fleet.update(number, ids[number], name="New") for number in range(10, 30)]
    fleet.apply(changes, workers=8)
    methods = [method for method, _, _ in fleet.writes()]
    assert methods == ["PATCH"] * 20 + ["DELETE"] * 10


def test_the_observer_sees_it_grow(fleet: Fleet) -> None:
    told: list[object] = []

    class Observer:
        def begins(self, changes: int, requests_per_s: float | None) -> None:
            told.append((changes, requests_per_s, threading.current_thread() is threading.main_thread()))

        def settled(self, counts: Mapping[Result, int]) -> None:
            told.append(sum(counts.values()))

    fleet.apply(renamed(fleet, 5), observer=Observer())
    assert told[0] == (5, None, True)
    assert told[-1] == 5


# Chains and swaps


def shift(fleet: Fleet, *, chain: int = 0) -> list[Change]:
    """Everybody gets the external id of the next one, the last one a new one; from the last on."""
    ids = fleet.ids
    names = [fleet.shown()[each]["external_id"] for each in ids]
    wanted = [*names[1:], "the-end"]
    order = reversed(range(len(ids)))
    return [
        fleet.update(number, ids[place], external_id=wanted[place], chain=chain)
        for number, place in enumerate(order)
    ]


def test_a_chain_goes_in_order(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(25, latency_ms=2)
    changes = shift(fleet)
    fleet.apply(changes, workers=8)
    assert counted(fleet.log.results.values()) == {APPLIED: 25}
    assert [status for _, _, status in fleet.writes()] == [200] * 25


def test_a_chain_that_is_longer_than_a_reading(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(230)
    fleet.apply(shift(fleet))
    assert counted(fleet.log.results.values()) == {APPLIED: 230}
    assert fleet.reads() == 3


def test_many_chains_cost_no_reading_each(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(200)
    ids, changes = fleet.ids, []
    for number in range(0, 200, 2):
        one, other = ids[number], ids[number + 1]
        theirs = fleet.shown()[other]["external_id"] if number < 4 else f"e{number}"
        changes += [
            fleet.update(number, other, external_id=f"f{number}", chain=number),
            fleet.update(number + 1, one, external_id=theirs, chain=number),
        ]
    fleet.apply(changes, workers=8)
    assert counted(fleet.log.results.values()) == {APPLIED: 200}
    assert fleet.reads() == 2


def test_a_broken_link_takes_nothing_from_anybody(fleet: Fleet) -> None:
    """Dub refuses the first change, so nobody lets go of anything."""
    changes = shift(fleet)[-4:]
    holder = changes[0].customer_id or ""
    before = fleet.shown()
    fleet.sandbox.inject(Fault("status", "PATCH", holder, status=422, code="unprocessable_entity"))
    fleet.apply(changes)
    assert fleet.log.results == {each.number: REJECTED for each in changes}
    assert fleet.shown() == before
    assert {each.code for each in fleet.log.outcomes.values()} == {"unprocessable_entity", "conflict"}


def test_after_a_drifted_link_the_next_may_still_work(fleet: Fleet) -> None:
    changes = shift(fleet)[:3]
    fleet.sandbox.change(changes[0].customer_id or "", external_id="theirs")
    fleet.apply(changes)
    assert fleet.log.results == {0: DRIFTED, 1: APPLIED, 2: APPLIED}


def test_after_a_link_that_could_not_be_settled_the_rest_waits(fleet: Fleet) -> None:
    changes = shift(fleet)[:3]
    first = changes[0].customer_id or ""
    fleet.sandbox.inject(Fault("status", "PATCH", first, times=100, status=500))
    fleet.apply(changes)
    assert fleet.log.results == {0: NOT, 1: NOT, 2: NOT}
    assert fleet.log.outcomes[1].reason == (
        "It waits for another change of the plan that could not be settled yet."
    )
    fleet.sandbox.clear_faults()
    fleet.apply(changes)
    assert fleet.log.results == {0: APPLIED, 1: APPLIED, 2: APPLIED}


def test_two_customers_swap_their_external_ids(fleet: Fleet) -> None:
    one, other = fleet.ids[:2]
    changes = swap(fleet, one, other, name="New")
    was = external_ids(fleet, one, other)
    fleet.apply(changes)
    assert fleet.log.results == {0: APPLIED, 1: APPLIED, 2: APPLIED}
    assert external_ids(fleet, one, other) == was[::-1]
    assert fleet.shown()[one]["name"] == "New"
    # Both halves in one load, and the customer once in it, as it is in the end.
    assert fleet.log.rows[one]["externalId"] == was[1]
    fleet.log.outcomes.clear()
    fleet.sandbox.forget_requests()
    fleet.apply(changes, fresh=True)
    assert fleet.log.results == {0: ALREADY, 1: ALREADY, 2: ALREADY}
    assert fleet.writes() == []


@pytest.mark.parametrize("fresh", (False, True))
@pytest.mark.parametrize("done", (1, 2))
def test_half_a_swap_is_recognised_and_ended(fleet: Fleet, done: int, fresh: bool) -> None:
    one, other = fleet.ids[:2]
    changes = swap(fleet, one, other)
    was = external_ids(fleet, one, other)
    fleet.apply(changes[:done])
    fleet.log.outcomes.clear()
    if not fresh:
        with Journal(fleet.folder / "journal", PLAN) as journal:
            journal.sending(0)
    fleet.sandbox.forget_requests()
    fleet.apply(changes, fresh=fresh)
    assert external_ids(fleet, one, other) == was[::-1]
    assert fleet.log.results[0] == (ALREADY if fresh else APPLIED)
    assert fleet.log.results[2] == APPLIED
    assert len(fleet.writes()) == 3 - done


def test_a_swap_that_fails_gives_back_what_was_there(fleet: Fleet) -> None:
    one, other = fleet.ids[:2]
    changes = swap(fleet, one, other)
    was = external_ids(fleet, one, other)
    # The other one will not let go.
    fleet.sandbox.inject(
        Fault("status", "PATCH", other, status=422, code="unprocessable_entity", message="No.")
    )
    fleet.apply(changes)
    assert fleet.log.results == {0: APPLIED, 1: REJECTED, 2: REJECTED}
    assert fleet.log.outcomes[2].reason == (
        "Another customer has this external_id already. "
        "The customer has again the value that it had before the swap."
    )
    assert fleet.log.outcomes[2].attempts == 2
    assert external_ids(fleet, one, other) == was
    assert fleet.log.rows[one]["externalId"] == was[0]


def test_a_temporary_value_that_stays_is_told(fleet: Fleet) -> None:
    """Tracking takes the freed external id for a new customer before its turn comes."""
    one, other = fleet.ids[:2]
    changes = swap(fleet, one, other)
    theirs = external_ids(fleet, other)[0]
    fleet.sandbox.before_request(after(3, lambda: fleet.sandbox.insert(external_id=theirs), "PATCH"))
    fleet.apply(changes)
    assert fleet.log.results == {0: APPLIED, 1: APPLIED, 2: REJECTED}
    assert "keeps the temporary value" in (fleet.log.outcomes[2].reason or "")
    assert external_ids(fleet, one) == [changes[0].asked["external_id"]]


@pytest.mark.parametrize("refused", (True, False))
def test_what_fails_in_a_swap_beside_the_swap_does_not_hold_it_up(fleet: Fleet, refused: bool) -> None:
    """A name that Dub refuses, or that somebody changes in between: the ids are where they belong."""
    one, other = fleet.ids[:2]
    fleet.sandbox.change(one, name="Old")
    changes = swap(fleet, one, other, name="x" * 200 if refused else "New")
    was = external_ids(fleet, one, other)
    if not refused:
        fleet.sandbox.inject(Fault("reset", "PATCH", one, skip=1))
        fleet.sandbox.before_request(after(3, lambda: fleet.sandbox.change(one, name="Theirs"), "PATCH"))
    fleet.apply(changes)
    assert fleet.log.results == {0: APPLIED, 1: APPLIED, 2: REJECTED if refused else DRIFTED}
    assert (fleet.log.outcomes[2].reason or "").endswith("and nothing else of this change.")
    assert external_ids(fleet, one, other) == was[::-1]
    assert fleet.shown()[one]["name"] == ("Old" if refused else "Theirs")
    assert fleet.log.rows[one]["externalId"] == was[1]


@pytest.mark.parametrize("planned_on", ("the first half", "the mirror"))
def test_nobody_has_drifted_because_a_first_half_failed(fleet: Fleet, planned_on: str) -> None:
    one, other = fleet.ids[:2]
    changes = swap(fleet, one, other)
    was = external_ids(fleet, one, other)
    if planned_on == "the mirror":
        changes[2] = replace(changes[2], before={"external_id": was[0]})
    fleet.sandbox.inject(Fault("status", "PATCH", one, status=422, code="unprocessable_entity"))
    fleet.apply(changes)
    assert fleet.log.results == {0: REJECTED, 1: REJECTED, 2: REJECTED}
    fleet.log.outcomes.clear()
    fleet.apply(changes)
    assert fleet.log.results == {0: APPLIED, 1: APPLIED, 2: APPLIED}
    assert external_ids(fleet, one, other) == was[::-1]


def test_a_swap_that_could_not_be_ended_is_not_begun(fleet: Fleet) -> None:
    one, other = fleet.ids[:2]
    changes = swap(fleet, one, other, name="New")
    was = external_ids(fleet, one, other)
    fleet.sandbox.change(one, name="Theirs")
    fleet.apply(changes)
    assert fleet.log.results == {0: DRIFTED, 1: REJECTED, 2: DRIFTED}
    assert external_ids(fleet, one, other) == was


def test_stripe_ids_are_swapped_through_null(fleet: Fleet) -> None:
    one, other = fleet.ids[:2]
    fleet.sandbox.change(one, stripe_customer_id="cus_A")
    fleet.sandbox.change(other, stripe_customer_id="cus_B")
    changes = [
        fleet.update(0, one, stripe_customer_id=None, chain=0, temporary=True),
        fleet.update(1, other, stripe_customer_id="cus_A", chain=0),
        fleet.update(2, one, stripe_customer_id="cus_B", chain=0, before={"stripe_customer_id": None}),
    ]
    fleet.sandbox.inject(Fault("after_commit", "PATCH", skip=1))
    fleet.apply(changes)
    assert fleet.log.results == {0: APPLIED, 1: APPLIED, 2: APPLIED}
    assert [fleet.shown()[each]["stripe_customer_id"] for each in (one, other)] == ["cus_B", "cus_A"]


# What stops an apply


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


# Saving


def test_outcomes_are_saved_while_others_are_sent(
    make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "SAVE_EVERY", 10)
    fleet = make_fleet(100, latency_ms=10)
    sent_during: list[int] = []

    def save(outcomes: list[Outcome], pages: list[Page]) -> None:
        before = len(fleet.writes())
        time.sleep(0.1)
        sent_during.append(len(fleet.writes()) - before)
        fleet.log.save(outcomes, pages)

    fleet.apply(renamed(fleet, 100), save=save)
    assert len(fleet.log.saves) >= 3
    assert sum(count for count, _ in fleet.log.saves) == 100
    assert max(sent_during[:-1]) > 10
    assert counted(fleet.log.results.values()) == {APPLIED: 100}


def test_what_could_not_be_saved_is_saved_by_the_next_apply(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(30)
    changes = [*renamed(fleet, 20), fleet.create(20, "new-1"), fleet.delete(21, fleet.ids[25])]

    def fail(_outcomes: list[Outcome], _pages: list[Page]) -> None:
        raise DestinationError("The disk of the destination is full.")

    with pytest.raises(DestinationError):
        fleet.apply(changes, save=fail)
    assert fleet.journal.exists()
    fleet.sandbox.forget_requests()
    report = fleet.apply(changes)
    assert counted(fleet.log.results.values()) == {APPLIED: 22}
    assert report.counts == {Result.APPLIED: 22}
    assert fleet.writes() == []
    # The rows of the customers come with them, read again, a hundred in a request.
    assert len(fleet.log.rows) == 21
    assert fleet.reads() == 1
    assert not fleet.journal.exists()


def test_a_save_that_fails_in_the_middle_stops_it(
    make_fleet: MakeFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applying, "SAVE_EVERY", 5)
    fleet = make_fleet(100, latency_ms=10)
    changes = renamed(fleet, 100)

    calls = []

    def fail(outcomes: list[Outcome], _pages: list[Page]) -> None:
        calls.append(len(outcomes))
        raise DestinationError("Full.")

    with pytest.raises(DestinationError):
        fleet.apply(changes, save=fail)
    assert len(calls) == 1, "what failed is not tried a second time on the way out"
    written = len(fleet.writes())
    assert written < 60
    fleet.apply(changes)
    assert counted(fleet.log.results.values()) == {APPLIED: 100}
    assert len(fleet.writes()) == 100


def test_recovered_outcomes_wait_if_dub_cannot_be_asked(fleet: Fleet) -> None:
    changes = renamed(fleet, 4)

    def fail(_outcomes: list[Outcome], _pages: list[Page]) -> None:
        raise DestinationError("Full.")

    with pytest.raises(DestinationError):
        fleet.apply(changes[:2], save=fail)
    fleet.sandbox.inject(Fault("status", status=500, skip=1, times=100))
    report = fleet.apply(changes)
    assert isinstance(report.stopped_by, ServerError)
    assert fleet.log.results == {2: NOT, 3: NOT}
    fleet.sandbox.clear_faults()
    fleet.apply(changes)
    assert fleet.log.results == {0: APPLIED, 1: APPLIED, 2: APPLIED, 3: APPLIED}
    assert len(fleet.writes()) == 4


def test_nothing_is_sent_without_a_journal(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Journal, _number: int) -> None:
        raise SpoolError("The disk is full.")

    monkeypatch.setattr(Journal, "sending", refuse)
    report = fleet.apply(renamed(fleet, 12))
    assert isinstance(report.stopped_by, SpoolError)
    assert fleet.writes() == []
    assert counted(fleet.log.results.values()) == {NOT: 12}


def test_what_goes_wrong_in_our_own_code_is_raised_after_saving(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled, calls = Journal.settled, [0]

    def stumble(self: Journal, outcome: Outcome) -> None:
        calls[0] += 1
        if calls[0] == 3:
            raise ZeroDivisionError
        settled(self, outcome)

    monkeypatch.setattr(Journal, "settled", stumble)
    changes = renamed(fleet, 12)
    with pytest.raises(ZeroDivisionError):
        fleet.apply(changes, workers=1)
    assert counted(fleet.log.results.values()) == {APPLIED: 3, NOT: 9}
    monkeypatch.undo()
    fleet.apply(changes)
    assert len(fleet.writes()) == 12


# Trying the rejected again


def test_only_the_rejected_are_tried_again(fleet: Fleet) -> None:
    changes = renamed(fleet, 6)
    refusal = Fault("status", "PATCH", times=2, status=422, code="unprocessable_entity")
    fleet.sandbox.inject(refusal)
    fleet.apply(changes[:4], workers=1)
    assert fleet.log.results == {0: REJECTED, 1: REJECTED, 2: APPLIED, 3: APPLIED}
    fleet.apply(changes, retry_rejected=True)
    assert fleet.log.results == {0: APPLIED, 1: APPLIED, 2: APPLIED, 3: APPLIED}
    assert fleet.log.outcomes[0].attempts == 2
    fleet.apply(changes)
    assert counted(fleet.log.results.values()) == {APPLIED: 6}
    assert len(fleet.writes()) == 8


def test_a_retry_that_was_killed_is_looked_up(fleet: Fleet) -> None:
    changes = renamed(fleet, 1)
    fleet.sandbox.inject(Fault("status", "PATCH", status=422, code="unprocessable_entity"))
    fleet.apply(changes)
    with Journal(fleet.folder / "journal", PLAN) as journal:
        journal.sending(0)
    fleet.sandbox.change(fleet.ids[0], name="New 0")
    fleet.apply(changes)
    assert fleet.log.results == {0: APPLIED}
    assert len(fleet.writes()) == 1


def test_the_destination_knows_better_than_an_old_journal(fleet: Fleet) -> None:
    """Killed here, ended on another machine; then here once more."""
    changes = renamed(fleet, 2)
    with Journal(fleet.folder / "journal", PLAN) as journal:
        journal.sending(0)
        journal.settled(Outcome(1, Result.REJECTED, fleet.ids[1], 422))
    held = fleet.journal.read_bytes()
    fleet.apply(changes, fresh=True)
    fleet.sandbox.change(fleet.ids[0], name="Later")
    fleet.journal.parent.mkdir(exist_ok=True)
    fleet.journal.write_bytes(held)
    fleet.apply(changes)
    assert fleet.log.results == {0: APPLIED, 1: APPLIED}
    assert not fleet.journal.exists()


def test_a_rate_limit_only_slows_it_down(make_fleet: MakeFleet) -> None:
    fleet = make_fleet(60, rate_limit=30, rate_window_s=0.5)
    fleet.settings = type(fleet.settings)(
        api_key=fleet.sandbox.key(), base_url=fleet.sandbox.url, rate_window_s=0.5, max_rate_share=1.0
    )
    policy = RetryPolicy(initial_wait_s=0.001, max_wait_s=0.002)
    fleet.apply(renamed(fleet, 60), policy=policy, workers=8)
    assert counted(fleet.log.results.values()) == {APPLIED: 60}
    assert sum(status == 200 for _, _, status in fleet.writes()) == 60
