"""Chains, circles and deletes: in which order changes go, tried on a model that refuses what Dub refuses."""

import random
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dub_source.errors import SwapRefused
from dub_source.reverse.drafts import Draft
from dub_source.reverse.model import Change, Op
from dub_source.reverse.order import in_order, temporary_id
from tests.reverse.states import Model, Row, customer

PLAN = "plan_0123456789abcdef01234567"


def update(customer_id: str, before: Row, asked: Row, row: int | None = None) -> Draft:
    change = Change(0, Op.UPDATE, customer_id, external_id=f"ext-{customer_id}", asked=asked, before=before)
    return Draft(change, row)


def move(customer_id: str, before: str | None, asked: str | None, column: str = "external_id") -> Draft:
    return update(customer_id, {column: before}, {column: asked})


def create(external_id: str, **fields: str) -> Draft:
    asked = {"external_id": external_id, "country": "DE", **fields}
    return Draft(Change(0, Op.CREATE, None, external_id=external_id, asked=asked))


def delete(customer_id: str) -> Draft:
    return Draft(Change(0, Op.DELETE, customer_id))


def ordered(*drafts: Draft, allow_swaps: bool = True) -> list[Change]:
    changes = in_order(drafts, plan_id=PLAN, allow_swaps=allow_swaps)
    assert [each.number for each in changes] == list(range(len(changes)))
    for seed in range(3):
        shuffled = random.Random(seed).sample(drafts, len(drafts))
        assert in_order(shuffled, plan_id=PLAN, allow_swaps=allow_swaps) == changes
    return changes


def told(changes: list[Change]) -> list[tuple[str | None, int | None]]:
    return [(each.customer_id or each.external_id, each.chain) for each in changes]


def test_updates_then_creations_then_deletes() -> None:
    changes = ordered(delete("cus_a"), create("new"), update("cus_c", {"name": "A"}, {"name": "B"}))
    assert [each.op for each in changes] == [Op.UPDATE, Op.CREATE, Op.DELETE]
    assert {each.chain for each in changes} == {None}


def test_who_takes_a_value_goes_after_the_one_that_frees_it() -> None:
    changes = ordered(move("cus_a", "1", "2"), move("cus_b", "2", "3"), move("cus_c", "9", "8"))
    assert told(changes) == [("cus_c", None), ("cus_b", 0), ("cus_a", 0)]


def test_a_creation_waits_too() -> None:
    changes = ordered(create("1"), move("cus_z", "1", "2"))
    assert told(changes) == [("cus_z", 0), ("1", 0)]


def test_stripe_ids_link_as_external_ids_do_and_each_for_itself() -> None:
    changes = ordered(
        move("cus_a", "1", "2", "stripe_customer_id"), move("cus_b", "2", None, "stripe_customer_id")
    )
    assert told(changes) == [("cus_b", 0), ("cus_a", 0)]
    changes = ordered(move("cus_a", "1", "2", "stripe_customer_id"), move("cus_b", "2", "3"))
    assert told(changes) == [("cus_a", None), ("cus_b", None)]


def test_case_makes_no_difference_to_the_order() -> None:
    changes = ordered(move("cus_a", "1", "Foo "), move("cus_b", "foo", "2"))
    assert told(changes) == [("cus_b", 0), ("cus_a", 0)]
    assert told(ordered(move("cus_a", "foo", "FOO"))) == [("cus_a", None)]


def test_chains_are_told_apart_and_each_in_one_piece() -> None:
    changes = ordered(
        move("cus_a", "1", "2"), move("cus_b", "11", "12"), move("cus_c", "2", "3"), move("cus_d", "12", "13")
    )
    assert told(changes) == [("cus_c", 0), ("cus_a", 0), ("cus_d", 1), ("cus_b", 1)]


def test_a_swap_is_refused_unless_it_is_allowed() -> None:
    drafts = [
        update("cus_a", {"external_id": "1"}, {"external_id": "2"}, row=7),
        update("cus_b", {"external_id": "2"}, {"external_id": "1"}, row=3),
        update("cus_c", {"external_id": "3"}, {"external_id": "4"}, row=9),
    ]
    with pytest.raises(SwapRefused, match=r"2 customers \(rows 3 and 7\) exchange .* set allow_swaps"):
        ordered(*drafts, allow_swaps=False)


def test_a_swap_is_cut_through_a_value_made_of_plan_and_customer() -> None:
    first, second = {"external_id": "1", "name": "A"}, {"external_id": "2", "name": "B"}
    drafts = [update("cus_b", {"external_id": "2"}, {"external_id": "1"}), update("cus_a", first, second)]
    half, other, rest = ordered(*drafts)
    made_up = temporary_id(PLAN, "cus_a")
    assert (half.asked, half.before, half.temporary) == ({"external_id": made_up}, {"external_id": "1"}, True)
    assert (other.customer_id, other.temporary) == ("cus_b", False)
    assert (rest.asked, rest.temporary) == (second, False)
    assert rest.before == {"external_id": made_up, "name": "A"}
    assert {each.chain for each in (half, other, rest)} == {0}


def test_a_swap_of_stripe_ids_goes_through_none() -> None:
    column = "stripe_customer_id"
    half, _, rest = ordered(move("cus_a", "1", "2", column), move("cus_b", "2", "1", column))
    assert (half.asked, half.before) == ({column: None}, {column: "1"})
    assert (rest.asked, rest.before) == ({column: "2"}, {column: None})


def test_a_temporary_id_is_one_of_plan_and_customer() -> None:
    made_up = temporary_id(PLAN, "cus_a")
    assert re.fullmatch("dub-source-swap-[0-9a-f]{24}", made_up)
    assert made_up == temporary_id(PLAN, "cus_a")
    assert made_up != temporary_id(PLAN, "cus_b")
    assert made_up != temporary_id(PLAN[:-1] + "8", "cus_a")


@st.composite
def moves(draw: st.DrawFn) -> tuple[list[Row], list[Draft]]:
    """Customers who exchange external ids and Stripe ids among each other and with some that are free."""
    size = draw(st.integers(2, 9))
    known = [
        customer(f"cus_{place}", external_id=f"e{place}", stripe_customer_id=f"s{place}")
        for place in range(size)
    ]
    changed: dict[str, dict[str, Any]] = {}
    for column, letter in (("external_id", "e"), ("stripe_customer_id", "s")):
        movers = draw(st.lists(st.integers(0, size - 1), unique=True))
        pool = [f"{letter}{place}" for place in (*movers, 100, 101)]
        for place, value in zip(movers, draw(st.permutations(pool)), strict=False):
            if value != known[place][column]:
                changed.setdefault(known[place]["id"], {})[column] = value
    drafts = [
        update(row["id"], {column: row[column] for column in changed[row["id"]]}, changed[row["id"]])
        for row in known
        if row["id"] in changed
    ]
    return known, drafts


TWO_CIRCLES = (
    [customer(f"cus_{place}", external_id=f"e{place}", stripe_customer_id=f"s{place}") for place in range(3)],
    [
        update("cus_0", {"external_id": "e0"}, {"external_id": "e1"}),
        update(
            "cus_1",
            {"external_id": "e1", "stripe_customer_id": "s1"},
            {"external_id": "e0", "stripe_customer_id": "s2"},
        ),
        update("cus_2", {"stripe_customer_id": "s2"}, {"stripe_customer_id": "s1"}),
    ],
)


@given(moves())
@example(TWO_CIRCLES)
def test_no_change_ever_conflicts(case: tuple[list[Row], list[Draft]]) -> None:
    known, drafts = case
    changes = ordered(*drafts)
    model = Model(known)
    model.apply(changes)
    for draft in drafts:
        row = model.rows[draft.change.customer_id]
        assert {column: row[column] for column in draft.change.asked} == draft.change.asked
    # Nobody lets go without need: without those halves, somebody would be refused.
    halves = [each for each in changes if each.temporary]
    assert len(changes) == len(drafts) + len(halves)
    if halves:
        with pytest.raises(SwapRefused):
            ordered(*drafts, allow_swaps=False)
    else:
        assert ordered(*drafts, allow_swaps=False) == changes
    places = [each.chain for each in changes if each.chain is not None]
    assert places == sorted(places)
    assert len({each.customer_id for each in halves}) == len(halves) < max(1, len(drafts))


def test_a_long_chain_and_many_circles_take_no_time() -> None:
    line = [move(f"cus_{place:06}", f"{place}", f"{place + 1}") for place in range(20_000)]
    circles = [
        move(f"cus_x{place:06}", f"x{place}", f"x{place ^ 1}", "stripe_customer_id")
        for place in range(20_000)
    ]
    changes = in_order([*line, *circles], plan_id=PLAN, allow_swaps=True)
    assert [each.customer_id for each in changes[:20_000]] == [f"cus_{place:06}" for place in range(20_000)][
        ::-1
    ]
    assert sum(each.temporary for each in changes) == 10_000
