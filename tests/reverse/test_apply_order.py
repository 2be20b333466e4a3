"""Changes that wait for each other: chains of external ids, and swaps."""

from dataclasses import replace

import pytest

from dub_source.reverse.journal import Journal
from dub_source.reverse.model import Change
from dub_source.sandbox.faults import Fault
from tests.reverse.conftest import MakeFleet
from tests.reverse.fleet import (
    ALREADY,
    APPLIED,
    DRIFTED,
    NOT,
    PLAN,
    REJECTED,
    Fleet,
    after,
    counted,
    external_ids,
    swap,
)


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
