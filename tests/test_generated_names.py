"""Names that Dub makes up are told from real ones."""

import logging
from collections.abc import Iterator

import pytest

from dub_source.client import DubClient
from dub_source.generated_names import GeneratedNames
from dub_source.sandbox import Customer, Dataset, Fault, Sandbox
from dub_source.sandbox.generate import WORKSPACE_ID, generate
from dub_source.settings import Settings
from dub_source.types import Customer as Row
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


def removed_from(names: GeneratedNames, customers: list[Row]) -> list[Row]:
    """The customers with null for names that are made up."""
    made_up = names.made_up({each["id"]: each.get("name") for each in customers if not each.get("email")})
    return [each | {"name": None} if each["id"] in made_up else each for each in customers]


def settled(client: DubClient) -> dict[str, str | None]:
    customers = client.list().customers
    before = [dict(each) for each in customers]
    result = {each["id"]: each["name"] for each in removed_from(GeneratedNames(client), customers)}
    assert customers == before
    return result


def test_made_up_names_become_null_and_others_stay(client: DubClient) -> None:
    assert settled(client) == EXPECTED


def without_email(client: DubClient) -> dict[str, str | None]:
    return {each["id"]: each["name"] for each in client.list().customers if not each["email"]}


def test_whose_names_are_made_up(client: DubClient, sandbox: Sandbox) -> None:
    read = without_email(client)
    sandbox.forget_requests()
    names = GeneratedNames(client)
    assert names.made_up(read) == {"cus_random", "cus_blank"}
    assert len(sandbox.requests) == 2
    assert names.made_up({"cus_named": "Quiet Amber Otter"}) == set()
    assert len(sandbox.requests) == 3, "two equal readings in a row settle a name"
    assert names.made_up({}) == set()
    assert len(sandbox.requests) == 3


def test_a_name_that_changed_once_is_not_made_up(client: DubClient) -> None:
    """Renamed between the first reading and the second."""
    assert GeneratedNames(client).made_up({"cus_named": "Before"}) == set()


@pytest.mark.parametrize("after", (0, 1))
@pytest.mark.parametrize("what", ("gone", "unreadable"))
def test_whoever_cannot_be_read_again_is_not_said_to_have_a_made_up_name(
    client: DubClient, sandbox: Sandbox, after: int, what: str
) -> None:
    read = without_email(client)

    def lose() -> None:
        if what == "gone":
            sandbox.delete("cus_random")
        else:
            sandbox.change("cus_random", external_id=None)

    sandbox.inject(Fault("call", containing="customerIds", skip=after, action=lose))
    assert GeneratedNames(client).made_up(read) == {"cus_blank"}


def test_those_who_are_gone_cost_nothing_more(client: DubClient, sandbox: Sandbox) -> None:
    read = without_email(client)
    sandbox.forget_requests()
    assert GeneratedNames(client).made_up(read | {f"cus_gone{number}": "x" for number in range(97)}) == {
        "cus_random",
        "cus_blank",
    }
    assert len(sandbox.requests) == 2


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
    names = {each["id"]: each["name"] for each in removed_from(GeneratedNames(client), customers)}
    assert names == EXPECTED


def test_whoever_is_deleted_meanwhile_keeps_what_was_read(client: DubClient, sandbox: Sandbox) -> None:
    customers = client.list().customers
    sandbox.delete("cus_named")
    names = {each["id"]: each["name"] for each in removed_from(GeneratedNames(client), customers)}
    assert names == EXPECTED


def test_an_unreadable_customer_among_them_spoils_nobody_else(client: DubClient, sandbox: Sandbox) -> None:
    customers = client.list().customers
    sandbox.change("cus_blank", external_id=None)
    names = {each["id"]: each["name"] for each in removed_from(GeneratedNames(client), customers)}
    assert names["cus_random"] is None
    assert names["cus_named"] == "Quiet Amber Otter"


def test_trouble_on_the_way_is_not_swallowed(client: DubClient, sandbox: Sandbox) -> None:
    customers = client.list().customers
    sandbox.revoke(sandbox.key())
    with pytest.raises(Exception, match="key"):
        removed_from(GeneratedNames(client), customers)


@pytest.mark.parametrize("status", (400, 404, 409, 413, 414, 422))
def test_where_customer_ids_is_refused_they_are_read_one_by_one_for_the_rest_of_the_run(
    client: DubClient, sandbox: Sandbox, status: int
) -> None:
    customers = client.list().customers
    sandbox.inject(Fault("status", containing="customerIds", status=status, times=99))
    sandbox.forget_requests()
    names = GeneratedNames(client)
    for _ in range(3):
        assert {each["id"]: each["name"] for each in removed_from(names, customers)} == EXPECTED
    asked = [request for request in sandbox.requests if "customerIds" in request.query]
    assert len(asked) == 1
    assert len(sandbox.requests) == 1 + 3 * (3 + 2), "three customers have no email, two of them no name"


def test_one_by_one_they_are_read_up_to_a_bound_and_a_warning_tells(
    client: DubClient, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.inject(Fault("status", containing="customerIds", status=400, times=99))
    customers = client.list().customers
    names = GeneratedNames(client, most_alone=4)
    with caplog.at_level(logging.WARNING):
        assert {each["id"]: each["name"] for each in removed_from(names, customers)} == EXPECTED
        assert not caplog.records
        sandbox.forget_requests()
        nameless = [each for each in customers if each["id"] in ("cus_random", "cus_blank")]
        first, second = nameless
        assert removed_from(names, nameless) == [first | {"name": None}, second], (
            "one was left to be asked for"
        )
        assert removed_from(names, nameless) == nameless, "none was left"
    assert len(sandbox.requests) == 2
    assert len(caplog.records) == 1
    assert not [text for text in ("cus_", first["name"], second["name"]) if text in caplog.text]


def test_a_hundred_customers_cost_one_request(start_sandbox: StartSandbox) -> None:
    empty = generate(0)
    rows = [
        Customer(f"cus_{number:03}", WORKSPACE_ID, f"external_{number}", number, name=f"Name {number}")
        for number in range(250)
    ]
    sandbox = start_sandbox(Dataset(empty.workspaces, empty.tokens, empty.roles, customers=rows))
    with DubClient(Settings(api_key=sandbox.key(), base_url=sandbox.url)) as client:
        customers = [each for page in (1, 2, 3) for each in client.list(page=page).customers]
        sandbox.forget_requests()
        assert removed_from(GeneratedNames(client), customers) == customers
    assert len(sandbox.requests) == 3
