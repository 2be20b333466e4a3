"""A real HTTP server on this machine that answers what a test tells it to.

Deliberately not the sandbox: the client's tests must not depend on another reading of Dub's API.
"""

import json
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

KEY = "dub_sentinelKEY0000000000000"


@dataclass(frozen=True)
class Seen:
    """A request as it came in: ``target`` is the raw path and query."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """An answer, or the lack of one: ``reset`` breaks the connection, ``stall`` never answers,
    ``cut_after`` sends so many bytes of the body and then closes."""

    status: int = 200
    body: bytes = b"[]"
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    stall: bool = False
    cut_after: int | None = None


def answer(value: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer; header names with underscores for dashes."""
    return Reply(status, json.dumps(value).encode(), {k.replace("_", "-"): v for k, v in headers.items()})


def refusal(status: int, code: str, message: str, **headers: str) -> Reply:
    """An error in Dub's form."""
    doc_url = f"https://dub.co/docs/api-reference/errors#{code.replace('_', '-')}"
    return answer({"error": {"code": code, "message": message, "doc_url": doc_url}}, status, **headers)


class ScriptedServer:
    """Answers the replies of a list in turn (the last for good), or what a function makes of a request."""

    def __init__(self, script: Sequence[Reply] | Callable[[Seen], Reply]) -> None:
        self._script = script
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.seen: list[Seen] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def reply_to(self, seen: Seen) -> Reply:
        with self._lock:
            self.seen.append(seen)
            number = len(self.seen) - 1
        if callable(self._script):
            return self._script(seen)
        return self._script[min(number, len(self._script) - 1)]

    def wait_until_over(self) -> None:
        self._over.wait(30)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Broken connections are the point of some tests."""


def _handler(script: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body are two writes, and without this the second waits 40 ms for the first to be confirmed.
        disable_nagle_algorithm = True

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            seen = Seen(self.command, self.path, dict(self.headers.items()), self.rfile.read(length))
            reply = script.reply_to(seen)
            if reply.stall:
                script.wait_until_over()
            if reply.reset or reply.stall:
                self.close_connection = True
                # Linger 0: the close is a reset.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            self.send_response(reply.status)
            for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut_after])
            self.close_connection = self.close_connection or reply.cut_after is not None

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Quiet."""

    return Handler
