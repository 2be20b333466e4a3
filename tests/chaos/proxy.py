"""A proxy between the program and the sandbox, which breaks what the weather says."""

import asyncio
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from tests.chaos.weather import CALM, PASSED_ON, Forecast, Harm, Weather

_HOST = "127.0.0.1"
_STALL_S = 4.0
"""Longer than a process of ours waits for an answer (``child``)."""
_WRITES = ("POST", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Write:
    """A request that could change something, as the sandbox answered it; whoever asked may not know.

    Attributes:
        process: whose it was.
        method: POST, PATCH or DELETE.
        target: path and query.
        body: what was sent.
        status: what the sandbox answered.
        answer: likewise.
        at: when, in epoch seconds.
    """

    process: str
    method: str
    target: str
    body: bytes = field(repr=False)
    status: int
    answer: bytes = field(repr=False)
    at: float


@dataclass(slots=True)
class Line:
    """The way of one process through the proxy.

    Attributes:
        process: its name.
        forecast: what becomes of its requests.
        on_request: called with the number of each of its requests (from 1) and the method, before anything is
            done; in the proxy's thread.
        on_answered: likewise, when the sandbox has answered, before the program is told.
        url: where the program finds it.
    """

    process: str
    forecast: Forecast
    on_request: Callable[[int, str], object] = lambda _number, _method: None
    on_answered: Callable[[int, str], object] = lambda _number, _method: None
    url: str = ""
    requests: int = 0
    server: asyncio.Server | None = None


class FaultProxy:
    """Listens on 127.0.0.1, on a port for each process. A context manager.

    Args:
        upstream_port: of the sandbox.
        on_write: called after each write that the sandbox has answered, in the proxy's thread.

    Attributes:
        injected: how often each harm was done.
        ledger: all writes that the sandbox has answered, in their order.
    """

    def __init__(self, upstream_port: int, on_write: Callable[[], object] = lambda: None) -> None:
        self._on_write = on_write
        self._port = upstream_port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self.injected: Counter[str] = Counter()
        self.ledger: list[Write] = []

    def __enter__(self) -> "FaultProxy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def open(self, process: str, weather: Weather = CALM) -> Line:
        """A way for one process, to be closed."""
        line = Line(process, Forecast(weather))

        async def listen() -> None:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = asyncio.current_task()
                assert task is not None
                self._tasks.add(task)
                try:
                    await self._serve(line, reader, writer)
                except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
                    pass  # One of the two is gone; that is what this is for.
                finally:
                    self._tasks.discard(task)
                    writer.close()

            line.server = await asyncio.start_server(serve, _HOST, 0)
            self._servers.append(line.server)
            line.url = f"http://{_HOST}:{line.server.sockets[0].getsockname()[1]}"

        asyncio.run_coroutine_threadsafe(listen(), self._loop).result(10)
        return line

    def close(self, line: Line) -> None:
        """Nobody comes this way any more. What is under way goes on: Dub, too, finishes what it has got."""

        async def end() -> None:
            if line.server is not None:
                line.server.close()

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)

    def settle(self) -> None:
        """Wait until nothing is under way."""
        deadline = time.monotonic() + 3 * _STALL_S
        while self._tasks and time.monotonic() < deadline:
            time.sleep(0.01)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # One connection

    async def _serve(self, line: Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                return  # The program has closed the connection.
            body = await reader.readexactly(_content_length(head))
            line.requests += 1
            number, method = line.requests, head.split(b" ", 1)[0].decode()
            line.on_request(number, method)
            harm, how = line.forecast.next()
            self.injected[harm.value] += 1
            answer = b""
            if harm in (Harm.DELAY, Harm.STALL):
                await asyncio.sleep(_STALL_S if harm is Harm.STALL else 0.02 + 0.8 * how)
            if harm in PASSED_ON:
                answer = await self._ask(line, head, body)
                line.on_answered(number, method)
            if not await self._answer(writer, harm, how, answer):
                return

    async def _ask(self, line: Line, head: bytes, body: bytes) -> bytes:
        """What the sandbox answers."""
        reader, writer = await asyncio.open_connection(_HOST, self._port)
        try:
            writer.write(_without_keep_alive(head) + body)
            answer = await reader.read(-1)
        finally:
            writer.close()
        method, target, _ = head.decode("latin-1").split(" ", 2)
        if method in _WRITES:
            front, _, content = answer.partition(b"\r\n\r\n")
            status = int(front.split(b" ", 2)[1])
            self.ledger.append(Write(line.process, method, target, body, status, content, time.time()))
            self._on_write()
        return answer.replace(b"connection: close\r\n", b"", 1)

    async def _answer(self, writer: asyncio.StreamWriter, harm: Harm, how: float, answer: bytes) -> bool:
        """Answer the program, or not; whether the connection is still good."""
        head_ends = answer.find(b"\r\n\r\n") + 4
        match harm:
            case Harm.NONE | Harm.DELAY:
                writer.write(answer)
                await writer.drain()
                return True
            case Harm.DRIP:
                return await _drip(writer, answer)
            case Harm.RESET | Harm.STALL | Harm.DROPPED:
                _reset(writer)
            case Harm.STALLED_AFTER:
                await asyncio.sleep(_STALL_S)
                _reset(writer)
            case Harm.MIDWAY:
                writer.write(answer[: max(1, int(how * head_ends))])
                await writer.drain()
                _reset(writer)
            case Harm.TRUNCATED:
                writer.write(answer[: head_ends + int(how * (len(answer) - head_ends))])
                await writer.drain()
            case Harm.GARBAGE:
                writer.write(bytes(int(how * 251 + number) % 256 for number in range(64)))
                await writer.drain()
            case _:
                writer.write(_made_up(harm, how))
                await writer.drain()
                return True
        return False


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0


def _without_keep_alive(head: bytes) -> bytes:
    lines = [each for each in head[:-4].split(b"\r\n") if not each.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


async def _drip(writer: asyncio.StreamWriter, answer: bytes) -> bool:
    size = max(1, len(answer) // 12)
    for start in range(0, len(answer), size):
        writer.write(answer[start : start + size])
        await writer.drain()
        await asyncio.sleep(0.03)
    return True


def _reset(writer: asyncio.StreamWriter) -> None:
    connection: socket.socket | None = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def _made_up(harm: Harm, how: float) -> bytes:
    """An answer that Dub has never given."""
    page = b"<!DOCTYPE html><html><body><h1>Trouble between here and there</h1></body></html>"
    problem = b'{"error":{"code":"%s","message":"Scripted trouble."}}'
    match harm:
        case Harm.LIMITED:
            return _http(429, problem % b"rate_limit_exceeded", "application/json", _retry_after(how))
        case Harm.FAILED:
            return _http(500, problem % b"internal_server_error", "application/json")
        case Harm.BAD_GATEWAY:
            return _http(502, page)
        case Harm.UNAVAILABLE:
            return _http(503, page, retry_after=_retry_after(how) if how > 0.5 else None)
        case Harm.MISSING:
            return _http(404, page)
        case Harm.PAGE:
            return _http(200, page)
        case Harm.OTHER_JSON:
            return _http(200, b'{"maintenance": true}', "application/json")
        case Harm.EMPTY:
            return _http(200, b"", "application/json")
    raise AssertionError(harm)


def _retry_after(how: float) -> str:
    """As Dub says it, as its documentation does, as proxies do, and as nobody should."""
    soon = time.time() + 0.3
    ways = (f"{soon * 1000:.0f}", "1", f"{soon:.0f}", formatdate(soon, usegmt=True), "-5", "soon", "9" * 40)
    return ways[int(how * 1000) % len(ways)]


def _http(status: int, body: bytes, kind: str = "text/html", retry_after: str | None = None) -> bytes:
    head = f"HTTP/1.1 {status} Trouble\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n"
    if retry_after is not None:
        head += f"retry-after: {retry_after}\r\n"
    return head.encode() + b"\r\n" + body
