"""What is said about a plan: enough to decide, and nobody's data unless asked for."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from dub_source.reverse.counting import counts, requests
from dub_source.reverse.model import Change, Op, Plan
from dub_source.reverse.planning import plan_changes
from dub_source.reverse.summary import SAMPLES, Summary, summarize
from dub_source.reverse.sync_file import Sync
from tests.reverse.states import START, Row, customer, desired, mirror

KNOWN = [
    customer("cus_a", name="Secret Ann", email="secret-a@example.com", stripe_customer_id="st_secret"),
    customer("cus_b", name="Secret Bob", external_id="secret-b"),
    customer("cus_c", name="Secret Cy", external_id="secret-c"),
]
SWAP: list[Row] = [
    {"key": "cus_a", "name": "Secret Anna", "email": "secret@example.org"},
    {"key": "cus_b", "external_id": "secret-c"},
    {"key": "cus_c", "external_id": "secret-b"},
    {"key": "cus_x", "name": "Secret X"},
]


def of(*rows: Row, **options: Any) -> tuple[Plan, Sequence[Change], tuple[str, ...]]:
    planned = plan_changes(Sync(table="crm.people", **options), desired(*rows), mirror(*KNOWN))
    return planned.plan(created_at=START, baseline="b"), planned.changes, planned.passed


def summary(*rows: Row, options: dict[str, Any] | None = None, **more: Any) -> Summary:
    plan, changes, passed = of(*rows, **options or {})
    return summarize(plan, changes, passed=passed, **more)


def test_a_plan_in_lines() -> None:
    lines = summary(
        *SWAP, options={"allow_swaps": True}, ignored=["score"], requests_per_s=5.0, notes=["A note."]
    ).lines()
    plan_id = lines[0].split(":")[0]
    assert lines == [
        f"{plan_id}: table crm.people (update), compared with customers",
        "  desired   4 rows; 0 need nothing, 1 name nobody in the mirror",
        "  update    4 (email 1, external_id 2, name 1)",
        "  create    0",
        "  delete    0",
        "  requests  5, about 1 s at 5 a second",
        "  ignored   the columns score",
        "Guards passed:",
        "  every row has the key id, no two have the same, and each names one customer at most",
        "  Dub accepts every value",
        "  no external id or Stripe id is claimed twice",
        "  deletes: 0, and at most 10 are allowed",
        "Left out:",
        "  A note.",
        "Mind:",
        "  1 customer will have a temporary external id, or no Stripe id, for a moment: what is tracked "
        "meanwhile under the one that is free may make a new customer, who then keeps it.",
        "  2 customers will have another external id, and Dub knows the old one no more at once: whatever "
        "tracks them must use the new one.",
        "The first changes (values hidden):",
        "  update cus_a: name *** -> ***, email *** -> ***",
        "  update cus_c: external_id *** -> ***",
        "  update cus_b: external_id *** -> ***",
        "  update cus_b (first half of a swap): external_id *** -> ***",
    ]


ROWS: list[Row] = [
    {"key": "secret-b", "name": "Secret Rob", "op": None},
    {"key": "secret-new", "name": "Secret New", "country": "FR", "op": "create"},
    {"key": "secret-c", "op": "delete"},
]


@pytest.mark.parametrize("rows, options", ((SWAP, {"allow_swaps": True}), (ROWS, {"key": "external_id"})))
def test_values_are_shown_to_nobody_who_has_not_asked(rows: list[Row], options: dict[str, Any]) -> None:
    hidden, shown = (summary(*rows, options=options, show_values=show) for show in (False, True))
    for text in ("\n".join(hidden.lines()), json.dumps(hidden.as_dict()), repr(hidden)):
        assert "secret" not in text.lower()
        assert "@" not in text
    for text in ("\n".join(shown.lines()), json.dumps(shown.as_dict())):
        assert "Secret" in text
        assert "secret-" in text
    assert "Secret" not in repr(shown)


def test_creations_and_deletes_in_lines() -> None:
    lines = summary(*ROWS, options={"key": "external_id"}, show_values=True).lines()
    shown = lines[lines.index("The first changes:") + 1 :]
    assert shown == [
        "  update cus_b: name 'Secret Bob' -> 'Secret Rob'",
        "  create a new customer: external_id 'secret-new', name 'Secret New', country 'FR'",
        "  delete cus_c: name 'Secret Cy', external_id 'secret-c'",
    ]
    assert (
        "  1 customer will be deleted for good: no plan brings them back, and their commissions stay"
        in str("\n".join(lines))
    )
    hidden = summary(*ROWS, options={"key": "external_id"}).lines()
    assert "  create a new customer: external_id ***, name ***, country 'FR'" in hidden


def test_nothing_that_is_shown_reaches_the_terminal_as_a_command() -> None:
    lines = summary({"key": "cus_a", "name": "\u202e\tX"}, show_values=True).lines()
    assert r"  update cus_a: name 'Secret Ann' -> '\u202e\tX'" in lines


def test_a_plan_as_json() -> None:
    told = json.loads(
        json.dumps(summary(*ROWS, options={"key": "external_id"}, requests_per_s=50.0).as_dict())
    )
    assert told["plan_id"].startswith("plan_")
    assert told["counts"] == {"create": 1, "delete": 1, "update": 1, "update.name": 1}
    assert (told["changes"], told["desired"], told["requests"], told["seconds"]) == (3, 3, 5, 0.1)
    assert told["created_at"] == "2026-11-20T12:00:00+00:00"
    assert [(each["op"], each["customer_id"]) for each in told["samples"]] == [
        ("update", "cus_b"),
        ("create", None),
        ("delete", "cus_c"),
    ]
    assert told["samples"][0]["asked"] == {"name": "***"}
    assert told["samples"][2]["before"]["email"] is None
    assert told["warnings"] == []
    assert len(told["cannot_be_undone"]) == 2
    assert told["guards_passed"]
    assert summary(*ROWS, options={"key": "external_id"}).as_dict()["seconds"] is None


def test_only_a_few_changes_of_each_kind_are_shown() -> None:
    changes = [
        Change(number, op, f"cus_{number}", asked={"name": "A"})
        for number, op in enumerate([Op.UPDATE] * 9 + [Op.DELETE] * 9)
    ]
    plan, _, _ = of({"key": "cus_a", "name": "A"})
    shown = summarize(plan, changes).as_dict()["samples"]
    assert [each["number"] for each in shown] == [*range(SAMPLES), *range(9, 9 + SAMPLES)]


def test_counts_and_requests() -> None:
    changes = [Change(number, Op.UPDATE, f"cus_{number}", asked={"name": "A"}) for number in range(101)]
    changes += [Change(number, Op.CREATE, None, asked={"external_id": "x"}) for number in range(3)]
    changes += [Change(0, Op.UPDATE, "cus_0", asked={"external_id": "t"}, temporary=True)]
    changes += [Change(0, Op.DELETE, "cus_d")]
    assert counts(changes) == {"create": 3, "delete": 1, "swap": 1, "update": 102, "update.name": 101}
    assert requests(changes) == 106 + 2 + 1
    assert requests([]) == 0
