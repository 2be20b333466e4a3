"""Customers read again by id: found, gone or unreadable, at the cost that is promised."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from dub_source.by_id import ById
from dub_source.client import DubClient
from dub_source.client.retry import NO_RETRY
from dub_source.errors import ConnectionFailed, CustomerNotFound, NotFound, RateLimited, Unauthorized
from dub_source.sandbox import Fault, Sandbox
from dub_source.settings import Settings
from dub_source.types import Page
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


def present(reader: ById, ids: Sequence[str]) -> list[str]:
    pages = list(reader.present(ids))
    assert all(page.customers for page in pages)
    return sorted(customer["id"] for page in pages for customer in page.customers)


def gone(reader: ById, ids: Sequence[str], control: str | None) -> list[str]:
    proofs = list(reader.gone(ids, control=control))
    assert all(each.ids for each in proofs)
    return sorted(customer_id for each in proofs for customer_id in each.ids)


NEVER = [f"cus_never{number:05}" for number in range(30_000)]


def test_present_customers_cost_a_request_per_hundred_and_absent_ones_nothing(
    sandbox: Sandbox, client: DubClient
) -> None:
    ids = sandbox.ids()
    for customer_id in ids[:40]:
        sandbox.delete(customer_id)
    assert present(ById(client), [*ids, *ids]) == sorted(ids[40:])
    assert len(sandbox.requests) == 3
    assert present(ById(client), []) == []


def test_whether_an_empty_answer_can_be_believed_is_asked_once(sandbox: Sandbox, client: DubClient) -> None:
    reader = ById(client)
    assert present(reader, NEVER[:500]) == []
    assert len(sandbox.requests) == 5 + 2
    assert present(reader, NEVER[:500]) == []
    assert len(sandbox.requests) == 5 + 2 + 5


def test_nobody_is_present_in_an_empty_workspace(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(0)
    with DubClient(Settings(api_key=sandbox.key(), base_url=sandbox.url), retry=NO_RETRY) as client:
        assert present(ById(client), NEVER[:300]) == []
    assert len(sandbox.requests) <= 6


def test_unreadable_customers_hide_nobody_else_who_is_present(sandbox: Sandbox, client: DubClient) -> None:
    ids = sandbox.ids()
    unreadable = [ids[7], ids[8], ids[249]]
    for customer_id in unreadable:
        sandbox.change(customer_id, external_id=None)
    reader = ById(client)
    assert present(reader, [*ids, *NEVER[:50]]) == sorted(set(ids) - set(unreadable))
    assert reader.together
    assert len(sandbox.requests) < 50


@pytest.mark.parametrize("misunderstood", ("refused", "others", "none", "unreadable stranger"))
def test_where_customer_ids_is_not_answered_those_present_are_read_one_by_one(
    sandbox: Sandbox, client: DubClient, monkeypatch: pytest.MonkeyPatch, misunderstood: str
) -> None:
    ids = sandbox.ids()[:120]
    misunderstand(sandbox, client, monkeypatch, misunderstood)
    sandbox.delete(ids[5])
    reader = ById(client)
    assert present(reader, [*ids, NEVER[0]]) == sorted({*ids} - {ids[5]})
    assert not reader.together
    assert len(sandbox.requests) < 121 + 12
    sandbox.forget_requests()
    assert present(reader, ids[:20]) == sorted({*ids[:20]} - {ids[5]})
    assert len(sandbox.requests) == 20


def misunderstand(sandbox: Sandbox, client: DubClient, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Let ``customerIds`` be refused, ignored, or taken for something that nobody has."""
    if how == "refused":
        sandbox.inject(Fault("status", containing="customerIds", status=400, times=999))
        return
    if how == "unreadable stranger":
        sandbox.change(client.list(page_size=1).customers[0]["id"], external_id=None)
        sandbox.forget_requests()
    list_customers = client.list

    def misunderstood(**parameters: Any) -> Any:
        if "customer_ids" in parameters:
            parameters["customer_ids"] = ["cus_never"] if how == "none" else None
        return list_customers(**parameters)

    monkeypatch.setattr(client, "list", misunderstood)


def test_thirty_thousand_that_are_gone_cost_three_hundred_requests(
    sandbox: Sandbox, client: DubClient
) -> None:
    assert gone(ById(client), NEVER, sandbox.ids()[0]) == NEVER
    assert len(sandbox.requests) == 300


def test_only_who_is_gone_is_reported_gone(sandbox: Sandbox, client: DubClient) -> None:
    ids = sandbox.ids()
    deleted, unreadable, control = ids[10:60], ids[60:62], ids[0]
    for customer_id in deleted:
        sandbox.delete(customer_id)
    for customer_id in unreadable:
        sandbox.change(customer_id, external_id=None)
    reader = ById(client)
    assert gone(reader, [*ids, *ids, *NEVER[:3]], control) == sorted([*deleted, *NEVER[:3]])
    assert reader.together
    assert len(sandbox.requests) < 60
    assert gone(reader, [], control) == []
    assert gone(reader, [control], control) == []


@pytest.mark.parametrize("lost", ("deleted", "unreadable", "the only one"))
def test_without_the_control_an_answer_proves_nothing_until_there_is_another(
    sandbox: Sandbox, client: DubClient, lost: str
) -> None:
    control, *others = sandbox.ids()
    if lost == "unreadable":
        sandbox.change(control, external_id=None)
    else:
        sandbox.delete(control)
    if lost == "the only one":
        for customer_id in others:
            sandbox.delete(customer_id)
    sandbox.forget_requests()
    assert gone(ById(client), NEVER[:400], control) == NEVER[:400]
    alone = [request for request in sandbox.requests if "/customers/" in request.path]
    assert len(alone) == {"deleted": 100, "unreadable": 1, "the only one": 400}[lost]


@pytest.mark.parametrize("misunderstood", ("refused", "others", "none", "unreadable stranger", "no control"))
def test_where_customer_ids_is_not_answered_only_a_404_about_the_customer_proves(
    sandbox: Sandbox, client: DubClient, monkeypatch: pytest.MonkeyPatch, misunderstood: str
) -> None:
    ids = sandbox.ids()
    misunderstand(sandbox, client, monkeypatch, misunderstood)
    sandbox.delete(ids[5])
    control = None if misunderstood == "no control" else ids[0]
    reader = ById(client)
    assert gone(reader, [*ids[3:8], NEVER[0]], control) == sorted([ids[5], NEVER[0]])


def test_an_answer_that_was_cut_off_proves_nothing_about_those_it_left_out(
    sandbox: Sandbox, client: DubClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_customers = client.list
    control, *ids = sandbox.ids()

    def cut_off(**parameters: Any) -> Any:
        page = list_customers(**parameters)
        rows = sorted(page.customers, key=lambda customer: bool(customer["id"] != control))
        return Page(rows[:10], page.requested_at)

    monkeypatch.setattr(client, "list", cut_off)
    assert gone(ById(client), [*ids[:50], NEVER[0]], control) == [NEVER[0]]


@pytest.mark.parametrize("code, message", (("not_found", "Program not found"), ("", "")))
def test_another_404_proves_nothing(sandbox: Sandbox, client: DubClient, code: str, message: str) -> None:
    sandbox.inject(
        Fault("status", containing="/customers/", status=404, code=code or "not_found", message=message)
    )
    with pytest.raises(NotFound) as caught:
        gone(ById(client), NEVER[:1], None)
    assert not isinstance(caught.value, CustomerNotFound)


def test_the_time_of_a_proof_is_the_start_of_its_request(sandbox: Sandbox, client: DubClient) -> None:
    reader = ById(client, clock=lambda: 1_700_000_000.0)
    sandbox.inject(Fault("stall", containing="customerIds", seconds=0.5))
    [proof] = reader.gone(NEVER[:1], control=sandbox.ids()[0])
    assert 0.5 <= (datetime.now(UTC) - proof.requested_at).total_seconds() < 10
    [proof] = reader.gone(NEVER[:1], control=None)
    assert proof.requested_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)


def test_whoever_comes_back_between_two_requests_is_not_gone(sandbox: Sandbox, client: DubClient) -> None:
    """Alive when asked for is alive, whoever else is absent."""
    control, alive, *_ = sandbox.ids()
    proofs = list(ById(client).gone([NEVER[0], alive, NEVER[1]], control=control))
    assert [proof.ids for proof in proofs] == [(NEVER[0], NEVER[1])]
    assert len(sandbox.requests) == 2


def test_answers_show_no_customer_by_accident(sandbox: Sandbox, client: DubClient) -> None:
    [again] = ById(client).read(sandbox.ids()[:1])
    assert "@" not in repr(again)
