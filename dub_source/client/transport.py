"""Bytes out, bytes in: the HTTP side of the client, on requests' connection pool.

Requests are prepared by hand and given to the pool directly: that leaves out a third of the cost of a
request, and with it cookies, redirects and ``~/.netrc`` (``Session.request`` replaces the Authorization
header by a password it finds there). Proxies and certificates of the environment hold as usual, except that
this machine is never reached through a proxy.
"""

import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import cache

import requests
import urllib3.exceptions as u3
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from dub_source.settings import Settings


class Break(Enum):
    """How a request ended without a usable answer."""

    REFUSED = "The connection to Dub was refused"
    NAME = "The host name of base_url cannot be resolved"
    CONNECT_TIMEOUT = "No connection to Dub was made in time"
    CERTIFICATE = "The server's TLS certificate is not trusted"
    PROXY = "The proxy did not connect to Dub"
    READ_TIMEOUT = "Dub did not answer in time"
    RESET = "The connection to Dub broke before the answer came"
    CUT_OFF = "The answer ended before it was complete"


BEFORE_SENDING = frozenset({Break.REFUSED, Break.NAME, Break.CONNECT_TIMEOUT, Break.CERTIFICATE, Break.PROXY})
"""Those of them that happen before the first byte of a request leaves."""
_SET_S = 1.0
"""Seconds by which a clock must differ from the one that only ticks, to have been set."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whole. ``started_at`` and ``received_at`` are our clock's epoch seconds."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    started_at: float
    received_at: float


@dataclass(frozen=True, slots=True)
class Broken:
    """No answer, or half of one (then ``status`` is there)."""

    how: Break
    started_at: float
    received_at: float
    status: int | None = None


class _Watch:
    """When a request began and ended, in epoch seconds of one and the same clock.

    Ours may be set while the request is under way. Then the beginning is as the clock of now would have shown
    it: a beginning before and an end after it would say nothing of how far Dub's clock is from either.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began, self._ticks = clock(), time.monotonic()

    def read(self) -> tuple[float, float]:
        """Beginning and end."""
        ended, took = self._clock(), time.monotonic() - self._ticks
        was_set = abs(ended - self._began - took) > _SET_S
        return (ended - took if was_set else self._began), ended


class Transport:
    """One pool of connections to one server. Thread-safe."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._timeout = (settings.connect_timeout_s, settings.read_timeout_s)
        self._base_url = settings.base_url
        self._headers = {
            "Authorization": f"Bearer {settings.api_key}",
            "Accept": "application/json",
            "Accept-Encoding": "gzip, deflate",
            "User-Agent": settings.user_agent,
            "Connection": "keep-alive",
        }
        self._session = requests.Session()
        found = self._session.merge_environment_settings(settings.base_url, {}, None, None, None)
        self._proxies = {} if settings.is_loopback else dict(found["proxies"])
        self._verify = found["verify"] or True
        # One host, so one pool; it blocks when all its connections are out instead of opening more.
        self._adapter = HTTPAdapter(
            pool_connections=1, pool_maxsize=settings.max_connections, pool_block=True
        )
        self._session.mount("https://", self._adapter)
        self._session.mount("http://", self._adapter)

    def send(
        self, method: str, target: str, *, body: bytes | None = None, timeout: float | None = None
    ) -> Answer | Broken:
        """Send one request to ``target`` (path and query, encoded). Faults of the network are returned.

        ``timeout`` replaces the settings' read timeout (seconds).
        """
        prepared = self._prepare(method, target, body)
        limits = self._timeout if timeout is None else (min(self._timeout[0], timeout), timeout)
        watch = _Watch(self._clock)
        status: int | None = None
        try:
            with quiet_urllib3():
                response = self._adapter.send(
                    prepared, stream=True, timeout=limits, verify=self._verify, proxies=self._proxies
                )
                status = response.status_code
                try:
                    # Read whole and decoded at once; this also gives the connection back to the pool.
                    content = response.raw.read(decode_content=True)
                except BaseException:
                    response.raw.close()
                    raise
        except (OSError, u3.HTTPError) as error:
            # requests' exceptions are OSErrors. Nothing of `error` leaves this block but the kind of it.
            return Broken(_how(error, status), *watch.read(), status)
        return Answer(status, response.headers, content, *watch.read())

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def _prepare(self, method: str, target: str, body: bytes | None) -> requests.PreparedRequest:
        prepared = requests.PreparedRequest()
        prepared.method = method
        prepared.url = self._base_url + target
        prepared.headers = CaseInsensitiveDict(self._headers)
        if body is not None:
            prepared.headers["Content-Type"] = "application/json"
            prepared.headers["Content-Length"] = str(len(body))
            prepared.body = body
        return prepared


def _how(error: BaseException, status: int | None) -> Break:
    """Look through the layers (requests on urllib3 on http.client on the socket) for what happened."""
    layers = list(_layers(error))

    def any_is(*kinds: type[BaseException]) -> bool:
        return any(isinstance(layer, kinds) for layer in layers)

    if status is not None:
        return Break.READ_TIMEOUT if any_is(u3.ReadTimeoutError, requests.ReadTimeout) else Break.CUT_OFF
    if any_is(ssl.SSLCertVerificationError):
        return Break.CERTIFICATE
    if any_is(u3.ProxyError, requests.exceptions.ProxyError):
        return Break.PROXY
    if any_is(u3.NameResolutionError):
        return Break.NAME
    if any_is(u3.NewConnectionError):
        return Break.REFUSED
    if any_is(u3.ConnectTimeoutError, requests.ConnectTimeout):
        return Break.CONNECT_TIMEOUT
    if any_is(u3.ReadTimeoutError, requests.ReadTimeout, TimeoutError):
        return Break.READ_TIMEOUT
    return Break.RESET


def _layers(error: BaseException, depth: int = 8) -> Iterator[BaseException]:
    yield error
    if depth == 0:
        return
    inner = [*error.args, getattr(error, "reason", None), error.__cause__, error.__context__]
    for below in inner:
        if isinstance(below, BaseException):
            yield from _layers(below, depth - 1)


_sending = threading.local()


class _QuietFilter(logging.Filter):
    """Keeps urllib3 from logging our addresses, with their queries (at DEBUG; for odd headers at WARNING).

    Other users of urllib3 in the process keep their log lines.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_sending, "now", False)


_QUIET_FILTER = _QuietFilter()
_URLLIB3_LOGGERS = ("connectionpool", "connection", "poolmanager", "response", "util.retry")


@cache
def _install_quiet_filter() -> None:
    for name in _URLLIB3_LOGGERS:
        # addFilter ignores a filter that is there already.
        logging.getLogger(f"urllib3.{name}").addFilter(_QUIET_FILTER)


@contextmanager
def quiet_urllib3() -> Iterator[None]:
    """Keeps urllib3 from logging addresses that this thread asks for meanwhile."""
    _install_quiet_filter()
    _sending.now = True
    try:
        yield
    finally:
        _sending.now = False
