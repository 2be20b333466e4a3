"""What stops a plan: one sentence each, with rows, and never with what stands in them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from dub_source import errors
from dub_source.errors import OtherWorkspace, PlanRefused
from dub_source.failures import ExitCode, explain
from dub_source.reverse import guards, row_guards
from dub_source.reverse.planning import Planned, plan_changes
from dub_source.reverse.sync_file import Sync
from tests.reverse.states import START, Row, customer, desired, mirror

SECRETS = ("secret", "ext-", "@")
KNOWN = [
    customer("cus_a", stripe_customer_id="st_secret_a"),
    customer("cus_b", stripe_customer_id="st_secret_b"),
    customer("cus_c", email="secret@example.com"),
    customer("cus_g", external_id="gone", stripe_customer_id="st_secret_g", deleted_at=START),
]


def plan(*rows: Row, known: list[Row] = KNOWN, owned: Any = None, **options: Any) -> Planned:
    return plan_changes(Sync(table="t", **options), desired(*rows), mirror(*known), owned=owned)


def refusal(kind: type[PlanRefused], *rows: Row, **options: Any) -> str:
    with pytest.raises(PlanRefused) as caught:
        plan(*rows, **options)
    assert type(caught.value) is kind
    return sentence(caught.value)


def sentence(error: BaseException) -> str:
    failure = explain(error)
    assert failure.exit_code == ExitCode.STOPPED
    text = failure.sentence
    assert text.endswith(".")
    assert ". " not in text, "more than one sentence"
    assert not [each for each in SECRETS if each in text]
    return text


def stops(check: Callable[..., None], **arguments: Any) -> bool:
    try:
        check(**arguments)
    except (PlanRefused, OtherWorkspace) as error:
        sentence(error)
        return True
    return False


# Rows


def test_nothing_desired() -> None:
    for sync_mode in ("update", "mirror", "delete"):
        assert "has no rows" in refusal(errors.NothingDesired, sync_mode=sync_mode)
    assert "no column that can be written" in refusal(errors.NothingDesired, {"key": "cus_a"})


def test_keys() -> None:
    rows: list[Row] = [
        {"key": key, "name": "A"} for key in ("cus_a", None, "", "cus_b", "cus_a", "cus_x", "cus_x")
    ]
    assert "The key id is missing in rows 2 and 3," in refusal(errors.AmbiguousRows, *rows)
    rows = [row | {"row": place} for place, row in enumerate(rows, 1) if row["key"]]
    assert "same in several of rows 1, 5, 6 and 7:" in refusal(errors.AmbiguousRows, *rows)


def test_only_the_first_ten_rows_are_named() -> None:
    text = refusal(errors.AmbiguousRows, *({"key": None, "name": "A"} for _ in range(1_234)))
    assert "rows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 1,224 more," in text
    text = refusal(errors.AmbiguousRows, *({"key": None, "name": "A"} for _ in range(11)))
    assert "9, 10 and 1 more," in text


def test_a_key_that_several_customers_have() -> None:
    known = [*KNOWN, customer("cus_d", external_id="ext-cus_a")]
    text = refusal(errors.AmbiguousRows, {"key": "ext-cus_a", "name": "A"}, known=known, key="external_id")
    assert "in row 1 belongs to several customers" in text
    known[-1]["deleted_at"] = START
    assert plan({"key": "ext-cus_a", "name": "A"}, known=known, key="external_id").changes


def test_ops() -> None:
    rows: list[Row] = [{"key": "cus_a", "name": "A", "op": each} for each in ("upsert",)]
    assert "The op in row 1 is none of" in refusal(errors.BadValues, *rows)
    rows = [{"key": "cus_a", "op": None}, {"key": "cus_b", "op": "update"}]
    assert "the op in row 2 asks for something else" in refusal(errors.BadValues, *rows, sync_mode="delete")
    rows = [{"key": "cus_new", "op": "create", "country": "DE"}]
    assert "The op in row 1 asks for new customers" in refusal(errors.AmbiguousRows, *rows)


def test_an_external_id_that_is_not_the_key() -> None:
    rows: list[Row] = [
        {"key": f"ext-cus_{each}", "external_id": f"ext-cus_{other}", "name": "A"}
        for each, other in ("aa", "bx")
    ]
    assert "external_id in row 2 differs from the key" in refusal(errors.BadValues, *rows, key="external_id")


# Values


def test_values_that_dub_refuses() -> None:
    rows: list[Row] = [
        {"key": "cus_a", "email": "secret"},
        {"key": "cus_b", "email": "b@example.com"},
        {"key": "cus_c", "email": "secret 2"},
    ]
    text = refusal(errors.BadValues, *rows)
    assert "The email in rows 1 and 3 is no email address that Dub accepts:" in text
    rows[1] |= {"email": "", "name": "secret" * 40}
    text = refusal(errors.BadValues, *rows)
    assert "rows 1 and 3 is no email address that Dub accepts (rows with other faults: 1):" in text


def test_what_is_not_sent_is_not_looked_at() -> None:
    known = [customer("cus_a", email="no address")]
    assert not plan(
        {"key": "cus_a", "email": "no address"}, {"key": "cus_x", "email": "x"}, known=known
    ).changes


def test_nobody_is_created_without_a_country() -> None:
    for rows in ([{"key": "new", "name": "A"}], [{"key": "new", "country": None}]):
        text = refusal(errors.BadValues, *rows, key="external_id", sync_mode="upsert")
        assert "The country in row 1 is null, and Dub creates no customer without a country" in text


# Claims


@pytest.mark.parametrize("column", ("external_id", "stripe_customer_id"))
def test_two_rows_that_claim_one_value(column: str) -> None:
    rows = [{"key": f"cus_{each}", column: "secret"} for each in "abx"]
    text = refusal(errors.ConflictingClaims, *rows)
    assert f"The {column} is the same in several of rows 1 and 2," in text


def test_a_value_that_another_customer_keeps() -> None:
    rows: list[Row] = [{"key": "cus_a", "external_id": "ext-cus_c"}, {"key": "cus_b", "name": "B"}]
    text = refusal(errors.ConflictingClaims, *rows)
    assert "The external_id in row 1 belongs to other customers (cus_c), who keep it" in text
    # Somebody else of the plan keeps it, too, unless it changes.
    rows[0] = {"key": "cus_a", "stripe_customer_id": "st_secret_b"}
    assert "(cus_b), who keep it" in refusal(errors.ConflictingClaims, *rows)
    rows[1] |= {"stripe_customer_id": "st_other"}
    assert [each.customer_id for each in plan(*rows).changes] == ["cus_b", "cus_a"]
    # Who is deleted has nothing any more.
    assert plan({"key": "cus_a", "external_id": "gone", "stripe_customer_id": "st_secret_g"}).changes


def test_a_creation_that_claims_what_somebody_has() -> None:
    row = {"key": "new", "country": "DE", "stripe_customer_id": "st_secret_a"}
    text = refusal(errors.ConflictingClaims, row, key="external_id", sync_mode="upsert")
    assert "stripe_customer_id in row 1 belongs to other customers (cus_a)" in text


def test_a_value_of_somebody_whom_the_plan_deletes() -> None:
    row: Row = {"key": "cus_a", "external_id": "ext-cus_c"}
    text = refusal(errors.ConflictingClaims, row, {"key": "cus_c", "op": "delete"})
    assert "row 1 belongs to customers that the same plan deletes (cus_c), and deletes come last" in text
    assert "(cus_c), and deletes come last" in refusal(
        errors.ConflictingClaims, row, sync_mode="mirror", owned=_ids("cus_c")
    )


@pytest.mark.parametrize("theirs, wanted", (("Ann-1", "ann-1"), ("a", "a "), ("Z\u00fcri", "Zu\u0308ri")))
def test_who_comes_back_in_another_spelling_is_not_deleted(theirs: str, wanted: str) -> None:
    # Dub refuses the new customer, because it knows the old one; then the old one would be gone for good.
    known = [*KNOWN, customer("cus_m", external_id=theirs)]
    row: Row = {"key": wanted, "country": "DE"}
    options: dict[str, Any] = {"key": "external_id", "known": known}
    text = refusal(errors.ConflictingClaims, row, sync_mode="mirror", owned=_ids("cus_m"), **options)
    assert "The external_id in row 1 differs only in case, accents or blanks" in text
    assert "(cus_m)" in text
    rows = ({**row, "op": "create"}, {"key": theirs, "op": "delete"})
    assert "in row 1 differs only" in refusal(errors.ConflictingClaims, *rows, **options)
    # Where nobody is deleted, Dub may say itself what it takes for one.
    assert len(plan(row, sync_mode="mirror", **options).changes) == 1


@pytest.mark.parametrize("spelled", ("CUS_B", "cus_b ", " cus_b"))
def test_whom_a_row_names_in_another_spelling_is_not_absent(spelled: str) -> None:
    rows = ({"key": "cus_a", "name": "A"}, {"key": spelled, "name": "B"})
    text = refusal(errors.ConflictingClaims, *rows, sync_mode="mirror", owned=_ids("cus_a", "cus_b"))
    assert "The id in row 2 differs only in case, accents or blanks" in text
    assert "(cus_b)" in text
    # Nobody is created by it, so that no claim tells.
    known = [*KNOWN, customer("cus_m", external_id="ext-M")]
    row: Row = {"key": "ext-m", "op": "update", "name": "M"}
    options: dict[str, Any] = {"key": "external_id", "known": known, "owned": _ids("cus_m")}
    text = refusal(errors.ConflictingClaims, row, sync_mode="mirror", **options)
    assert "The external_id in row 1 differs only" in text
    # A row that asks for the delete, in whichever spelling, and one that is somebody else's, stop nothing.
    assert len(plan({**row, "op": "delete"}, sync_mode="mirror", **options).changes) == 1
    assert len(plan({**row, "key": "ext-n"}, sync_mode="mirror", **options).changes) == 1


def test_a_swap() -> None:
    rows = [{"key": f"cus_{one}", "external_id": f"ext-cus_{other}"} for one, other in ("ab", "ba")]
    assert "2 customers (rows 1 and 2) exchange" in refusal(errors.SwapRefused, *rows)
    assert len(plan(*rows, allow_swaps=True).changes) == 3


# Deletes


def test_deletes_are_bounded_by_count_and_share() -> None:
    known = [customer(f"cus_{place:03}") for place in range(200)]
    rows = [{"key": row["id"]} for row in known[:21]]
    options: dict[str, Any] = {"known": known, "sync_mode": "delete"}
    text = refusal(errors.TooManyDeletes, *rows, **options)
    assert "21 of 200 customers would be deleted" in text
    assert "max_delete_share allows 20" in text
    assert len(plan(*rows[:20], **options).changes) == 20
    assert "max_deletes allows 3" in refusal(errors.TooManyDeletes, *rows[:4], **options, max_deletes=3)
    assert "max_deletes allows 0" in refusal(errors.TooManyDeletes, *rows[:1], **options, max_deletes=0)
    assert len(plan(*rows, **options, max_deletes=21, max_delete_share=1.0).changes) == 21


@pytest.mark.parametrize(
    "living, count, share, most",
    (
        (5, None, 0.1, 10),
        (100, None, 0.29, 29),
        (1_000, None, 0.1, 100),
        (1_000, 7, 0.1, 7),
        (1_000, 500, 0.1, 100),
        (1_000, None, 0.0, 0),
        (1_000, 500, 0.0, 0),
        (1_000, None, 1.0, 1_000),
        (0, None, 0.1, 10),
    ),
)
def test_how_many_may_be_deleted(living: int, count: int | None, share: float, most: int) -> None:
    limits: dict[str, Any] = {"living": living, "max_deletes": count, "max_delete_share": share}
    assert not stops(guards.check_deletes, deletes=most, **limits)
    assert stops(guards.check_deletes, deletes=most + 1, **limits)


def test_a_mirror_that_would_delete_too_many() -> None:
    known = [customer(f"cus_{place:03}") for place in range(50)]
    owned = _ids(*(row["id"] for row in known))
    row = {"key": "cus_000", "name": "A"}
    text = refusal(errors.TooManyDeletes, row, known=known, sync_mode="mirror", owned=owned)
    assert "49 of 50 customers" in text


# Time and place


def test_a_mirror_must_be_fresh() -> None:
    def stale(hours: float | None) -> bool:
        loaded_at = None if hours is None else START - timedelta(hours=hours)
        return stops(guards.check_mirror_age, loaded_at=loaded_at, now=START, max_age_h=24.0)

    assert [stale(hours) for hours in (0, 24, 24.01, None, -1)] == [False, False, True, True, False]


def test_a_plan_must_be_fresh() -> None:
    def stale(hours: float) -> bool:
        made = START - timedelta(hours=hours)
        return stops(guards.check_plan_age, created_at=made, now=START, max_age_h=2.0)

    assert [stale(hours) for hours in (0, 2, 2.1)] == [False, False, True]


def test_a_workspace_with_none_of_the_customers_is_another_one() -> None:
    assert stops(guards.check_workspace, asked=3, alive=0)
    assert not stops(guards.check_workspace, asked=3, alive=1)
    assert not stops(guards.check_workspace, asked=0, alive=0)


def test_columns_that_the_warehouse_does_not_hold_as_dub_does() -> None:
    def refused(compared: list[str], hidden: set[str]) -> bool:
        mirrored = ["id", "external_id", "name"]
        return stops(
            row_guards.check_columns, compared=compared, key="external_id", mirror=mirrored, hidden=hidden
        )

    assert not refused(["name"], {"email"})
    assert refused(["email"], set())
    assert refused(["name"], {"name"})
    assert refused(["name"], {"external_id"})


def _ids(*ids: str) -> Any:
    import pyarrow as pa

    return pa.array(ids, pa.string())
