"""What a plan does about rows that differ, are missing, or are to go."""

import stat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dub_source.errors import PlanRefused
from dub_source.reverse.model import Change, Op
from dub_source.reverse.planning import Planned, plan_changes
from dub_source.reverse.push_tables import SETTLED
from dub_source.reverse.sync_file import Sync
from tests.reverse.states import START, Row, customer, desired, mirror

ANN = customer("cus_a", name="Ann", email="ann@example.com", avatar="https://dubassets.com/a", country="US")
BOB = customer("cus_b", name="Bob", email="bob@example.com", stripe_customer_id="cus_s", country="DE")
EVE = customer("cus_e", email="eve@example.com")
NEMO = customer("cus_n")
GONE = customer("cus_g", name="Gus", external_id="gone", deleted_at=START)
EVERYBODY = (ANN, BOB, EVE, NEMO, GONE)


def plan(
    *rows: Row, known: tuple[Row, ...] = EVERYBODY, owned: list[str] | None = None, **options: Any
) -> Planned:
    settled = options.pop("settled", [])
    return plan_changes(
        Sync(table="t", **options),
        desired(*rows),
        mirror(*known),
        settled=pa.Table.from_pylist(
            [dict(zip(SETTLED.names, each, strict=True)) for each in settled], schema=SETTLED
        ),
        owned=None if owned is None else pa.array(owned, pa.string()),
    )


def counts(planned: Planned) -> tuple[int, int, int, int]:
    return planned.desired, len(planned.changes), planned.unchanged, planned.unmatched


def only(planned: Planned) -> Change:
    [change] = planned.changes
    return change


# Updates


def test_only_what_differs_is_asked_for_with_what_was_there() -> None:
    planned = plan({"key": "cus_a", "name": "Anna", "email": "ann@example.com"})
    assert only(planned) == Change(
        number=0,
        op=Op.UPDATE,
        customer_id="cus_a",
        external_id="ext-cus_a",
        asked={"name": "Anna"},
        before={"name": "Ann"},
        observed_at=START,
    )
    assert counts(planned) == (1, 1, 0, 0)


def test_every_row_is_a_change_or_unchanged_or_unmatched() -> None:
    rows = [{"key": key, "name": "Ann"} for key in ("cus_a", "cus_b", "cus_g", "cus_x")]
    planned = plan(*rows)
    assert [each.customer_id for each in planned.changes] == ["cus_b"]
    assert counts(planned) == (4, 1, 1, 2)
    assert planned.living == 4


def test_null_leaves_a_field_alone_unless_it_is_to_be_cleared() -> None:
    row = {"key": "cus_a", "avatar": None, "email": "ann@example.com"}
    assert not plan(row).changes
    cleared = only(plan(row, clear_nulls=("avatar",)))
    assert (cleared.asked, cleared.before) == ({"avatar": None}, {"avatar": "https://dubassets.com/a"})


@pytest.mark.parametrize("known", (EVE, NEMO))
def test_a_name_that_is_not_set_is_cleared_already(known: Row) -> None:
    """Dub shows the email in its place or, without one, a name that it makes up."""
    assert not plan({"key": known["id"], "name": None}, clear_nulls=("name",)).changes
    assert only(plan({"key": "cus_a", "name": None}, clear_nulls=("name",))).asked == {"name": None}


def test_a_name_that_may_only_be_the_email_is_written_when_the_email_changes() -> None:
    change = only(plan({"key": "cus_e", "name": "eve@example.com", "email": "eve@example.org"}))
    assert change.asked == {"name": "eve@example.com", "email": "eve@example.org"}
    change = only(plan({"key": "cus_e", "email": "eve@example.org"}))
    assert change.asked == {"email": "eve@example.org"}


def test_what_was_asked_and_answered_once_is_no_change() -> None:
    row = {"key": "cus_a", "avatar": "https://example.com/a.png"}
    was = ("cus_a", "avatar", "https://example.com/a.png", "https://dubassets.com/a")
    assert only(plan(row)).asked == {"avatar": "https://example.com/a.png"}
    assert not plan(row, settled=[was]).changes
    for other in (
        ("cus_b", *was[1:]),
        (*was[:2], "https://example.com/b.png", was[3]),
        (*was[:3], "https://dubassets.com/b"),
        (*was[:3], None),
    ):
        assert plan(row, settled=[other]).changes, "asked or answered otherwise"


def test_country_is_sent_to_those_who_exist_only_to_try_it() -> None:
    row = {"key": "cus_a", "name": "Anna", "country": "FR"}
    assert only(plan(row)).asked == {"name": "Anna"}
    assert only(plan(row, try_ignored=True)).asked == {"name": "Anna", "country": "FR"}
    was = ("cus_a", "country", "FR", "US")
    assert only(plan(row, try_ignored=True, settled=[was])).asked == {"name": "Anna"}


def test_texts_are_compared_byte_by_byte() -> None:
    row = {"key": "cus_a", "name": "ann", "email": "ann@example.com "}
    with pytest.raises(PlanRefused, match="The email in row 1 is no email address"):
        plan(row)
    assert only(plan({"key": "cus_a", "name": "ann"})).asked == {"name": "ann"}
    assert counts(plan({"key": "CUS_A", "name": "ann"}))[3] == 1


def test_the_external_id_names_customers_too() -> None:
    change = only(plan({"key": "ext-cus_b", "name": "Rob"}, key="external_id"))
    assert (change.customer_id, change.external_id) == ("cus_b", "ext-cus_b")
    same = {"key": "ext-cus_b", "name": "Rob", "external_id": "ext-cus_b"}
    assert only(plan(same, key="external_id")).asked == {"name": "Rob"}


def test_a_mirror_without_some_columns_is_read_as_far_as_they_are_needed() -> None:
    known = [table.select(["id", "external_id", "name"]) for table in mirror(ANN, GONE)]
    planned = plan_changes(Sync(table="t"), desired({"key": "cus_a", "name": "Anna"}), known)
    assert (only(planned).before, only(planned).observed_at) == ({"name": "Ann"}, None)
    with pytest.raises(PlanRefused, match="does not hold email as Dub does"):
        plan_changes(Sync(table="t"), desired({"key": "cus_a", "email": "a@example.com"}), known)
    with pytest.raises(PlanRefused, match="does not hold name as Dub does"):
        plan_changes(Sync(table="t"), desired({"key": "cus_a", "name": "A"}), known, hidden={"name"})


# Creations


def test_upsert_creates_whom_it_does_not_find() -> None:
    rows: list[Row] = [
        {"key": "new", "name": "Neu", "country": "DE", "stripe_customer_id": None},
        {"key": "ext-cus_a", "name": "Anna", "country": "FR"},
        {"key": "gone", "name": None, "country": "US"},
    ]
    planned = plan(*rows, key="external_id", sync_mode="upsert")
    update, again, new = planned.changes
    assert (update.op, update.asked) == (Op.UPDATE, {"name": "Anna"})
    assert again == Change(
        1, Op.CREATE, None, external_id="gone", asked={"external_id": "gone", "country": "US"}
    )
    assert new.asked == {"external_id": "new", "name": "Neu", "country": "DE"}
    assert counts(planned) == (3, 3, 0, 0)


def test_create_leaves_those_alone_who_exist() -> None:
    rows = [{"key": key, "name": "New", "country": "DE"} for key in ("ext-cus_a", "new")]
    planned = plan(*rows, key="external_id", sync_mode="create")
    assert only(planned).external_id == "new"
    assert counts(planned) == (2, 1, 1, 0)


def test_update_creates_nobody_unless_op_says_so() -> None:
    rows: list[Row] = [
        {"key": "x", "country": "DE", "op": None, "name": "X"},
        {"key": "y", "country": "DE", "op": "create"},
    ]
    planned = plan(*rows, key="external_id")
    assert only(planned).external_id == "y"
    assert counts(planned) == (2, 1, 0, 1)


def test_op_update_creates_nobody_in_any_mode() -> None:
    for sync_mode in ("upsert", "create", "mirror"):
        rows = [{"key": key, "name": "X", "op": "update", "country": "DE"} for key in ("ext-cus_a", "new")]
        planned = plan(*rows, key="external_id", sync_mode=sync_mode)
        assert only(planned).asked == {"name": "X"}
        assert counts(planned) == (2, 1, 0, 1)


# Deletes


def test_nothing_is_deleted_unless_the_mode_or_op_asks_for_it() -> None:
    for sync_mode in ("update", "upsert", "create", "mirror"):
        planned = plan({"key": "ext-cus_a", "name": "A"}, key="external_id", sync_mode=sync_mode)
        assert Op.DELETE not in {each.op for each in planned.changes}
    change = only(plan({"key": "cus_b", "op": "delete"}))
    assert (change.op, change.customer_id, change.asked) == (Op.DELETE, "cus_b", {})


def test_a_delete_remembers_all_that_could_be_written_again() -> None:
    planned = plan({"key": "cus_b"}, {"key": "cus_x"}, {"key": "cus_g"}, sync_mode="delete")
    assert only(planned).before == {
        "name": "Bob",
        "email": "bob@example.com",
        "avatar": None,
        "external_id": "ext-cus_b",
        "stripe_customer_id": "cus_s",
        "country": "DE",
    }
    assert counts(planned) == (3, 1, 0, 2)


def test_a_mirror_deletes_whom_it_owns_and_nobody_else() -> None:
    row = {"key": "cus_a", "name": "Anna"}
    planned = plan(row, sync_mode="mirror", owned=["cus_a", "cus_b", "cus_g", "cus_unknown", "cus_b"])
    assert [(each.op, each.customer_id) for each in planned.changes] == [
        (Op.UPDATE, "cus_a"),
        (Op.DELETE, "cus_b"),
    ]
    assert counts(planned) == (1, 2, 0, 0)
    assert not [
        each for each in plan(row, sync_mode="update", owned=["cus_b"]).changes if each.op is Op.DELETE
    ]


def test_deletes_come_last() -> None:
    rows: list[Row] = [{"key": "ext-cus_a", "op": "delete"}, {"key": "new", "country": "DE", "op": "create"}]
    rows += [{"key": "ext-cus_b", "name": "Rob"}]
    planned = plan(*rows, key="external_id")
    assert [each.op for each in planned.changes] == [Op.UPDATE, Op.CREATE, Op.DELETE]
    assert [each.number for each in planned.changes] == [0, 1, 2]


# Files


def test_its_files_are_private_and_removed(tmp_path: Path) -> None:
    seen = []

    def look() -> Any:
        [folder] = tmp_path.iterdir()
        seen.append((stat.S_IMODE(folder.stat().st_mode), bool(list(folder.iterdir()))))
        yield from mirror(ANN)

    left = tmp_path / "plan"
    left.mkdir()
    (left / "of a killed one").touch()
    plan_changes(Sync(table="t"), desired({"key": "cus_a", "name": "A"}), look(), folder=tmp_path)
    assert seen == [(0o700, True)]
    assert not list(tmp_path.iterdir())
    with pytest.raises(PlanRefused):
        plan_changes(Sync(table="t"), desired({"key": None, "name": "A"}), mirror(ANN), folder=tmp_path)
    assert not list(tmp_path.iterdir())
