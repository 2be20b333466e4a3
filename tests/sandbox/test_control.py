"""The control surface: what tests do behind the API's back, and that no route reaches it."""

import http.client
import inspect
import threading
import time
from dataclasses import replace

import pytest

from dub_source.sandbox import Fault, Sandbox
from dub_source.sandbox.store import Duplicate
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect
from tests.sandbox.datasets import MAIN, OTHER, customer, customers, workspace
from tests.sandbox.http_api import Api


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(workspace(*customers(3), customer(9, workspace_id=OTHER)))


@pytest.fixture
def api(sandbox: Sandbox, connect: Connect) -> Api:
    return connect(sandbox)


def test_no_route_reaches_it(sandbox: Sandbox, api: Api) -> None:
    names = [name for name, _ in inspect.getmembers(Sandbox) if not name.startswith("_")]
    assert {"delete", "snapshot", "requests", "inject"} < set(names)
    before = sandbox.snapshot()
    for name in [
        *names,
        "control",
        "sandbox",
        "admin",
        "faults",
        "log",
        "reset",
        "debug",
        "__sandbox",
        "docs",
        "openapi.json",
    ]:
        for prefix in ("/", "/api/", "/_", "/.", "/customers/x/"):
            for method in ("GET", "POST", "PATCH", "DELETE", "PUT"):
                assert api.send(method, f"{prefix}{name}").status == 404
    assert sandbox.snapshot() == before


def test_headers_and_parameters_reach_it_neither(sandbox: Sandbox, api: Api) -> None:
    plain = api.listed(pageSize=1)
    headers = {"x-sandbox-fault": "reset", "x-sandbox-latency": "5", "x-control": "delete"}
    reply = api.send("GET", "/customers?pageSize=1&fault=reset&latency=5&status=500", headers=headers)
    assert (reply.status, reply.body) == (200, plain.body)


def test_ids_and_snapshot_are_those_of_one_workspace(sandbox: Sandbox, api: Api) -> None:
    assert sandbox.ids() == sandbox.ids(MAIN) == [customer(number).id for number in (1, 2, 3)]
    assert sandbox.ids(OTHER) == [customer(9).id]
    assert list(sandbox.snapshot(OTHER)) == [customer(9).id]
    assert sandbox.snapshot()[customer(2).id] == api.get(f"{customer(2).id}?includeExpandedFields=true").row


def test_a_snapshot_shows_no_made_up_name(sandbox: Sandbox) -> None:
    row = sandbox.insert(name=None, email=None)
    assert sandbox.snapshot()[row.id]["name"] is None
    assert sandbox.snapshot() == sandbox.snapshot()


def test_delete_change_and_insert_are_seen_at_once(sandbox: Sandbox, api: Api) -> None:
    sandbox.delete(customer(1).id)
    assert api.get(customer(1).id).status == 404
    sandbox.change(customer(2).id, sales=7, sale_amount=12345, external_id="changed", first_sale_ms=0)
    row = api.get("ext_changed").row
    assert (row["id"], row["sales"], row["saleAmount"]) == (customer(2).id, 7, 12345)
    assert row["firstSaleAt"] == "1970-01-01T00:00:00.000Z"
    assert api.get("ext_user-2").status == 404
    imported = sandbox.insert(created_ms=0, name="Backdated", country="SE")
    assert api.listed(sortOrder="asc").ids[0] == imported.id
    assert api.get(imported.id).row["createdAt"] == "1970-01-01T00:00:00.000Z"
    assert sandbox.insert(OTHER, id="cus_own").id in sandbox.ids(OTHER)


def test_it_holds_to_the_keys_of_the_database(sandbox: Sandbox) -> None:
    for unknown in ("cus_nope", customer(9).id):
        with pytest.raises(KeyError):
            sandbox.delete(unknown)
        with pytest.raises(KeyError):
            sandbox.change(unknown, name="x")
    with pytest.raises(Duplicate):
        sandbox.insert(external_id="USER-1")
    with pytest.raises(Duplicate):
        sandbox.change(customer(1).id, external_id="user-2")
    with pytest.raises(Duplicate):
        sandbox.insert(id=customer(1).id.lower())
    assert len(sandbox.ids()) == 3
    with pytest.raises(KeyError):
        sandbox.key("nobody")


def test_a_key_can_be_taken_for_another_one(sandbox: Sandbox, api: Api) -> None:
    old = sandbox.store.dataset.tokens[0]
    sandbox.admit(replace(old, key="dub_theNextOne"))
    sandbox.revoke(old.key)
    assert api.listed().status == 401
    api.key = "dub_theNextOne"
    assert api.listed().status == 200


def test_nothing_is_answered_while_it_is_still(sandbox: Sandbox, api: Api) -> None:
    with sandbox.still():
        api.connection.request("GET", "/customers", headers={"Authorization": f"Bearer {sandbox.key()}"})
        time.sleep(0.1)
        assert sandbox.requests == []
        new = sandbox.insert().id
    assert new.encode() in api.connection.getresponse().read()


def test_a_hook_sees_every_request_before_it_is_answered(sandbox: Sandbox, api: Api) -> None:
    seen: list[tuple[str, str]] = []

    def hook(method: str, target: str) -> None:
        seen.append((method, target))
        if method == "GET" and customer(2).id in sandbox.ids():
            sandbox.delete(customer(2).id)

    sandbox.before_request(hook)
    assert api.listed(pageSize=5).ids == [customer(3).id, customer(1).id]
    api.send("PUT", "/nowhere?x=1")
    sandbox.before_request(None)
    api.listed()
    assert seen == [("GET", "/customers?pageSize=5"), ("PUT", "/nowhere?x=1")]


def test_the_log_holds_what_came_and_how_it_was_answered(
    start_sandbox: StartSandbox, connect: Connect
) -> None:
    sandbox = start_sandbox(workspace(customer(1)), clock=lambda: 1234.5)
    api = connect(sandbox)
    api.listed(search="a b")
    api.get("ext_%C3%A9")
    api.send("PUT", "/customers")
    log = [(each.method, each.path, each.query, each.status, each.seconds) for each in sandbox.requests]
    assert log == [
        ("GET", "/customers", "search=a+b", 200, 1234.5),
        ("GET", "/customers/ext_%C3%A9", "", 404, 1234.5),
        ("PUT", "/customers", "", 405, 1234.5),
    ]
    sandbox.forget_requests()
    assert sandbox.requests == []


def test_the_log_can_be_off(start_sandbox: StartSandbox, connect: Connect) -> None:
    sandbox = start_sandbox(workspace(customer(1)), log=False)
    assert connect(sandbox).listed().status == 200
    assert sandbox.requests == []
    sandbox.forget_requests()


def test_latency_is_added_to_every_answer_and_not_one_after_the_other(
    start_sandbox: StartSandbox, connect: Connect
) -> None:
    sandbox = start_sandbox(workspace(customer(1)), latency_ms=200)
    apis = [connect(sandbox) for _ in range(4)]
    began = time.monotonic()
    for api in apis:  # four requests on their way at once
        api.connection.putrequest("GET", "/customers/%")
        api.connection.endheaders()
    for api in apis:
        assert api.connection.getresponse().read()
    seconds = time.monotonic() - began
    assert 0.15 < seconds < 0.75  # uvloop counts whole milliseconds, and may wake a little early


def test_it_ends_at_once_although_a_request_is_under_way() -> None:
    arrived = threading.Event()
    with Sandbox(workspace(customer(1))) as sandbox:
        sandbox.inject(Fault("stall", seconds=60))
        sandbox.before_request(lambda _method, _target: arrived.set())
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
        connection.request("GET", "/customers")
        assert arrived.wait(10)
        began = time.monotonic()
    assert time.monotonic() - began < 2
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        connection.getresponse()
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        connection.connect()


def test_a_port_that_is_taken_is_an_os_error(sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="in use"):
        Sandbox(workspace(), port=sandbox.port)


def test_clients_wait_from_the_moment_it_has_a_port(connect: Connect) -> None:
    """The command line prints the address before it serves: nobody who reads it may be refused."""
    sandbox = Sandbox(workspace(customer(1)))
    api = connect(sandbox)
    api.connection.request("GET", "/customers", headers={"authorization": f"Bearer {api.key}"})
    with sandbox:
        assert api.connection.getresponse().status == 200
