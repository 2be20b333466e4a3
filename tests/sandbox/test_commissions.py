"""GET /commissions: the sales of customers with a partner, as the partner program would tell of them."""

from datetime import datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from dub_source.sandbox import Dataset, Sandbox
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect
from tests.sandbox.datasets import OTHER, PROGRAM, customer, workspace
from tests.sandbox.http_api import RATE_HEADERS, Api, Reply
from tests.sandbox.test_events import NOW, ago, required, wire

PARTNER = {"id": "pn_1", "name": "Ada", "email": "ada@partner.test", "image": None}


def asked(api: Api, **parameters: object) -> Reply:
    return api.send("GET", f"/commissions?{urlencode(parameters)}")


def told(api: Api, **parameters: object) -> str:
    """Whose commissions there are, by number, in the order of the answer."""
    reply = asked(api, **parameters)
    assert reply.status == 200, reply.body
    return "".join(commission["customer"]["id"][-1] for commission in reply.json)


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    with_partner = [customer(number, program_id=PROGRAM, partner_id="pn_1") for number in range(1, 6)]
    data = workspace(*with_partner, customer(6), customer(7, program_id="prog_old", partner_id="pn_1"))
    data.partners["pn_1"] = PARTNER
    return start_sandbox(data, clock=lambda: NOW.timestamp())


@pytest.fixture
def api(sandbox: Sandbox, connect: Connect) -> Api:
    return connect(sandbox, "owner")


def sell(sandbox: Sandbox, number: int, at: datetime | None = None, amount: int = 100) -> None:
    sandbox.record_sale(customer(number).id, amount, at=at)


def test_only_sales_of_customers_with_a_partner_of_this_program(sandbox: Sandbox, api: Api) -> None:
    sell(sandbox, 6)
    sell(sandbox, 7)
    assert told(api) == ""
    sell(sandbox, 1)
    sandbox.change(customer(1).id, partner_id=None)
    assert told(api) == "1"  # it was the partner's at that time


def test_newest_first_over_all_time_unless_told_otherwise(sandbox: Sandbox, api: Api) -> None:
    sell(sandbox, 1, ago(days=500), 30)
    sell(sandbox, 2, ago(days=2), 10)
    sell(sandbox, 3, ago(hours=1), 20)
    assert told(api) == told(api, sortBy="createdAt", sortOrder="desc", interval="all") == "321"
    assert told(api, sortOrder="asc") == "123"
    assert told(api, sortBy="amount") == "132"
    assert told(api, interval="24h") == "3"
    assert told(api, start=wire(ago(days=2))) == "32"
    assert told(api, start=wire(ago(days=600)), end=wire(ago(days=2))) == "21"
    assert told(api, customerId=customer(2).id) == "2"


@pytest.mark.parametrize(
    "wanted, expected",
    (("sale", "1"), ("lead,sale", "1"), ("-lead", "1"), ("lead", ""), ("-sale,lead", ""), ("gift", "")),
)
def test_types(sandbox: Sandbox, api: Api, wanted: str, expected: str) -> None:
    sell(sandbox, 1)
    assert told(api, type=wanted) == expected


def test_status(sandbox: Sandbox, api: Api) -> None:
    sell(sandbox, 1)
    assert (told(api, status="pending"), told(api, status="paid")) == ("1", "")


def test_pages(sandbox: Sandbox, api: Api) -> None:
    for number in range(1, 6):
        sell(sandbox, number, ago(minutes=number))
    assert [told(api, page=page, pageSize=2) for page in (1, 2, 3, 4)] == ["12", "34", "5", ""]


def test_a_cursor_changes_the_order_to_that_of_the_ids(sandbox: Sandbox, api: Api) -> None:
    for number in range(1, 6):
        sell(sandbox, number, ago(minutes=number))
    ids = [commission["id"] for commission in asked(api).json]
    assert told(api, startingAfter=ids[1], pageSize=2) == "34"
    assert told(api, startingAfter=ids[1], sortOrder="asc") == "1"
    assert told(api, endingBefore=ids[3], pageSize=2) == "23"
    assert asked(api, startingAfter="cm_gone").invalid.startswith("Invalid cursor")
    assert "at the same time" in asked(api, startingAfter=ids[0], page=1).invalid
    assert "`createdAt`" in asked(api, startingAfter=ids[0], sortBy="amount").invalid


def test_what_a_commission_shows(recordings: Path, sandbox: Sandbox, api: Api) -> None:
    sell(sandbox, 1, ago(minutes=1), 1000)
    commission = asked(api).json[0]
    assert required(recordings, "/commissions") <= set(commission)
    assert commission["id"].startswith("cm_1")
    assert (commission["type"], commission["status"], commission["currency"]) == ("sale", "pending", "usd")
    assert (commission["amount"], commission["earnings"]) == (1000, 200)
    assert commission["createdAt"] == commission["updatedAt"] == wire(ago(minutes=1))
    assert commission["partner"].items() >= PARTNER.items()
    assert commission["customer"] == api.get(customer(1).id).row  # the whole one, with its new sums


def test_a_deleted_customer_is_null(sandbox: Sandbox, api: Api) -> None:
    sell(sandbox, 1)
    sandbox.delete(customer(1).id)
    assert [commission["customer"] for commission in asked(api).json] == [None]


def test_a_customer_without_external_id_spoils_its_page(sandbox: Sandbox, api: Api) -> None:
    sell(sandbox, 1, ago(minutes=2))
    sell(sandbox, 2, ago(minutes=1))
    sandbox.change(customer(1).id, external_id=None)
    assert asked(api).invalid == (
        "invalid_type: [1].customer.externalId: Invalid input: expected string, received null"
    )
    assert told(api, pageSize=1) == "2"


@pytest.mark.parametrize(
    "parameters, field",
    (
        ({"status": "lost"}, "status"),
        ({"sortBy": "timestamp"}, "sortBy"),
        ({"sortOrder": "up"}, "sortOrder"),
        ({"interval": "1h"}, "interval"),
        ({"start": "soon"}, "start"),
        ({"end": "soon"}, "end"),
        ({"page": 0}, "page"),
        ({"pageSize": 0}, "pageSize"),
        ({"pageSize": 101}, "pageSize"),
    ),
)
def test_what_is_refused(api: Api, parameters: dict[str, object], field: str) -> None:
    assert asked(api, **parameters).invalid.split(": ")[1] == field


def test_pages_beyond_1000(api: Api) -> None:
    assert told(api, page=1000) == ""
    assert asked(api, page=1001).invalid.startswith("Page is too big")


def test_who_may_read_them(seed: Dataset, start_sandbox: StartSandbox, connect: Connect) -> None:
    """Whoever has a key of a workspace with a program: the plan is not asked for."""
    sandbox = start_sandbox(seed)
    for name in ("owner", "member", "viewer", "billing"):
        assert asked(connect(sandbox, name)).status == 200, name
    program = (404, "not_found", "Program not found")
    for name in ("free", "adv"):
        assert asked(connect(sandbox, name)).error == program
        assert asked(connect(sandbox, name), pageSize=0).error == program
    assert asked(connect(sandbox, "expired")).status == 401


def test_another_workspace_has_no_program_and_no_part_in_it(sandbox: Sandbox, connect: Connect) -> None:
    assert asked(connect(sandbox, "other")).status == 404
    assert sandbox.ids(OTHER) == []


def test_they_count_against_the_limit_like_all_requests(
    start_sandbox: StartSandbox, connect: Connect
) -> None:
    api = connect(start_sandbox(workspace(customer(1)), rate_limit=2), "owner")
    statuses = [asked(api).status, asked(api, pageSize=0).status, asked(api).status]
    assert statuses == [200, 422, 429]
    assert set(RATE_HEADERS) <= set(asked(api).headers)
