"""The reasoning of the sweep, one rule at a time, on tables of single letters in alphabetical order."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from dub_source.walk.journal import Journal
from dub_source.walk.territory import Front, Segment, Territory


class Map:
    """A territory over the table ``a`` to ``z``, driven by hand."""

    def __init__(self, *anchors: str) -> None:
        self.journal = Journal()
        self.journal.keep()
        self.territory = Territory(self.journal)
        self.segments = {anchor: self.settle(anchor) for anchor in anchors}

    def settle(self, anchor: str) -> Segment:
        segment = self.territory.settle(anchor)
        assert segment is not None
        return segment

    def up(self, anchor: str) -> Front:
        return self.segments[anchor].fronts["asc"]

    def down(self, anchor: str) -> Front:
        return self.segments[anchor].fronts["desc"]

    def take(self, front: Front, ids: str) -> str:
        """Which of these rows of a page are new."""
        return "".join(ids[position] for position in self.territory.take(front, list(ids)))

    def lose(self, front: Front) -> None:
        """Drop cursors until the front changes its state."""
        while front.is_open():
            self.territory.drop_cursor(front)

    def chain(self) -> str | None:
        proof = self.territory.proof()
        return None if proof is None else "".join(segment.anchor for segment in proof)


def test_a_front_takes_rows_up_to_the_next_segment_and_stops() -> None:
    m = Map("c", "f")
    assert m.take(m.up("c"), "defg") == "de"
    assert m.up("c").state == "met"
    assert [segment.rows for segment in m.territory.segments] == [3, 1]


def test_the_edge_of_the_other_segment_has_nothing_left_to_find_there() -> None:
    m = Map("c", "f")
    m.take(m.up("c"), "def")
    assert m.down("f").state == "met"


def test_a_segment_that_is_met_behind_its_edge_sees_for_itself() -> None:
    m = Map("c", "f")
    m.take(m.up("f"), "gh")
    m.take(m.up("c"), "deg")  # f was deleted
    assert (m.up("c").state, m.down("f").state) == ("met", "open")


def test_a_segment_inside_of_another_closes_none_of_its_fronts() -> None:
    """A customer created behind the sweep's back, and taken for an anchor."""
    m = Map("c")
    m.take(m.up("c"), "dfg")
    m.segments["e"] = m.settle("e")
    m.take(m.up("e"), "fg")
    m.take(m.down("e"), "dc")
    assert (m.up("c").state, m.down("c").state) == ("open", "open")
    m.territory.end(m.up("c"))
    assert m.chain() is None
    m.territory.end(m.down("c"))
    assert m.chain() == "c"


def test_the_chain_needs_both_ends_and_every_link() -> None:
    m = Map("c", "f", "i")
    m.take(m.up("c"), "def")
    m.territory.end(m.down("c"))
    m.territory.end(m.up("i"))
    assert m.chain() is None
    m.take(m.down("i"), "hgf")
    assert m.chain() == "cfi"
    proof = m.territory.proof()
    assert proof is not None
    assert [(each.rows, each.below, each.above) for each in proof] == [
        (3, None, "f"),
        (1, "c", "i"),
        (3, "f", None),
    ]


def test_cursors_that_are_gone_fall_back_to_earlier_rows_then_to_those_of_the_other_front() -> None:
    m = Map("f")
    m.take(m.up("f"), "gh")
    for expected in ("g", "f"):
        m.territory.drop_cursor(m.up("f"))
        assert m.up("f").cursor == expected
    m.territory.drop_cursor(m.down("f"))
    assert m.down("f").cursor == "g"
    assert m.take(m.down("f"), "e") == "e"


def test_who_stopped_at_a_lost_segment_goes_on() -> None:
    m = Map("c", "f", "i")
    m.take(m.up("c"), "def")
    m.lose(m.up("f"))
    assert (m.up("f").state, m.up("c").state) == ("lost", "open")
    assert m.take(m.up("c"), "ghi") == "gh"
    m.territory.end(m.down("c"))
    m.territory.end(m.up("i"))
    assert m.chain() == "ci"


def test_the_same_downwards() -> None:
    m = Map("c", "f", "i")
    m.take(m.down("i"), "hgf")
    m.lose(m.down("f"))
    assert (m.down("f").state, m.down("i").state) == ("lost", "open")
    assert m.take(m.down("i"), "edc") == "ed"


def test_a_row_of_a_segment_that_is_lost_in_this_direction_stops_nobody() -> None:
    m = Map("c", "f", "i")
    m.lose(m.up("f"))
    # This page was read before f was deleted.
    assert m.take(m.up("c"), "defghi") == "degh"
    assert m.up("c").state == "met"


def test_a_segment_that_is_lost_behind_closes_nobody_in_front_of_it() -> None:
    m = Map("f", "i")
    m.lose(m.down("f"))
    m.take(m.up("f"), "ghi")
    assert m.down("i").state == "open"


def test_a_lost_front_goes_on_from_a_row_that_turns_out_to_live() -> None:
    m = Map("f")
    m.take(m.up("f"), "ghi")
    m.lose(m.down("f"))
    assert m.territory.settle("h") is None
    assert (m.down("f").state, m.down("f").cursor, m.up("f").cursor) == ("open", "h", "i")
    assert m.take(m.down("f"), "gd") == "d"


def test_doubt_opens_what_was_said_to_be_done() -> None:
    m = Map("c", "f")
    m.take(m.up("c"), "def")
    m.territory.end(m.down("c"))
    m.territory.end(m.up("f"))
    assert m.chain() == "cf"
    m.territory.doubt("ended")
    assert m.chain() is None
    m.territory.doubt("met")
    assert len(m.territory.fronts("open")) == 4


def test_nobody_is_claimed_twice_when_rows_come_again() -> None:
    m = Map("c")
    assert m.take(m.up("c"), "de") == "de"
    assert m.take(m.up("c"), "def") == "f"
    assert m.territory.rows == 4


def picture(territory: Territory) -> list[Any]:
    """Everything that a territory is, as plain values."""
    return [
        [
            segment.anchor,
            segment.rows,
            [upper.number for upper in territory._above[segment]],
            [(side, each.state, list(each.trail), each.first) for side, each in segment.fronts.items()],
        ]
        for segment in territory.segments
    ] + [{customer_id: owner.number for customer_id, owner in territory._owner.items()}]


def everything(m: Map) -> None:
    m.take(m.up("c"), "def")
    m.take(m.up("i"), "jk")
    m.territory.end(m.down("c"))


def doubted_end(m: Map) -> None:
    everything(m)
    m.territory.doubt("ended")


def doubted_links(m: Map) -> None:
    everything(m)
    m.territory.doubt("met")


def blocked(m: Map) -> None:
    m.territory.block(m.up("i"))


def lost(m: Map) -> None:
    m.take(m.up("c"), "def")
    m.lose(m.up("f"))


def found_again(m: Map) -> None:
    lost(m)
    m.territory.settle("f")


@pytest.mark.parametrize(
    "happens",
    (everything, doubted_end, doubted_links, blocked, lost, found_again),
    ids=lambda each: each.__name__,
)
def test_what_is_noted_makes_the_same_territory(happens: Callable[[Map], None]) -> None:
    m = Map("c", "f", "i")
    before = picture(m.territory)
    happens(m)
    assert picture(m.territory) != before
    m.journal.settle()
    again = Territory()
    assert all(again.replay(event) for event in orjson.loads(orjson.dumps(m.journal.drain())))
    assert picture(again) == picture(m.territory)
    assert m.journal.drain() == []


def test_what_is_not_settled_cannot_be_drained() -> None:
    m = Map("c")
    assert m.journal.drain() == []
    m.journal.settle()
    m.take(m.up("c"), "d")
    assert m.journal.drain() == [["settle", "c"]]
    m.journal.settle()
    assert m.journal.drain() == [["take", 0, "asc", ["d"]]]
