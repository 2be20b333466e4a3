"""The ASGI application: routes, latency, faults and the request log around the operations."""

import asyncio
import re
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from dub_source.sandbox.access import WRITERS, Access, Headers, Needs
from dub_source.sandbox.faults import Fault
from dub_source.sandbox.operations import Answer, Call, Operations
from dub_source.sandbox.problems import Problem, code_of
from dub_source.sandbox.sales import SalesOperations
from dub_source.sandbox.validation import parse_query

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Operation = Callable[[Call], Answer]
Methods = dict[str, tuple[Operation, Needs]]

TRANSPORT = "dub_source.sandbox.transport"
_METHODS = frozenset("GET HEAD OPTIONS POST PUT DELETE PATCH".split())
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_REPEATED_SLASHES = re.compile(r"[/\\]+")
_READ = Needs()
_WRITE = Needs(roles=WRITERS)
_ANY_PLAN = Needs(paid_plan=False)


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request as it came in, and how it was answered; status 0 means that no answer was sent."""

    method: str
    path: str
    query: str
    status: int
    seconds: float
    """Time of the sandbox's clock when it arrived."""


class Application:
    """Speaks ASGI. ``lock`` guards the store against tests that change it from another thread."""

    def __init__(
        self,
        operations: Operations,
        sales: SalesOperations,
        access: Access,
        lock: threading.RLock,
        *,
        latency_s: float = 0.0,
        log_size: int | None = 1_000_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._access = access
        self._lock = lock
        self._clock = clock
        self.latency_s = latency_s
        self.faults: list[Fault] = []
        self.before_request: Callable[[str, str], object] | None = None
        self.log: deque[LoggedRequest] | None = deque(maxlen=log_size) if log_size else None
        self._collection: Methods = {
            "GET": (operations.list_page, _READ),
            "POST": (operations.create, _WRITE),
        }
        self._count: Methods = {"GET": (operations.count, _ANY_PLAN)}
        self._item: Methods = {
            "GET": (operations.get, _READ),
            "PATCH": (operations.update, _WRITE),
            "DELETE": (operations.delete, _WRITE),
        }
        self._events: Methods = {"GET": (sales.events, _READ)}
        self._commissions: Methods = {"GET": (sales.commissions, _ANY_PLAN)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        method: str = scope["method"]
        path = scope["raw_path"].decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        arrived = self._clock()
        body = await _read_body(receive) if method in ("POST", "PATCH", "PUT") else b""
        fault = self._fault(method, f"{path}?{query}")
        if self.latency_s:
            await asyncio.sleep(self.latency_s)
        if fault is not None and fault.kind == "stall":
            await asyncio.sleep(fault.seconds)
        answer = self._answer(method, path, query, _authorization(scope), body, fault)
        if fault is not None and fault.kind == "after_commit":
            await asyncio.sleep(fault.seconds)
        silent = fault is not None and fault.kind in ("reset", "after_commit")
        if self.log is not None:
            self.log.append(LoggedRequest(method, path, query, 0 if silent else answer.status, arrived))
        if silent:
            _reset(scope)
            return
        await _send(send, answer, truncated=fault is not None and fault.kind == "truncated")

    def _fault(self, method: str, target: str) -> Fault | None:
        with self._lock:
            if self.before_request is not None:
                self.before_request(method, target)
            for fault in self.faults:
                if fault.applies(method, target):
                    if fault.action is not None:
                        fault.action()
                    return fault
        return None

    def _answer(
        self, method: str, path: str, query: str, authorization: str | None, body: bytes, fault: Fault | None
    ) -> Answer:
        if fault is not None and fault.kind == "reset":
            return Answer(0, b"")
        if fault is not None and fault.kind == "status":
            return _scripted(fault)
        with self._lock:
            answer = self._route(method, path, query, authorization, body)
        if fault is not None and fault.kind == "not_json":
            return _page(200, "This is not JSON")
        return answer

    def _route(self, method: str, path: str, query: str, authorization: str | None, body: bytes) -> Answer:
        if method not in _METHODS:
            return Answer(400, b"", None)
        tidy = _tidy(path)
        if tidy != path:
            location = tidy + (f"?{query}" if query else "")
            return Answer(308, location.encode("latin-1"), None, {"location": location})
        parts = path.removeprefix("/api").split("/")[1:]
        customer = _decoded(parts[-1]) if parts else ""
        if customer is None:
            return _page(400, "Bad Request")
        table = self._methods(parts, customer)
        if table is None:
            return _page(404, "404: This page could not be found.")
        if method == "OPTIONS":
            return Answer(204, b"", None, {"allow": ", ".join(sorted({*table, "HEAD", "OPTIONS"}))})
        entry = table.get("GET" if method == "HEAD" else method)
        if entry is None:
            return Answer(405, b"", None)
        operation, needs = entry
        headers: Headers = {}
        try:
            parameters = parse_query(query)
            workspace = self._access.check(authorization, parameters, needs, headers)
            return operation(Call(workspace, parameters, body, customer))
        except Problem as problem:
            return Answer(problem.status, orjson.dumps(problem.body), headers=headers)

    def _methods(self, parts: list[str], last: str) -> Methods | None:
        """What can be done at this path; None if there is nothing."""
        if parts[:1] == ["customers"]:
            if len(parts) == 2:
                return self._count if last == "count" else self._item
            return self._collection if len(parts) == 1 else None
        if len(parts) != 1:
            return None
        return {"events": self._events, "commissions": self._commissions}.get(parts[0])


def _tidy(path: str) -> str:
    """The path to which Next.js redirects: first without repeated slashes, then without one at the end."""
    if "//" in path or "\\" in path:
        return _REPEATED_SLASHES.sub("/", path)
    return path.removesuffix("/") or "/"


def _decoded(segment: str) -> str | None:
    """A path segment without its percent escapes; None if they are malformed or not UTF-8."""
    if "%" not in segment:
        return segment
    if _BROKEN_ESCAPE.search(segment):
        return None
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        return None


def _authorization(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return str(value.decode("latin-1").strip())
    return None


async def _read_body(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def _send(send: Send, answer: Answer, *, truncated: bool) -> None:
    headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
    if answer.content_type is not None:
        headers.append((b"content-type", answer.content_type.encode()))
    headers.append((b"content-length", str(len(answer.body)).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = answer.body[: len(answer.body) // 2] if truncated else answer.body
    await send({"type": "http.response.body", "body": body, "more_body": truncated})
    # A truncated answer ends here without its last part, so the server closes the connection.


def _reset(scope: Scope) -> None:
    """Close at once with a TCP reset, as a dying server or a broken middlebox does."""
    transport = scope["extensions"][TRANSPORT]["transport"]
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _scripted(fault: Fault) -> Answer:
    if fault.status > 500 and not fault.code:
        return _page(fault.status, "Upstream trouble")
    problem = Problem(fault.code or code_of(fault.status), fault.message)
    return Answer(fault.status, orjson.dumps(problem.body))


def _page(status: int, title: str) -> Answer:
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Answer(status, page.encode(), "text/html; charset=utf-8")
