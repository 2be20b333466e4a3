"""Customers read again by id: found, gone or unreadable, at the cost that is promised."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from dub_source.by_id import ById
from dub_source.client import DubClient
from dub_source.client.retry import NO_RETRY
from dub_source.errors import ConnectionFailed, RateLimited, Unauthorized
from dub_source.sandbox import Fault, Sandbox
from dub_source.settings import Settings
from tests.conftest import StartSandbox


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(250)


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[DubClient]:
    with DubClient(Settings(api_key=sandbox.key(), base_url=sandbox.url), retry=NO_RETRY) as client:
        yield client


def read(reader: ById, ids: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """What became of the customers: found, gone, unreadable; each in order."""
    answers = list(reader.read(ids))
    return (
        sorted(customer["id"] for each in answers for customer in each.page.customers),
        sorted(customer_id for each in answers for customer_id in each.gone),
        sorted(customer_id for each in answers for customer_id in each.unreadable),
    )


def test_a_hundred_a_request_and_each_once(sandbox: Sandbox, client: DubClient) -> None:
    ids = sandbox.ids()
    assert read(ById(client), [*ids, *ids]) == (sorted(ids), [], [])
    assert len(sandbox.requests) == 3
    assert list(ById(client).read([])) == []


@pytest.mark.parametrize("expanded", (True, False))
def test_plain_or_expanded(sandbox: Sandbox, client: DubClient, expanded: bool) -> None:
    sandbox.inject(Fault("status", containing="customerIds", status=400, times=1))
    reader = ById(client, include_expanded_fields=expanded)
    linked = next(customer["id"] for customer in _expanded(client) if customer.get("link"))
    for _ in range(2):
        [again] = reader.read([linked])
        assert ("link" in again.page.customers[0]) == expanded


def _expanded(client: DubClient) -> list[dict[str, Any]]:
    return client.list(include_expanded_fields=True).customers


def test_gone_is_told_from_unreadable(sandbox: Sandbox, client: DubClient) -> None:
    ids = sandbox.ids()
    gone, unreadable = [ids[3], ids[150], "cus_never"], [ids[7], ids[8], ids[249]]
    for customer_id in gone[:2]:
        sandbox.delete(customer_id)
    for customer_id in unreadable:
        sandbox.change(customer_id, external_id=None)
    wanted = [*ids, "cus_never"]
    found = sorted(set(ids) - set(gone) - set(unreadable))
    reader = ById(client)
    assert read(reader, wanted) == (found, sorted(gone), sorted(unreadable))
    assert reader.together
    assert len(sandbox.requests) < 60, "an unreadable customer is found by halving"
    sandbox.inject(Fault("status", containing="customerIds", status=400, times=99))
    assert read(reader, wanted) == (found, sorted(gone), sorted(unreadable))
    assert not reader.together


@pytest.mark.parametrize("status", (400, 403, 404, 409, 414, 422, 500, 503))
def test_a_refusal_of_customer_ids_is_remembered(sandbox: Sandbox, client: DubClient, status: int) -> None:
    sandbox.inject(Fault("status", containing="customerIds", status=status, times=1))
    reader = ById(client)
    ids = sandbox.ids()[:120]
    for _ in range(2):
        assert read(reader, ids) == (sorted(ids), [], [])
    assert len(sandbox.requests) == 1 + 240


def test_an_answer_that_is_no_json_is_such_a_refusal(sandbox: Sandbox, client: DubClient) -> None:
    sandbox.inject(Fault("not_json", containing="customerIds", times=1))
    ids = sandbox.ids()[:2]
    assert read(ById(client), ids) == (ids, [], [])


@pytest.mark.parametrize("rows", ("others", "none"))
def test_where_customer_ids_is_misunderstood_it_is_not_asked_again(
    sandbox: Sandbox, client: DubClient, monkeypatch: pytest.MonkeyPatch, rows: str
) -> None:
    list_customers = client.list

    def misunderstood(**parameters: Any) -> Any:
        if rows == "others":
            parameters.pop("customer_ids")
        else:
            parameters["customer_ids"] = ["cus_never"]
        return list_customers(**parameters)

    monkeypatch.setattr(client, "list", misunderstood)
    ids = sandbox.ids()[:5]
    reader = ById(client)
    for _ in range(2):
        assert read(reader, ids) == (sorted(ids), [], [])
    assert len(sandbox.requests) == 1 + 10


def test_an_unreadable_stranger_spoils_nobody_where_customer_ids_is_ignored(
    sandbox: Sandbox, client: DubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = client.list(page_size=1).customers[0]["id"]
    sandbox.change(newest, external_id=None)
    list_customers = client.list

    def without_ids(**parameters: Any) -> Any:
        return list_customers(**{**parameters, "customer_ids": None})

    monkeypatch.setattr(client, "list", without_ids)
    ids = [each for each in sandbox.ids()[:40] if each != newest]
    assert read(ById(client), ids) == (sorted(ids), [], [])


def test_the_time_of_a_page_is_before_its_request(sandbox: Sandbox, client: DubClient) -> None:
    [customer_id, *_] = sandbox.ids()
    [again] = ById(client).read([customer_id])
    assert abs((datetime.now(UTC) - again.page.requested_at).total_seconds()) < 5
    sandbox.inject(Fault("status", containing="customerIds", status=400))
    [again] = ById(client, clock=lambda: 1_700_000_000.0).read([customer_id])
    assert again.page.requested_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_what_concerns_everything_is_raised(sandbox: Sandbox, client: DubClient) -> None:
    ids = sandbox.ids()[:2]
    sandbox.inject(Fault("reset", containing="customerIds"))
    with pytest.raises(ConnectionFailed):
        list(ById(client).read(ids))
    sandbox.inject(Fault("status", status=429, containing="customerIds"))
    with pytest.raises(RateLimited):
        list(ById(client).read(ids))
    sandbox.revoke(sandbox.key())
    with pytest.raises(Unauthorized) as caught:
        list(ById(client).read(ids))
    assert caught.value.__context__ is None


def test_answers_show_no_customer_by_accident(sandbox: Sandbox, client: DubClient) -> None:
    [again] = ById(client).read(sandbox.ids()[:1])
    assert "@" not in repr(again)
