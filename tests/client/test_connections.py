"""How the client connects: proxies, redirects, cookies, refusals, threads."""

import socket
import threading
import time
from pathlib import Path
from urllib.parse import unquote

import pytest

from dub_source.client import DubClient
from dub_source.client.rate_limit import RateLimiter
from dub_source.client.retry import NO_RETRY
from dub_source.client.retry_after import ServerTimes
from dub_source.errors import (
    ConnectionFailed,
    UnexpectedRedirect,
)
from dub_source.settings import Settings
from tests.client.conftest import Serve
from tests.client.scripted_server import KEY, Reply, ScriptedServer, Seen, answer


@pytest.mark.parametrize("status", (301, 302, 303, 307, 308))
def test_redirects_are_not_followed(serve: Serve, status: int) -> None:
    elsewhere, _ = serve([answer([])])
    server, client = serve([Reply(status, b"", {"Location": elsewhere.url + "/customers"})])
    with pytest.raises(UnexpectedRedirect) as caught:
        client.list()
    with pytest.raises(UnexpectedRedirect) as of_write:
        client.update("cus_1", {})
    assert caught.value.status == status
    assert not of_write.value.may_have_committed
    assert len(server.seen) == 2
    # The key has gone nowhere else.
    assert elsewhere.seen == []


def test_netrc_does_not_replace_the_key(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\ndefault login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server, client = serve([answer([])])
    client.list()
    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"


def test_this_machine_is_not_reached_through_a_proxy(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, _ = serve([Reply(502)])
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server, client = serve([answer([])])
    client.list()
    assert proxy.seen == []
    assert len(server.seen) == 1


def test_other_machines_are_reached_through_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    # A proxy that answers no CONNECT: the request never leaves, and is safe to repeat.
    with ScriptedServer([Reply()]) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        with DubClient(Settings(KEY, base_url="https://dub.invalid"), retry=NO_RETRY) as client:
            with pytest.raises(ConnectionFailed) as caught:
                client.create({})
            assert not caught.value.sent
            assert "proxy" in str(caught.value)


def test_cookies_are_not_kept(serve: Serve) -> None:
    server, client = serve([Reply(200, b"[]", {"Set-Cookie": "a=b; Path=/"})])
    client.list()
    client.list()
    assert "Cookie" not in server.seen[1].headers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_refused_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    settings = Settings(KEY, base_url=f"http://127.0.0.1:{free_port()}")
    with DubClient(settings, sleep=slept.append) as client:
        for call, attempts in ((client.list, 8), (client.probe, 3), (lambda: client.create({}), 8)):
            with pytest.raises(ConnectionFailed, match="refused") as caught:
                call()
            # Nothing was sent, so even a POST is repeated.
            assert caught.value.attempts == attempts
            assert not caught.value.sent
            assert not caught.value.may_have_committed
    assert len(slept) == 7 + 2 + 7


def test_what_was_not_sent_does_not_count() -> None:
    limiter = RateLimiter(
        window_s=60.0, max_share=1.0, sleep=lambda _: pytest.fail("waited for the rate limit")
    )
    times = ServerTimes(limit=3, remaining=2)
    limiter.observe(limiter.acquire(), status=422, times=times, sent=time.time(), received=time.time())
    settings = Settings(KEY, base_url=f"http://127.0.0.1:{free_port()}")
    with DubClient(settings, limiter=limiter, sleep=lambda _: None) as client:
        with pytest.raises(ConnectionFailed) as caught:
            client.list()
        assert caught.value.attempts == 8


def test_unknown_host() -> None:
    with DubClient(Settings(KEY, base_url="https://dub.invalid"), retry=NO_RETRY) as client:
        with pytest.raises(ConnectionFailed) as caught:
            client.list()
        assert not caught.value.sent


def test_eight_threads(serve: Serve) -> None:
    def echo(seen: Seen) -> Reply:
        return answer({"id": unquote(seen.target.removeprefix("/customers/"))})

    server, client = serve(echo, max_connections=3)
    wrong: list[object] = []

    def work(thread: int) -> None:
        for number in range(50):
            wanted = f"cus_{thread}_{number}"
            if client.get(wanted)["id"] != wanted:
                wrong.append(wanted)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert client.stats.requests == 400
    assert len({seen.target for seen in server.seen}) == 400


def test_no_more_connections_than_allowed(serve: Serve) -> None:
    under_way, most = 0, 0
    lock = threading.Lock()

    def slow(_: Seen) -> Reply:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.02)
        with lock:
            under_way -= 1
        return answer([])

    _, client = serve(slow, max_connections=2)
    threads = [threading.Thread(target=client.list) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_clients_share_a_limiter(serve: Serve) -> None:
    server, client = serve([answer([])])
    limiter = RateLimiter(window_s=60.0, max_share=0.8)
    for _ in range(2):
        with DubClient(Settings(KEY, base_url=server.url), limiter=limiter) as other:
            other.list()
            assert other.limiter is limiter
    assert client.limiter is not limiter


def test_the_fastest_round_trip_is_remembered(serve: Serve) -> None:
    """The first one makes the connection, another may wait for the server."""
    delays = iter([0.1, 0.0, 0.1])

    def script(_: Seen) -> Reply:
        time.sleep(next(delays))
        return answer([])

    _, client = serve(script)
    seen = [client.round_trip_s]
    for _ in range(3):
        client.list()
        seen.append(client.round_trip_s)
    before, first, second, third = seen
    assert before is None
    assert first is not None
    assert second is not None
    assert first >= 0.1 > second > 0.0
    assert third == second
