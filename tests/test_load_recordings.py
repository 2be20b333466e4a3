"""The recorded workspaces, loaded through the sandbox into DuckDB: every field equals the seed."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dub_source import runs
from dub_source.destinations import Target
from dub_source.sandbox import Dataset, Sandbox
from tests.conftest import StartSandbox

SYSTEM_COLUMNS = ("row_hash", "name_generated", "observed_at", "deleted_at")

Load = Callable[..., runs.LoadResult]


@pytest.fixture
def load(start_sandbox: StartSandbox, seed: Dataset, tmp_path: Path) -> Load:
    sandbox: Sandbox = start_sandbox(seed)

    def run(workspace: str, **options: Any) -> runs.LoadResult:
        target = Target(database=tmp_path / f"{workspace}_rows.duckdb")
        key = sandbox.key(workspace)
        return runs.load(
            target, pipelines_dir=tmp_path / "pipelines", api_key=key, base_url=sandbox.url, **options
        )

    return run


def table(result: runs.LoadResult) -> dict[str, dict[str, Any]]:
    """All rows by id."""
    with duckdb.connect(str(result.target.database), read_only=True) as connection:
        cursor = connection.execute(f"SELECT * FROM {result.target.dataset}.{result.report.table}")
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row["deleted_at"] is None and row["observed_at"] and row["row_hash"] for row in rows)
    return {
        row["id"]: {name: value for name, value in row.items() if name not in SYSTEM_COLUMNS} for row in rows
    }


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def expected(recordings: Path, workspace: str) -> dict[str, dict[str, Any]]:
    """What the seed file says should be in the table, worked out without any code of the package."""
    seed = json.loads((recordings / "seed.json").read_text(encoding="utf-8"))
    workspace_id = next(token["projectId"] for token in seed["tokens"] if token["name"] == workspace)
    links = {link["id"]: link for link in seed["links"]}
    partners = {partner["id"]: partner for partner in seed["partners"]}
    discounts = {discount["id"]: discount for discount in seed["discounts"]}
    enrolled = {(each["partnerId"], each["programId"]): each for each in seed["programEnrollments"]}
    rows = {}
    for customer in seed["customers"]:
        if customer["projectId"] != workspace_id:
            continue
        link = links.get(customer.get("linkId"), {})
        enrollment = enrolled.get((customer.get("partnerId"), customer.get("programId")), {})
        partner = partners.get(enrollment.get("partnerId"), {})
        discount = discounts.get(enrollment.get("discountId"), {})
        # The API shows the email where there is no name, and a double where there is a 64-bit integer.
        rows[customer["id"]] = {
            "id": customer["id"],
            "name": customer.get("name") or customer.get("email") or None,
            "email": customer.get("email"),
            "avatar": customer.get("avatar"),
            "external_id": customer["externalId"],
            "stripe_customer_id": customer.get("stripeCustomerId"),
            "country": customer.get("country"),
            "sales": customer["sales"],
            "sale_amount": int(float(customer["saleAmount"])),
            "created_at": moment(customer["createdAt"]),
            "first_sale_at": moment(customer.get("firstSaleAt")),
            "subscription_canceled_at": moment(customer.get("subscriptionCanceledAt")),
            "link__id": link.get("id"),
            "link__domain": link.get("domain"),
            "link__key": link.get("key"),
            "link__short_link": link.get("shortLink"),
            "link__url": link.get("url"),
            "link__program_id": link.get("programId"),
            "program_id": customer.get("programId"),
            "partner__id": partner.get("id"),
            "partner__name": partner.get("name"),
            "partner__email": partner.get("email"),
            "partner__image": partner.get("image"),
            "discount__id": discount.get("id"),
            "discount__amount": discount.get("amount"),
            "discount__type": discount.get("type"),
            "discount__max_duration": discount.get("maxDuration"),
            "discount__coupon_id": discount.get("couponId"),
            "discount__coupon_test_id": discount.get("couponTestId"),
            "discount__description": discount.get("description"),
        }
    return rows


@pytest.mark.parametrize("workspace, customers", (("owner", 1_000), ("lateimport", 300), ("other", 5)))
def test_every_field_of_every_customer_equals_the_seed_twice(
    load: Load, recordings: Path, workspace: str, customers: int
) -> None:
    wanted = expected(recordings, workspace)
    assert len(wanted) == customers
    for _ in range(2):
        result = load(workspace, mode="full")
        assert (result.report.read, result.rows, result.report.complete) == (customers, customers, True)
        assert table(result) == wanted


def test_without_expanded_fields_the_others_equal_the_seed(load: Load, recordings: Path) -> None:
    wanted = expected(recordings, "owner")
    found = table(load("owner", include_expanded_fields=False))
    assert found == {
        customer_id: {name: value for name, value in row.items() if name in found[customer_id]}
        for customer_id, row in wanted.items()
    }
    # The columns of a customer and, from the empty first batch of a table, none of the others.
    assert len(next(iter(found.values()))) == 12


def test_an_empty_workspace_loads_an_empty_table(load: Load) -> None:
    result = load("adv")
    assert (result.report.read, result.rows, result.report.complete) == (0, 0, True)
    assert table(result) == {}


def test_the_broken_workspace_loads_who_can_be_read_and_names_the_neighbour(
    load: Load, recordings: Path
) -> None:
    result = load("broken")
    (unreadable, readable) = sorted(
        expected(recordings, "broken").values(), key=lambda row: row["external_id"] is not None
    )
    assert list(table(result)) == [readable["id"]]
    certificate = result.report.certificate
    assert certificate is not None
    assert (certificate.unread, certificate.neighbours) == (1, (readable["id"],))
    assert unreadable["id"] not in str(result.as_json())


def test_a_change_between_two_loads_arrives(load: Load, seed: Dataset) -> None:
    before = table(load("other"))
    row = next(each for each in seed.customers if each.external_id == "o_1")
    row.name, row.rendered = "Renamed", None
    after = table(load("other", mode="full"))
    assert after[row.id]["name"] == "Renamed"
    assert {key: value for key, value in after.items() if key != row.id} == {
        key: value for key, value in before.items() if key != row.id
    }
