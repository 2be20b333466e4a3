"""Deadlines: nothing is sent after them, nobody waits beyond them."""

import pytest

from dub_source.client import DubClient
from dub_source.deadline import Deadline
from dub_source.errors import OutOfTime, SettingsError
from dub_source.failures import ExitCode, explain
from dub_source.sandbox import Fault
from dub_source.settings import Settings
from dub_source.sync import Options
from tests.client.fake_time import FakeTime
from tests.conftest import StartSandbox


def test_it_is_over_when_its_moment_has_come() -> None:
    time = FakeTime()
    deadline = Deadline.after(10.0, time.clock)
    time.sleep(9.0)
    deadline.check()
    assert not deadline.is_over
    time.sleep(1.0)
    with pytest.raises(OutOfTime):
        deadline.check()
    deadline.later(5.0).check()


def test_without_one_there_is_always_time() -> None:
    Deadline.after(None).check()
    waited: list[float] = []
    Deadline().waiting(waited.append)(1e9)
    assert waited == [1e9]


def test_nobody_waits_beyond_it() -> None:
    time = FakeTime()
    began = time.clock()
    wait = Deadline.after(10.0, time.clock).waiting(time.sleep)
    wait(4.0)
    with pytest.raises(OutOfTime):
        wait(3600.0)
    assert time.clock() - began == 10.0
    with pytest.raises(OutOfTime):
        wait(1.0)
    assert time.clock() - began == 10.0


def test_a_client_sends_nothing_after_it(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(3)
    time = FakeTime()
    deadline = Deadline.after(10.0, time.clock)
    with DubClient(Settings(api_key=sandbox.key(), base_url=sandbox.url), deadline=deadline) as client:
        assert len(client.list().customers) == 3
        sent = len(sandbox.requests)
        time.sleep(10.0)
        with pytest.raises(OutOfTime):
            client.list()
    assert len(sandbox.requests) == sent


def test_a_client_gives_up_waiting_for_a_server_that_fails(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(3)
    sandbox.inject(Fault("status", status=503, containing="/customers", times=100))
    time = FakeTime()
    began = time.clock()
    with (
        DubClient(
            Settings(api_key=sandbox.key(), base_url=sandbox.url),
            clock=time.clock,
            sleep=time.sleep,
            deadline=Deadline.after(3.0, time.clock),
        ) as client,
        pytest.raises(OutOfTime),
    ):
        client.list()
    assert time.clock() - began == pytest.approx(3.0)


@pytest.mark.parametrize("seconds", (0, -1.0, float("nan"), True, "5"))
def test_what_is_no_time(seconds: object) -> None:
    with pytest.raises(SettingsError, match="max_seconds"):
        Options(max_seconds=seconds)  # type: ignore[arg-type]


def test_it_has_an_exit_code_and_a_sentence_of_its_own() -> None:
    failure = explain(OutOfTime())
    assert failure.exit_code is ExitCode.OUT_OF_TIME
    assert failure.sentence.startswith("The time is up (max_seconds): nothing is half-written.")
