"""Seed files: what is read from them, and what is wrong with a bad one, in one sentence."""

import json
from pathlib import Path
from typing import Any

import pytest

from dub_source.sandbox import load_seed

WORKSPACE = {"id": "ws_1", "slug": "one", "plan": "business"}
CUSTOMER = {
    "id": "cus_1", "name": None, "email": None, "externalId": "e1", "projectId": "ws_1",
    "sales": 0, "saleAmount": "0", "createdAt": "2026-01-01T00:00:00.000Z",
}  # fmt: skip


def seed_file(folder: Path, **changes: Any) -> Path:
    content: dict[str, Any] = {
        "workspaces": [WORKSPACE], "users": [{"id": "u", "isMachine": False}],
        "memberships": [["u", "ws_1", "owner"]],
        "tokens": [{"name": "k", "key": "dub_k", "userId": "u", "projectId": "ws_1", "expires": None}],
        "partners": [], "discounts": [], "programEnrollments": [], "links": [], "customers": [CUSTOMER],
    }  # fmt: skip
    path = folder / "seed.json"
    path.write_text(
        json.dumps({name: value for name, value in (content | changes).items() if value is not None})
    )
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ValueError, match=r"^[^\n]+\.$") as caught:
        load_seed(path)
    return str(caught.value).replace(str(path), "FILE")


def test_a_small_one(tmp_path: Path) -> None:
    second = CUSTOMER | {
        "id": "cus_2", "externalId": None, "saleAmount": "-9007199254740993", "sales": 3, "country": "DE",
        "createdAt": "2026-01-01T01:00:00.001+01:00", "firstSaleAt": "2026-01-02T00:00:00",
    }  # fmt: skip
    dataset = load_seed(seed_file(tmp_path, customers=[CUSTOMER, second]))
    one, two = dataset.customers
    assert (one.external_id, one.created_ms, one.sale_amount, one.first_sale_ms) == (
        "e1",
        1_767_225_600_000,
        0,
        None,
    )
    assert (two.external_id, two.created_ms, two.sale_amount) == (None, 1_767_225_600_001, -9007199254740993)
    assert two.first_sale_ms == 1_767_312_000_000  # a time without a zone is UTC on every machine
    assert dataset.roles == {("u", "ws_1"): "owner"}


def test_a_machine_is_an_owner_and_a_trial_is_a_trial(tmp_path: Path) -> None:
    path = seed_file(
        tmp_path,
        users=[{"id": "u", "isMachine": True}],
        memberships=[["u", "ws_1", "viewer"]],
        workspaces=[WORKSPACE | {"trialEndsAt": "2099-01-01T00:00:00.000Z"}],
    )
    dataset = load_seed(path)
    assert dataset.roles == {("u", "ws_1"): "owner"}
    assert dataset.workspaces[0].trial


def test_the_recorded_one(recordings: Path) -> None:
    dataset = load_seed(recordings / "seed.json")
    assert (len(dataset.customers), len(dataset.workspaces), len(dataset.tokens)) == (1307, 10, 20)


def test_absent_and_unreadable(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.json").endswith("cannot be read: No such file or directory.")
    assert refusal(tmp_path).endswith("cannot be read: Is a directory.")


@pytest.mark.parametrize("text", ("", "{", "[]", "5", "null", '"x"', '{"users": 5}', '{"users": [1]}'))
def test_not_a_seed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    assert refusal(path).startswith("The file FILE is not a seed file")


def test_not_text(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(b"PAR1\xff\x00")
    assert refusal(path) == "The file FILE is not a seed file (UnicodeDecodeError)."


@pytest.mark.parametrize("name", ("workspaces", "tokens", "customers", "links", "users"))
def test_a_part_is_missing(tmp_path: Path, name: str) -> None:
    expected = f"The file FILE is not a seed file: something in it has no '{name}'."
    assert refusal(seed_file(tmp_path, **{name: None})) == expected


@pytest.mark.parametrize(
    "change", ({"createdAt": None}, {"createdAt": "soon"}, {"saleAmount": "much"}, {"sales": None})
)
def test_a_value_makes_no_sense(tmp_path: Path, change: dict[str, Any]) -> None:
    assert refusal(seed_file(tmp_path, customers=[CUSTOMER | change])).startswith(
        "The file FILE is not a seed file ("
    )


@pytest.mark.parametrize(
    "change, trouble",
    (
        ({"projectId": "ws_2", "id": "cus_2"}, "customer 2 belongs to no workspace in it"),
        ({"externalId": "other"}, "customers 1 and 2 have the same id"),
        ({"id": "CUS_1", "externalId": "other"}, "customers 1 and 2 have the same id"),
        ({"id": "cus_2", "externalId": "E1 "}, "customers 1 and 2 have the same externalId"),
        (
            {"id": "cus_2", "externalId": "e2", "stripeCustomerId": "S"},
            "customers 1 and 2 have the same stripeCustomerId",
        ),
    ),
)
def test_what_no_database_could_hold(tmp_path: Path, change: dict[str, Any], trouble: str) -> None:
    rows = [CUSTOMER | {"stripeCustomerId": "s"}, CUSTOMER | change]
    assert (
        refusal(seed_file(tmp_path, customers=rows)) == f"The seed file FILE contradicts itself: {trouble}."
    )


def test_a_plan_that_dub_does_not_know(tmp_path: Path) -> None:
    path = seed_file(tmp_path, workspaces=[WORKSPACE | {"plan": "gold"}])
    assert (
        refusal(path)
        == "The seed file FILE contradicts itself: workspace one has a plan that Dub does not know."
    )
