"""Scripted trouble, over real sockets."""

import http.client
import json
import socket
import time
from pathlib import Path

import pytest

from dub_source.sandbox import Fault, Sandbox
from dub_source.sandbox.faults import load_faults
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect
from tests.sandbox.datasets import customer, customers, workspace
from tests.sandbox.http_api import Api

ID = customer(1).id


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(workspace(*customers(5)))


@pytest.fixture
def api(sandbox: Sandbox, connect: Connect) -> Api:
    return connect(sandbox)


@pytest.mark.parametrize("status", (501, 502, 503, 504, 520))
def test_status_from_a_proxy_is_html_and_does_nothing(sandbox: Sandbox, api: Api, status: int) -> None:
    fault = Fault("status", status=status)
    sandbox.inject(fault)
    reply = api.delete(ID)
    assert reply.status == status
    assert reply.headers["content-type"].startswith("text/html")
    assert fault.hits == 1
    assert api.get(ID).status == 200


@pytest.mark.parametrize(
    "status, code",
    ((400, "bad_request"), (401, "unauthorized"), (403, "forbidden"), (404, "not_found"), (409, "conflict"),
     (410, "invite_expired"), (422, "unprocessable_entity"), (429, "rate_limit_exceeded"),
     (500, "internal_server_error"), (418, "internal_server_error")),
)  # fmt: skip
def test_status_from_dub_is_json_with_its_code(sandbox: Sandbox, api: Api, status: int, code: str) -> None:
    sandbox.inject(Fault("status", status=status))
    assert api.patch(ID, {"name": "x"}).error == (status, code, "Scripted trouble.")
    assert api.get(ID).row["name"] == "Name 1"


def test_status_takes_a_code_and_a_message(sandbox: Sandbox, api: Api) -> None:
    sandbox.inject(Fault("status", status=403, code="exceeded_limit", message="Too much."))
    sandbox.inject(Fault("status", status=503, code="internal_server_error"))
    assert api.listed().error == (403, "exceeded_limit", "Too much.")
    assert api.listed().error == (503, "internal_server_error", "Scripted trouble.")


def test_reset_breaks_the_connection_and_does_nothing(sandbox: Sandbox, api: Api) -> None:
    sandbox.inject(Fault("reset", method="DELETE"))
    with pytest.raises(ConnectionResetError):
        api.delete(ID)
    api.connection.close()
    assert api.get(ID).status == 200
    assert [(each.method, each.status) for each in sandbox.requests] == [("DELETE", 0), ("GET", 200)]


def test_reset_is_a_tcp_reset(sandbox: Sandbox) -> None:
    """Not the end of a stream, which a client would take for an empty answer."""
    sandbox.inject(Fault("reset"))
    with socket.create_connection(("127.0.0.1", sandbox.port), timeout=5) as connection:
        connection.sendall(b"GET /customers HTTP/1.1\r\nHost: sandbox\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_truncated_does_the_work_and_breaks_off_in_the_body(sandbox: Sandbox, api: Api) -> None:
    sandbox.inject(Fault("truncated", method="PATCH"))
    with pytest.raises(http.client.IncompleteRead) as caught:
        api.patch(ID, {"name": "written"})
    assert caught.value.partial.startswith(b'{"id":"')
    assert caught.value.expected  # bytes that are missing of the announced length
    api.connection.close()
    assert api.get(ID).row["name"] == "written"


def test_not_json_does_the_work_and_answers_a_page(sandbox: Sandbox, api: Api) -> None:
    sandbox.inject(Fault("not_json"))
    reply = api.delete(ID)
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    with pytest.raises(json.JSONDecodeError):
        _ = reply.json
    assert api.get(ID).status == 404


def test_stall_waits_before_the_work(sandbox: Sandbox, api: Api) -> None:
    sandbox.inject(Fault("stall", seconds=0.15))
    began = time.monotonic()
    assert api.listed().status == 200
    # Not 0.15: uvloop counts whole milliseconds from when its turn began, so that it may wake a little early.
    assert time.monotonic() - began > 0.1


def test_a_stall_holds_up_nobody_else(sandbox: Sandbox, api: Api, connect: Connect) -> None:
    sandbox.inject(Fault("stall", seconds=30, containing="stalled"))
    api.connection.timeout = 0.2
    with pytest.raises(TimeoutError):
        api.listed(search="stalled")
    began = time.monotonic()
    assert connect(sandbox).listed().status == 200
    assert time.monotonic() - began < 5


def test_after_commit_has_done_the_work_when_it_breaks(sandbox: Sandbox, api: Api) -> None:
    sandbox.inject(Fault("after_commit", method="POST"), Fault("after_commit", method="DELETE"))
    with pytest.raises(ConnectionResetError):
        api.post({"externalId": "new", "country": "US"})
    api.connection.close()
    assert api.get("ext_new").status == 200
    assert api.post({"externalId": "new", "country": "US"}).status == 409  # the blind repetition
    with pytest.raises(ConnectionResetError):
        api.delete(ID)
    api.connection.close()
    assert api.get(ID).status == 404


def test_after_commit_can_keep_the_client_waiting(sandbox: Sandbox, api: Api) -> None:
    sandbox.inject(Fault("after_commit", method="PATCH", seconds=30))
    api.connection.timeout = 0.2
    with pytest.raises(TimeoutError):
        api.patch(ID, {"name": "written"})
    assert sandbox.snapshot()[ID]["name"] == "written"


def test_call_runs_before_the_request_and_lets_it_go_on(sandbox: Sandbox, api: Api) -> None:
    """A row that is deleted between two pages."""
    last = customer(3).id
    sandbox.inject(Fault("call", containing=f"startingAfter={last}", action=lambda: sandbox.delete(last)))
    assert api.listed(pageSize=3).ids[-1] == last
    assert api.listed(startingAfter=last).invalid == "Invalid cursor: the provided ID does not exist."


def test_a_fault_hits_the_requests_it_is_meant_for(sandbox: Sandbox, api: Api) -> None:
    fault = Fault("status", method="GET", containing="/customers?page=", skip=1, times=2)
    sandbox.inject(fault)
    targets = ["page=1", "pageSize=1", "page=2", "page=3", "page=4"]
    assert [api.query(target).status for target in targets] == [200, 200, 503, 503, 200]
    assert api.send("POST", "/customers?page=1", raw=b"{").status == 400
    assert (fault.hits, fault.times, fault.skip) == (2, 0, 0)


def test_the_first_fault_that_applies_hits_and_faults_can_be_taken_back(sandbox: Sandbox, api: Api) -> None:
    first, second = Fault("status", status=500), Fault("status", status=502, times=9)
    sandbox.inject(first, second)
    assert [api.listed().status for _ in range(3)] == [500, 502, 502]
    sandbox.clear_faults()
    assert api.listed().status == 200


def test_a_fault_file(sandbox: Sandbox, api: Api, tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(
        '[{"kind": "status", "status": 502, "times": 2}, {"kind": "stall", "seconds": 0, "method": "PUT"}]'
    )
    faults = load_faults(path)
    assert faults == [Fault("status", status=502, times=2), Fault("stall", seconds=0, method="PUT")]
    sandbox.inject(*faults)
    assert [api.listed().status for _ in range(3)] == [502, 502, 200]


@pytest.mark.parametrize(
    "text, sentence",
    (
        ("{", "The fault file {path} is not JSON."),
        ("\xff\xfe", "The fault file {path} is not JSON."),
        ("{}", "The fault file {path} must hold an array of faults."),
        ('["reset"]', "Fault 1 in {path} needs a kind: one of "),
        ('[{"kind": "reset"}, {"kind": "call"}]', "Fault 2 in {path} needs a kind: one of "),
        ('[{"kind": "reset", "hits": 1}]', "Fault 1 in {path} has a field 'hits', which no fault has."),
        ('[{"kind": "reset", "action": "x"}]', "Fault 1 in {path} has a field 'action', which no fault has."),
        ('[{"kind": "reset", "times": "3"}]', "Fault 1 in {path} needs a whole number for 'times'."),
        ('[{"kind": "reset", "times": true}]', "Fault 1 in {path} needs a whole number for 'times'."),
        ('[{"kind": "stall", "seconds": null}]', "Fault 1 in {path} needs a number for 'seconds'."),
        ('[{"kind": "reset", "method": 1}]', "Fault 1 in {path} needs a text for 'method'."),
    ),
)
def test_a_bad_fault_file_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "faults.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"^[^\n]+\.$") as caught:
        load_faults(path)
    assert str(caught.value).startswith(sentence.format(path=path))


def test_an_absent_fault_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^The fault file .*none\.json cannot be read: No such file or directory\.$"
    ):
        load_faults(tmp_path / "none.json")
