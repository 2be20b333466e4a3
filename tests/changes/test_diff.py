"""Which rows are new to the warehouse, compared with a plain model of the same."""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dub_source.changes import Diff, row_hashes
from tests.changes.rows import MOMENT, START, at, customer, known, table

Row = dict[str, Any]


@pytest.fixture
def diff(tmp_path: Path) -> Iterator[Diff]:
    with Diff(tmp_path / "diff", baseline="b", started_at=START) as diff:
        yield diff


def hashed(row: Row, baseline: str = "b", **fields: Any) -> Row:
    """The row as the destination has it."""
    [row_hash] = row_hashes(table([row]), baseline).to_pylist()
    return row | {"row_hash": row_hash, "deleted_at": None} | fields


def changed(diff: Diff, *rows: Row) -> list[tuple[str, Any]]:
    """Id and name of the rows that are returned."""
    result = diff.changed(table(list(rows)))
    return list(zip(result["id"].to_pylist(), result["name"].to_pylist(), strict=True))


def test_new_and_different_rows_are_returned_and_equal_ones_are_not(diff: Diff) -> None:
    same, other = customer("same", -9, name="A"), customer("other", -9, name="B")
    diff.know(known(hashed(same), hashed(other)))
    rows = [customer("new", 1, name="N"), customer("same", 1, name="A"), customer("other", 1, name="C")]
    assert changed(diff, *rows) == [("new", "N"), ("other", "C")]


def test_a_returned_row_is_whole_and_has_its_hash(diff: Diff) -> None:
    row = customer("a", 1, name="A", sales=3, amount=1.5, created_at=at(-99), tier="gold")
    result = diff.changed(table([row]))
    assert result.to_pylist() == [hashed(row)]
    assert result.schema.field("row_hash").type == pa.string()
    assert result.schema.field("deleted_at").type == MOMENT


def test_the_order_of_a_batch_is_kept(diff: Diff) -> None:
    rows = [customer(f"c{number * 7919 % 5_000:05}", 1, name="x") for number in range(5_000)]
    assert [customer_id for customer_id, _ in changed(diff, *rows)] == [row["id"] for row in rows]


def test_nothing_in_nothing_out(diff: Diff) -> None:
    diff.know(known())
    empty = diff.changed(table([], "id", "name", "name_generated", "observed_at"))
    assert empty.num_rows == 0
    assert empty.column_names == ["id", "name", "name_generated", "observed_at", "row_hash", "deleted_at"]
    assert diff.vanished() == []
    assert (diff.alive, diff.met) == (0, 0)


def test_of_a_customer_that_is_twice_in_a_batch_the_newest_reading_counts(diff: Diff) -> None:
    rows = [customer("a", 1, name="old"), customer("a", 3, name="new"), customer("a", 2, name="middle")]
    assert changed(diff, *rows) == [("a", "new")]
    assert changed(diff, customer("b", 1, name="first"), customer("b", 1, name="last")) == [("b", "last")]


def test_of_a_customer_that_is_in_two_batches_the_newest_reading_counts(diff: Diff) -> None:
    assert changed(diff, customer("a", 2, name="A")) == [("a", "A")]
    assert changed(diff, customer("a", 3, name="A")) == []
    assert changed(diff, customer("a", 4, name="B")) == [("a", "B")]
    assert changed(diff, customer("a", 3.5, name="C")) == [], "older than what is known"
    assert changed(diff, customer("a", 5, name="A")) == [("a", "A")], "back to what it was"
    assert changed(diff, customer("a", 6, name="A")) == []


def test_of_equally_new_readings_the_last_counts(diff: Diff) -> None:
    for name in "ABCA":
        assert changed(diff, customer("a", 1, name=name)) == [("a", name)]
        assert changed(diff, customer("a", 1, name=name)) == []


def test_an_unchanged_reading_is_known_to_be_newer(diff: Diff) -> None:
    diff.know(known(hashed(customer("a", -9, name="A"))))
    assert changed(diff, customer("a", 5, name="A")) == []
    assert changed(diff, customer("a", 4, name="B")) == []


def test_a_row_that_is_older_than_the_destinations_is_not_returned(diff: Diff) -> None:
    diff.know(known(hashed(customer("a", 5, name="A")), hashed(customer("b", 5, name="B"))))
    rows = [customer("a", 4, name="X"), customer("b", 5, name="Y")]
    assert changed(diff, *rows) == [("b", "Y")], "equally new: what is read again after a kill"


def test_a_row_without_a_hash_counts_as_changed_once(diff: Diff) -> None:
    diff.know(known({"id": "a"}, {"id": "b", "observed_at": at(-5)}))
    rows = [customer("a", 1, name="A"), customer("b", 1, name="B")]
    assert len(changed(diff, *rows)) == 2
    assert changed(diff, *rows) == []


def test_another_baseline_differs(diff: Diff) -> None:
    row = customer("a", -1, name="A")
    diff.know(known(hashed(row, "other")))
    assert changed(diff, row) == [("a", "A")]


def test_a_deleted_customer_that_is_read_again_comes_back_once(diff: Diff) -> None:
    row = customer("a", -5, name="A")
    diff.know(known(hashed(row, deleted_at=at(-5))))
    assert diff.alive == 0
    assert changed(diff, row | {"observed_at": at(-6)}) == [], "read before it was gone"
    assert changed(diff, row | {"observed_at": at(1)}) == [("a", "A")]
    assert changed(diff, row | {"observed_at": at(2)}) == []


def test_who_vanished_was_alive_and_observed_before_the_run_and_not_met(diff: Diff) -> None:
    rows = {
        "met": hashed(customer("met", -9, name="A")),
        "vanished": hashed(customer("vanished", -9, name="A")),
        "at the start": hashed(customer("at the start", 0, name="A")),
        "deleted": hashed(customer("deleted", -9, name="A"), deleted_at=at(-9)),
        "created by us": hashed(customer("created by us", 1, name="A")),
        "undated": {"id": "undated"},
    }
    diff.know(known(*rows.values()))
    assert diff.alive == 5
    diff.changed(table([customer("met", 1, name="A"), customer("new", 1, name="A")]))
    assert diff.vanished() == ["undated", "vanished"]
    assert diff.met == 2


def test_whoever_is_met_with_an_old_reading_has_not_vanished(diff: Diff) -> None:
    diff.know(known(hashed(customer("a", -1, name="A"))))
    assert changed(diff, customer("a", -2, name="A")) == []
    assert diff.vanished() == []


def test_whom_a_killed_part_of_the_run_met_has_not_vanished(diff: Diff) -> None:
    diff.know(known(hashed(customer("a", -9, name="A")), hashed(customer("b", -9, name="B"))))
    diff.see(["a", "new"])
    diff.see([])
    assert diff.vanished() == ["b"]
    assert (diff.met, diff.created) == (2, 1)
    assert changed(diff, customer("a", 1, name="A")) == [], "it is known as before"
    assert changed(diff, customer("a", 2, name="X"), customer("new", 1, name="N")) == [
        ("a", "X"),
        ("new", "N"),
    ]
    assert (diff.met, diff.created) == (2, 1)


def test_looking_closer_remembers_nothing(diff: Diff) -> None:
    """A made-up name is another one in every reading; it is settled before the row counts as met."""
    settled = customer("a", -9, name=None, email=None) | {"name_generated": True}
    diff.know(known(hashed(settled)))
    read = table([customer("a", 1, name="Random Otter")])
    assert diff.differing(read)["id"].to_pylist() == ["a"]
    assert diff.differing(read)["id"].to_pylist() == ["a"]
    assert diff.vanished() == ["a"]
    assert diff.changed(table([settled | {"observed_at": at(1)}])).num_rows == 0
    assert diff.vanished() == []


@pytest.mark.parametrize("kind", (pa.large_string(), pa.dictionary(pa.int32(), pa.string())))
def test_the_types_of_destinations(diff: Diff, kind: pa.DataType) -> None:
    row = customer("a", -9, name="A")
    rows = known(hashed(row))
    rows = rows.set_column(0, "id", rows["id"].cast(kind)).set_column(
        1, "row_hash", rows["row_hash"].cast(kind)
    )
    local = rows["observed_at"].cast(pa.timestamp("ns", tz="America/New_York"))
    rows = rows.set_column(2, "observed_at", local).set_column(3, "deleted_at", pa.nulls(1))
    diff.know(rows)
    assert changed(diff, row | {"observed_at": at(-10), "name": "B"}) == []
    assert changed(diff, row | {"observed_at": at(-8)}) == []
    assert changed(diff, row | {"observed_at": at(-7), "name": "B"}) == [("a", "B")]


def test_a_destination_with_a_customer_twice_is_survived(diff: Diff) -> None:
    old, new = hashed(customer("a", -9, name="A")), hashed(customer("a", -8, name="B"))
    diff.know(known(old, new, old))
    assert diff.alive == 1
    assert diff.vanished() == ["a"]
    assert changed(diff, customer("a", 1, name="B")) == []


def test_ids_that_differ_only_in_case_or_marks_are_different_customers(diff: Diff) -> None:
    ids = ["cus_a", "cus_A", "cus_á", "cus_a\u0301", "cus_a ", "", "'; DROP TABLE known; --"]
    assert changed(diff, *(customer(each, 1, name=each) for each in ids)) == [(each, each) for each in ids]


def test_what_it_remembers_is_private_and_removed(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "diff"
    with Diff(folder, baseline="b", started_at=START) as diff:
        diff.changed(table([customer("a", 1, name="Secret Person", email="secret@example.com")]))
        [inner] = folder.iterdir()
        assert stat.S_IMODE(inner.stat().st_mode) == 0o700
        files = [path for path in inner.rglob("*") if path.is_file()]
        assert files
        content = b"".join(path.read_bytes() for path in files)
        assert b"Secret" not in content
        assert b"secret@" not in content
    assert list(folder.iterdir()) == []


def test_what_a_killed_run_left_is_not_known(tmp_path: Path) -> None:
    killed = Diff(tmp_path, baseline="b", started_at=START)
    killed.know(known(hashed(customer("a", -9, name="A"))))
    killed._database.close()
    with Diff(tmp_path, baseline="b", started_at=START) as diff:
        assert changed(diff, customer("a", 1, name="A")) == [("a", "A")]


IDS = st.sampled_from(["a", "b", "c", "d", "e"])
READ = st.builds(
    customer,
    IDS,
    st.integers(-4, 8),
    name=st.sampled_from([None, "A", "B"]),
    tier=st.sampled_from([None, "A"]),
)
BATCHES = st.lists(st.lists(READ, max_size=6), max_size=5)
KNOWN = st.lists(
    st.tuples(READ, st.sampled_from(["b", "b", "old", None]), st.booleans()),
    max_size=5,
    unique_by=lambda each: str(each[0]["id"]),
)


class Model:
    """The same in plain Python."""

    def __init__(self, rows: list[Row]) -> None:
        self.last = {row["id"]: (row["observed_at"], row["row_hash"], row["deleted_at"]) for row in rows}
        self.before = rows
        self.met: set[str] = set()

    def changed(self, batch: list[Row]) -> list[Row]:
        newest: dict[str, Row] = {}
        for row in batch:
            if row["id"] not in newest or row["observed_at"] >= newest[row["id"]]["observed_at"]:
                newest[row["id"]] = row
        result = []
        for row in [row for row in batch if newest[row["id"]] is row]:
            self.met.add(row["id"])
            moment, row_hash, deleted_at = self.last.get(row["id"], (None, None, None))
            if moment is None or row["observed_at"] >= moment:
                if moment is None or deleted_at is not None or row_hash != hashed(row)["row_hash"]:
                    result.append(hashed(row))
                self.last[row["id"]] = (row["observed_at"], hashed(row)["row_hash"], None)
        return result

    def vanished(self) -> list[str]:
        return sorted(
            row["id"]
            for row in self.before
            if row["deleted_at"] is None and row["observed_at"] < START and row["id"] not in self.met
        )


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known_rows=KNOWN, batches=BATCHES)
def test_the_diff_is_its_model(
    diff: Diff, known_rows: list[tuple[Row, str | None, bool]], batches: list[list[Row]]
) -> None:
    """One diff for all examples, each with customers of its own: to open one takes longer than the rest."""
    own = uuid4().hex
    known_rows = [(row | {"id": own + row["id"]}, *rest) for row, *rest in known_rows]  # type: ignore[misc]
    batches = [[row | {"id": own + row["id"]} for row in batch] for batch in batches]
    rows = [
        hashed(row, baseline or "", deleted_at=row["observed_at"] if gone else None)
        | ({} if baseline else {"row_hash": None})
        for row, baseline, gone in known_rows
    ]
    model = Model(rows)
    alive, met = diff.alive, diff.met
    diff.know(known(*rows[:2]))
    diff.know(known(*rows[2:]))
    assert diff.alive - alive == len([row for row in rows if row["deleted_at"] is None])
    for batch in batches:
        arriving = table(batch, "id", "name", "tier", "name_generated", "observed_at")
        expected = model.changed(batch)
        assert diff.differing(arriving).num_rows == len(expected)
        assert by_name(diff.changed(arriving).to_pylist()) == by_name(expected)
        assert [each for each in diff.vanished() if each.startswith(own)] == model.vanished()
    assert diff.met - met == len(model.met)


def by_name(rows: list[Row]) -> list[Row]:
    return [{name: row[name] for name in sorted(row)} for row in rows]


def test_a_hundred_thousand_known_customers_stay_within_bounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a quarter of the usual memory, so that it has to use the disk."""
    monkeypatch.setattr("dub_source.changes.diff._MEMORY", "32MB")
    count, size = 200_000, 20_000
    make: Callable[[int, float], pa.Table] = lambda first, seconds: table(  # noqa: E731
        [
            customer(f"cus_{number * 7919 % count:07}", seconds, name="A")
            for number in range(first, first + size)
        ]
    )
    with Diff(tmp_path, baseline="b", started_at=START) as diff:
        for first in range(0, count, size):
            batch = make(first, -1)
            rows = {"row_hash": row_hashes(batch, "b"), "deleted_at": pa.nulls(size, MOMENT)}
            diff.know(pa.table({"id": batch["id"], "observed_at": batch["observed_at"], **rows}))
        for first in range(0, count - size, size):
            assert diff.changed(make(first, 1)).num_rows == 0
        assert diff.alive == count
        assert sorted(diff.vanished()) == sorted(make(count - size, 0)["id"].to_pylist())
