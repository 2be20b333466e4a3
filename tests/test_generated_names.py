"""Names that Dub makes up are told from real ones."""

from collections.abc import Iterator

import pytest

from dub_source.client import DubClient
from dub_source.generated_names import without_generated_names
from dub_source.sandbox import Customer, Dataset, Sandbox
from dub_source.sandbox.generate import WORKSPACE_ID, generate
from dub_source.settings import Settings
from tests.conftest import StartSandbox

NAMES = {
    "cus_random": (None, None),
    "cus_blank": ("", ""),
    "cus_named": ("Quiet Amber Otter", None),
    "cus_email": (None, "a@example.com"),
    "cus_both": ("Ada", "b@example.com"),
}


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    empty = generate(0)
    rows = [
        Customer(customer_id, WORKSPACE_ID, f"external_{customer_id}", number, name=name, email=email)
        for number, (customer_id, (name, email)) in enumerate(NAMES.items())
    ]
    return start_sandbox(Dataset(empty.workspaces, empty.tokens, empty.roles, customers=rows))


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[DubClient]:
    with DubClient(Settings(api_key=sandbox.key(), base_url=sandbox.url)) as client:
        yield client


EXPECTED = {
    "cus_random": None,
    "cus_blank": None,
    "cus_named": "Quiet Amber Otter",
    "cus_email": "a@example.com",
    "cus_both": "Ada",
}


def settled(client: DubClient) -> dict[str, str | None]:
    customers = client.list().customers
    before = [dict(each) for each in customers]
    result = {each["id"]: each["name"] for each in without_generated_names(client, customers)}
    assert customers == before
    return result


def test_made_up_names_become_null_and_others_stay(client: DubClient) -> None:
    assert settled(client) == EXPECTED


def test_costs_two_requests_and_none_where_everybody_has_an_email(
    client: DubClient, sandbox: Sandbox
) -> None:
    settled(client)
    assert len(sandbox.requests) == 1 + 2
    for customer_id in ("cus_random", "cus_blank", "cus_named"):
        sandbox.change(customer_id, email=f"{customer_id}@example.com", name="N")
    sandbox.forget_requests()
    settled(client)
    assert len(sandbox.requests) == 1


def test_where_customer_ids_is_ignored_they_are_read_one_by_one(
    client: DubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_customers = client.list

    def without_ids(**parameters: object) -> object:
        parameters.pop("customer_ids", None)
        return list_customers(**parameters)  # type: ignore[arg-type]

    monkeypatch.setattr(client, "list", without_ids)
    assert settled(client) == EXPECTED


def test_whoever_is_renamed_meanwhile_has_the_new_name_or_the_old(
    client: DubClient, sandbox: Sandbox
) -> None:
    customers = client.list().customers
    sandbox.change("cus_named", name="New Name")
    names = {each["id"]: each["name"] for each in without_generated_names(client, customers)}
    assert names == EXPECTED


def test_whoever_is_deleted_meanwhile_keeps_what_was_read(client: DubClient, sandbox: Sandbox) -> None:
    customers = client.list().customers
    sandbox.delete("cus_named")
    names = {each["id"]: each["name"] for each in without_generated_names(client, customers)}
    assert names == EXPECTED


def test_an_unreadable_customer_among_them_spoils_nobody_else(client: DubClient, sandbox: Sandbox) -> None:
    customers = client.list().customers
    sandbox.change("cus_blank", external_id=None)
    names = {each["id"]: each["name"] for each in without_generated_names(client, customers)}
    assert names["cus_random"] is None
    assert names["cus_named"] == "Quiet Amber Otter"


def test_trouble_on_the_way_is_not_swallowed(client: DubClient, sandbox: Sandbox) -> None:
    customers = client.list().customers
    sandbox.revoke(sandbox.key())
    with pytest.raises(Exception, match="key"):
        without_generated_names(client, customers)
