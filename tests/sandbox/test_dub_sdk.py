"""Dub's own Python SDK as a client of the sandbox."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from dub import Dub
from dub.models import errors, operations

from dub_source.sandbox import Dataset, Sandbox
from tests.conftest import StartSandbox

FULL = "cus_1M6A7EY3053CK0Y08XDP69BPA"


@pytest.fixture
def sandbox(start_sandbox: StartSandbox, seed: Dataset) -> Sandbox:
    return start_sandbox(seed)


@pytest.fixture
def dub(sandbox: Sandbox) -> Iterator[Dub]:
    with Dub(token=sandbox.key("owner"), server_url=sandbox.url) as client:
        yield client


def page(dub: Dub, **request: object) -> operations.GetCustomersResponse:
    response = dub.customers.list(request=operations.GetCustomersRequest.model_validate(request))
    assert response is not None
    return response


def test_it_lists_one_page(dub: Dub, sandbox: Sandbox) -> None:
    rows = page(dub).result
    assert len(rows) == 100
    assert rows[0].id == "cus_1M6A7MDW0DAK4R0YPHSRGBKKE"
    assert sandbox.requests[-1].query == "sortBy=createdAt&sortOrder=desc&pageSize=100"
    (row,) = page(dub, external_id="full-1", include_expanded_fields=True).result
    assert (row.id, row.sale_amount, row.created_at) == (FULL, 9900, "2026-11-01T00:17:00.000Z")
    assert row.partner is not None
    assert row.discount is not None


def test_its_next_page_is_none_after_100_of_1000(dub: Dub) -> None:
    """Its expression for the next cursor, ``$[-1].id``, finds nothing: no error, and 900 rows are lost."""
    assert page(dub).next() is None


def test_pages_that_are_asked_for_one_by_one_lose_40_of_1000(dub: Dub) -> None:
    """What ``.next()`` would do if it worked: the order of the first page is not that of the others."""
    found = [row.id for row in page(dub).result]
    while rows := page(dub, starting_after=found[-1]).result:
        found += [row.id for row in rows]
    assert len(set(found)) == 960


def test_it_gets_one_customer_by_id_and_by_external_id(dub: Dub) -> None:
    row = dub.customers.get(request={"id": FULL, "include_expanded_fields": True})
    assert (row.external_id, row.name) == ("full-1", "Special 997")
    for external_id in ("a/b/c", "100%", "q?x=1#y&z", "客户-é", "hello world"):
        encoded = quote(external_id, safe="")
        assert dub.customers.get(request={"id": f"ext_{encoded}"}).external_id == external_id


def test_it_leaves_reserved_characters_as_they_are(dub: Dub) -> None:
    """Unencoded, such an externalId is another address: an HTML page, or nobody."""
    for external_id, status in (("a/b/c", 404), ("100%", 400)):
        with pytest.raises(errors.SDKError, match=f"Status {status} Content-Type .text/html"):
            dub.customers.get(request={"id": f"ext_{external_id}"})
    with pytest.raises(errors.NotFound):
        dub.customers.get(request={"id": "ext_q?x=1#y&z"})


def test_it_updates(dub: Dub, sandbox: Sandbox) -> None:
    change: operations.UpdateCustomerRequestBodyTypedDict = {
        "name": "By the SDK",
        "email": None,
        "country": "DE",
    }
    row = dub.customers.update(request={"id": FULL, "request_body": change})
    assert (row.name, row.email, row.country) == ("By the SDK", None, "US")  # country is ignored
    stored = sandbox.snapshot()[FULL]
    assert (stored["name"], stored["email"], stored["country"]) == ("By the SDK", None, "US")


def test_it_deletes(dub: Dub, sandbox: Sandbox) -> None:
    assert dub.customers.delete(id="ext_full-1").id == FULL
    assert FULL not in sandbox.ids()
    with pytest.raises(errors.NotFound):
        dub.customers.delete(id=FULL)


def test_it_knows_the_errors(dub: Dub, sandbox: Sandbox) -> None:
    with pytest.raises(errors.UnprocessableEntity, match="Invalid cursor"):
        page(dub, starting_after="nope")
    with pytest.raises(errors.Conflict, match="already exists"):
        dub.customers.update(request={"id": FULL, "request_body": {"external_id": "full-2"}})
    sandbox.revoke(sandbox.key("owner"))
    with pytest.raises(errors.Unauthorized, match="Invalid API key"):
        page(dub)
