"""Whole plans: how they are carried out, saving meanwhile, and going on afterwards."""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

import pytest

from dub_source.client import RetryPolicy
from dub_source.errors import DestinationError, ServerError, SpoolError
from dub_source.reverse import apply as applying
from dub_source.reverse.journal import Journal
from dub_source.reverse.model import Outcome, Result
from dub_source.sandbox.faults import Fault
from dub_source.types import Page
from tests.reverse.conftest import MakeFleet
from tests.reverse.fleet import ALREADY, APPLIED, DRIFTED, NOT, PLAN, REJECTED, Fleet, after, counted, renamed

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
