"""A client that asks for pages as fast as it can, over keep-alive connections, and checks every answer.

Written for the purpose: a general client would be slower than the server it measures.
"""

import itertools
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks.failure import BenchmarkFailed

_SILENCE_S = 10.0
_LARGEST_ANSWER = 1 << 20


@dataclass(frozen=True, slots=True)
class Ask:
    """A request, and what answers it.

    Attributes:
        request: the bytes to send.
        body: the whole expected body; None accepts any, which is then kept by :func:`fetch`.
        fixed: whether the body is the same each time; if not, rows are counted and the first id is compared.
        rows: how many rows the body has.
    """

    request: bytes = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    fixed: bool = True
    rows: int = 0

    def check(self, body: bytearray) -> None:
        """Compare an answer with what is expected.

        Raises:
            BenchmarkFailed: if it is another one.
        """
        if self.body is None or body == self.body:
            return
        first = self.body.find(b",")
        if self.fixed or body[:first] != self.body[:first] or body.count(b'"createdAt":') != self.rows:
            raise BenchmarkFailed(
                f"An answer of {len(body):,} bytes came where another one of {len(self.body):,} was expected."
            )


@dataclass(frozen=True, slots=True)
class Pressure:
    """What came back: answers, their bytes, and the seconds it took."""

    answers: int
    bytes_read: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds


def request_bytes(url: str, key: str, target: str) -> bytes:
    """A GET of ``target`` (path and query)."""
    host = urlsplit(url).netloc
    return f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n\r\n".encode()


def fetch(url: str, asks: Sequence[Ask]) -> list[bytes]:
    """The bodies that answer these requests, one after the other."""
    with _Connection(url) as connection:
        connection.socket.settimeout(_SILENCE_S)
        return [bytes(connection.ask_and_wait(ask)) for ask in asks]


def press(url: str, asks: Sequence[Ask], *, connections: int, seconds: float) -> Pressure:
    """Ask in turn over all connections, one request under way on each, for so many seconds.

    Raises:
        BenchmarkFailed: at the first answer that is not 200 with the expected body.
    """
    turn = itertools.cycle(asks)
    open_ones = [_Connection(url) for _ in range(connections)]
    try:
        return _press(open_ones, turn, seconds)
    finally:
        for each in open_ones:
            each.socket.close()


def _press(connections: "Sequence[_Connection]", turn: Iterator[Ask], seconds: float) -> Pressure:
    answers = bytes_read = 0
    waiting = len(connections)
    with selectors.DefaultSelector() as selector:
        for each in connections:
            each.socket.setblocking(False)
            selector.register(each.socket, selectors.EVENT_READ, each)
        began = time.perf_counter()
        deadline = began + seconds
        for each in connections:
            each.send(next(turn))
        while waiting:
            ready = selector.select(_SILENCE_S)
            if not ready:
                raise BenchmarkFailed(f"The server was silent for {_SILENCE_S:.0f} s.")
            for key, _ in ready:
                connection: _Connection = key.data
                size = connection.receive()
                if not size:
                    continue
                answers += 1
                bytes_read += size
                if time.perf_counter() < deadline:
                    connection.send(next(turn))
                else:
                    waiting -= 1
        return Pressure(answers, bytes_read, time.perf_counter() - began)


class _Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        place = (address.hostname or "", address.port or 0)
        self.socket = socket.create_connection(place, timeout=_SILENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray(_LARGEST_ANSWER)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._body_at = 0
        self._end = 0
        self._ask: Ask | None = None

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def ask_and_wait(self, ask: Ask) -> bytearray:
        """Send, and block until the whole answer is there; its body."""
        self.send(ask)
        while not self.receive():
            pass
        return self._buffer[self._body_at : self._end]

    def send(self, ask: Ask) -> None:
        self._ask = ask
        self._filled = self._end = 0
        # Some 200 bytes into an empty send buffer: never in part.
        self.socket.sendall(ask.request)

    def receive(self) -> int:
        """Read what is there; the size of the body when that completes the answer, else 0."""
        count = self.socket.recv_into(self._view[self._filled :])
        if not count:
            raise BenchmarkFailed("The server closed a connection before its answer was complete.")
        self._filled += count
        if not self._end and not self._read_head():
            return 0
        if self._filled < self._end:
            return 0
        if self._filled > self._end or self._ask is None:
            raise BenchmarkFailed("The server sent more than one answer.")
        self._ask.check(self._buffer[self._body_at : self._end])
        return self._end - self._body_at

    def _read_head(self) -> bool:
        """Whether the head is complete; if so, where the body begins and ends is known."""
        at = self._buffer.find(b"\r\n\r\n", 0, self._filled)
        if at < 0:
            return False
        head = bytes(self._view[:at]).lower()
        if not head.startswith(b"http/1.1 200 "):
            raise BenchmarkFailed(f"The server answered {head.splitlines()[0].decode('latin-1')}.")
        _, found, rest = head.partition(b"\r\ncontent-length: ")
        if not found:
            raise BenchmarkFailed("The server answered without a Content-Length.")
        self._body_at = at + 4
        self._end = self._body_at + int(rest.partition(b"\r\n")[0])
        return True
