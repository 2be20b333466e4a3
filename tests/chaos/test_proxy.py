"""The proxy does to requests what it says, and its decisions follow from the seed."""

import random
from collections.abc import Iterator

import pytest
import requests

from dub_source.sandbox import Sandbox
from tests.chaos import proxy as module
from tests.chaos.proxy import FaultProxy, Line
from tests.chaos.weather import PASSED_ON, Forecast, Harm, Weather
from tests.conftest import StartSandbox

Answered = tuple[int, bytes] | str


class Always(Forecast):
    """The same to every request."""

    def __init__(self, harm: Harm, how: float = 0.5) -> None:
        super().__init__(Weather())
        self._said = harm, how

    def next(self) -> tuple[Harm, float]:
        return self._said


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(30)


@pytest.fixture
def proxy(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    monkeypatch.setattr(module, "_STALL_S", 1.0)
    with FaultProxy(sandbox.port) as running:
        yield running


def send(line: Line, sandbox: Sandbox, method: str, path: str, **body: str) -> Answered:
    headers = {"Authorization": f"Bearer {sandbox.key()}"}
    try:
        answer = requests.request(
            method, line.url + path, headers=headers, json=body or None, timeout=0.7 if method == "GET" else 3
        )
    except requests.RequestException as error:
        return type(error).__name__
    return answer.status_code, answer.content


def opened(proxy: FaultProxy, harm: Harm, how: float = 0.5) -> Line:
    line = proxy.open("p")
    line.forecast = Always(harm, how)
    return line


EXPECTED: dict[Harm, object] = {
    Harm.NONE: 200,
    Harm.DELAY: 200,
    Harm.DRIP: 200,
    Harm.RESET: "ConnectionError",
    Harm.MIDWAY: "ConnectionError",
    Harm.TRUNCATED: "ChunkedEncodingError",
    Harm.STALL: "ReadTimeout",
    Harm.DROPPED: "ConnectionError",
    Harm.STALLED_AFTER: "ReadTimeout",
    Harm.LIMITED: 429,
    Harm.FAILED: 500,
    Harm.BAD_GATEWAY: 502,
    Harm.UNAVAILABLE: 503,
    Harm.MISSING: 404,
    Harm.PAGE: 200,
    Harm.OTHER_JSON: 200,
    Harm.EMPTY: 200,
    Harm.GARBAGE: "ConnectionError",
}


def test_every_harm_is_tested() -> None:
    assert EXPECTED.keys() == set(Harm)


@pytest.mark.parametrize("harm", list(Harm))
def test_what_becomes_of_a_request(proxy: FaultProxy, sandbox: Sandbox, harm: Harm) -> None:
    line = opened(proxy, harm)
    answered = send(line, sandbox, "GET", "/customers?pageSize=30")
    assert (answered if isinstance(answered, str) else answered[0]) == EXPECTED[harm]
    proxy.settle()
    assert len(sandbox.requests) == (harm in PASSED_ON)
    assert proxy.injected == {harm.value: 1}
    if harm in (Harm.NONE, Harm.DELAY, Harm.DRIP):
        assert not isinstance(answered, str)
        assert answered[1].startswith(b'[{"id":')


@pytest.mark.parametrize("harm", (Harm.NONE, Harm.DROPPED, Harm.RESET, Harm.TRUNCATED, Harm.PAGE))
def test_the_ledger_knows_what_dub_has_got(proxy: FaultProxy, sandbox: Sandbox, harm: Harm) -> None:
    line = opened(proxy, harm)
    customer = sandbox.ids()[0]
    send(line, sandbox, "PATCH", f"/customers/{customer}", name="Written")
    proxy.settle()
    is_written = sandbox.snapshot()[customer]["name"] == "Written"
    assert is_written == (harm in PASSED_ON)
    ledger = [(each.process, each.method, each.target, each.status) for each in proxy.ledger]
    assert ledger == [("p", "PATCH", f"/customers/{customer}", 200)] * is_written


def test_connections_stay_open_and_hooks_are_told(proxy: FaultProxy, sandbox: Sandbox) -> None:
    line, told = opened(proxy, Harm.NONE), []
    line.on_request = lambda number, method: told.append(("asked", number, method))
    line.on_answered = lambda number, method: told.append(("answered", number, method))
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {sandbox.key()}"
        for _ in range(2):
            assert session.get(f"{line.url}/customers?pageSize=1", timeout=5).status_code == 200
    assert told == [(what, number, "GET") for number in (1, 2) for what in ("asked", "answered")]


def test_a_process_has_a_way_of_its_own_that_can_be_closed(proxy: FaultProxy, sandbox: Sandbox) -> None:
    first, second = proxy.open("first"), proxy.open("second")
    proxy.close(first)
    assert send(first, sandbox, "GET", "/customers") == "ConnectionError"
    assert send(second, sandbox, "GET", "/customers/count") == (200, b"30")


def test_decisions_follow_from_the_seed() -> None:
    def decided(seed: str) -> list[tuple[Harm, float]]:
        forecast = Forecast(Weather(seed, 0.3, outage_from=20, outage_requests=5))
        return [forecast.next() for _ in range(200)]

    assert decided("a") == decided("a") != decided("b")
    harms = [harm for harm, _ in decided("a")]
    assert Harm.NONE not in harms[20:25]
    assert 30 <= sum(harm is not Harm.NONE for harm in harms) <= 100


def test_calm_weather_harms_nobody() -> None:
    forecast = Forecast(Weather(str(random.Random(0).random())))
    assert {forecast.next()[0] for _ in range(100)} == {Harm.NONE}
