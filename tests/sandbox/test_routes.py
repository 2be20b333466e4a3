"""What answers at all: methods, prefixes, redirects, and the errors that are no JSON."""

import socket

import pytest

from dub_source.sandbox import Sandbox
from tests.sandbox.conftest import Connect, Serve
from tests.sandbox.datasets import customer, customers
from tests.sandbox.http_api import RATE_HEADERS, Api, Reply


def is_page(reply: Reply, status: int) -> bool:
    """Whether it is an HTML page without rate headers, as Next.js serves them before any handler runs."""
    assert not set(RATE_HEADERS) & set(reply.headers)
    html = reply.headers["content-type"].startswith("text/html") and reply.body.startswith(b"<!DOCTYPE html>")
    return reply.status == status and html


@pytest.mark.parametrize("prefix", ("", "/api"))
def test_every_route_answers_with_and_without_api(serve: Serve, prefix: str) -> None:
    api = serve(*customers(2))
    api.prefix = prefix
    assert len(api.listed().ids) == 2
    assert api.count() == 2
    assert api.get(customer(1).id).row["id"] == customer(1).id
    assert api.patch(customer(1).id, {"name": "x"}).row["name"] == "x"
    assert api.post({"externalId": "new", "country": "US"}).status == 201
    assert api.delete(customer(1).id).status == 200


@pytest.mark.parametrize(
    "target",
    ("/", "/api", "/customer", "/customersx", "/apicustomers", "/api/api/customers", "/Customers",
     "/customers/a/b", "/customers/count/x", "/links", "/api/links", "/robots.txt"),
)  # fmt: skip
def test_other_routes_are_html_404(recorded: Api, target: str) -> None:
    for method in ("GET", "POST", "PATCH", "DELETE"):
        assert is_page(recorded.send(method, target), 404), (method, target)


@pytest.mark.parametrize(
    "segment", ("%", "%zz", "100%", "%2", "%E4%BD", "%FF", "%C0%AF", "%ED%A0%80", "ext_%E9")
)
def test_a_malformed_percent_in_a_path_is_html_400(recorded: Api, segment: str) -> None:
    for method in ("GET", "PATCH", "DELETE"):
        assert is_page(recorded.send(method, f"/customers/{segment}"), 400), segment
    assert recorded.query(f"search={segment}").status == 200  # in a query it is taken as it is


def test_the_page_comes_before_any_look_at_the_key(serve: Serve) -> None:
    api = serve()
    api.key = None
    assert is_page(api.send("GET", "/nowhere"), 404)
    assert is_page(api.send("GET", "/customers/%"), 400)
    assert api.send("PUT", "/customers").status == 405
    assert api.send("GET", "/customers").status == 401


@pytest.mark.parametrize(
    "target, location",
    (
        ("/customers/", "/customers"),
        ("/customers/?pageSize=1&x=%20", "/customers?pageSize=1&x=%20"),
        ("/customers/cus_x/", "/customers/cus_x"),
        ("/customers/count/?groupBy=country", "/customers/count?groupBy=country"),
        ("/api/customers/", "/api/customers"),
        ("/customers//cus_x", "/customers/cus_x"),
        ("/customers//", "/customers/"),
        ("/api//customers///cus_x?a=//", "/api/customers/cus_x?a=//"),
        ("/nowhere/", "/nowhere"),
    ),
)
def test_slashes_too_many_are_redirected_with_308(recorded: Api, target: str, location: str) -> None:
    for method in ("GET", "POST", "PATCH", "DELETE"):
        reply = recorded.send(method, target)
        assert (reply.status, reply.headers["location"], reply.body) == (308, location, location.encode())
        assert "content-type" not in reply.headers


def test_head_is_get_without_a_body(recorded: Api) -> None:
    for target in ("/customers?pageSize=1", "/customers/ext_u_5", "/customers/count", "/customers/ext_none"):
        get, head = recorded.send("GET", target), recorded.send("HEAD", target)
        assert (head.status, head.body, head.headers["content-type"]) == (get.status, b"", "application/json")


@pytest.mark.parametrize(
    "target, allowed",
    (
        ("/customers", "GET, HEAD, OPTIONS, POST"),
        ("/customers/anything", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/customers/count", "GET, HEAD, OPTIONS"),
    ),
)
def test_options_says_what_is_allowed_and_the_rest_is_405(serve: Serve, target: str, allowed: str) -> None:
    api = serve()
    api.key = None
    reply = api.send("OPTIONS", target)
    assert (reply.status, reply.headers["allow"], reply.body) == (204, allowed, b"")
    for method in ("GET", "POST", "PATCH", "DELETE", "PUT"):
        refused = api.send(method, target).status == 405
        assert refused is (method not in allowed.split(", ")), method


def test_405_has_neither_body_nor_type(recorded: Api) -> None:
    reply = recorded.send("PUT", "/customers", {})
    assert (reply.status, reply.body) == (405, b"")
    assert "content-type" not in reply.headers
    assert (
        recorded.send("POST", "/customers/ext_u_5", {}, headers={"x-http-method-override": "PATCH"}).status
        == 405
    )


def test_a_method_that_no_handler_can_have_is_400(recorded: Api) -> None:
    for method in ("TRACE", "PROPFIND"):
        assert recorded.send(method, "/customers").status == 400


def test_it_listens_on_127_0_0_1_only(recorded_sandbox: Sandbox) -> None:
    """A socket that listens everywhere answers under every address of this machine."""
    socket.create_connection(("127.0.0.1", recorded_sandbox.port), timeout=2).close()
    with pytest.raises(OSError, match=r"refused|timed out|assign"):
        socket.create_connection(("127.0.0.2", recorded_sandbox.port), timeout=2)


def test_a_connection_is_kept_and_many_requests_go_over_it(recorded: Api) -> None:
    recorded.listed(pageSize=1)
    own = recorded.connection.sock
    assert recorded.send("GET", "/customers/%").status == 400
    assert recorded.send("PATCH", "/customers/", {"name": "x"}).status == 308
    assert recorded.listed(pageSize=0).status == 422
    assert recorded.connection.sock is own


def test_a_key_may_be_given_in_any_spelling_of_the_header(
    recorded_sandbox: Sandbox, connect: Connect
) -> None:
    api = connect(recorded_sandbox, "owner")
    header = {"AUTHORIZATION": f"Bearer {api.key}"}
    api.key = None
    assert api.send("GET", "/customers?pageSize=1", headers=header).status == 200
