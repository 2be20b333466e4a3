"""The line about a failure, posted to a real server."""

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from dub_source.errors import TooManyDeletes, Unauthorized
from dub_source.failures import ExitCode, cause
from tests.reverse.conftest import MakePushWorld
from tests.reverse.world import PushWorld, command

HOOK = "RUNTIME__SLACK_INCOMING_HOOK"


class Hook(ThreadingHTTPServer):
    """Takes lines, or answers with another status."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.texts: list[str] = []
        self.status = 200
        self.body_of = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/secret-part"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        assert body.keys() == {"text"}
        self.server.texts.append(body["text"])
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(self.server.body_of))
        self.end_headers()

    def log_message(self, *arguments: object) -> None: ...


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    server = Hook()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(HOOK, server.url)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def world(make_push_world: MakePushWorld) -> PushWorld:
    return make_push_world(40)


def refused(world: PushWorld) -> BaseException:
    """What a load with a wrong key ends with."""
    with pytest.raises(PipelineStepFailed) as caught:
        world.load(api_key="dub_wrong")
    error = cause(caught.value)
    assert isinstance(error, Unauthorized)
    return error


def test_a_run_that_goes_well_tells_nobody(world: PushWorld, hook: Hook) -> None:
    world.load()
    assert hook.texts == []


def test_a_failure_is_told_once(world: PushWorld, hook: Hook) -> None:
    error = refused(world)
    assert hook.texts == [
        f"dub-source load into dub ({world.target.destination}) ended with exit code 4: {error}"
    ]


def test_a_guard_is_told_and_a_failure_within_another_run_once(world: PushWorld, hook: Hook) -> None:
    world.wish({each: {} for each in world.sandbox.ids()})
    with pytest.raises(TooManyDeletes) as refusal:
        world.plan(sync_mode="delete")
    with pytest.raises(PipelineStepFailed) as caught:
        world.plan(refresh=True, api_key="dub_wrong")
    guarded, failed = hook.texts
    assert guarded.startswith("dub-source plan into dub")
    assert guarded.endswith(f"exit code 8: {refusal.value}")
    assert failed.startswith("dub-source plan into dub")
    assert failed.endswith(f"exit code 4: {cause(caught.value)}")


def test_customers_who_cannot_be_read_are_told(world: PushWorld, hook: Hook) -> None:
    world.sandbox.insert(external_id=None)
    assert not world.load().report.complete
    (text,) = hook.texts
    assert "exit code 3: Incomplete" in text


def test_a_hook_that_refuses_changes_nothing_and_its_address_is_told_to_nobody(
    world: PushWorld, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.status = 403
    with caplog.at_level(logging.WARNING, "dub_source"):
        refused(world)
    assert "did not take the line about this failure (status 403)" in caplog.text
    assert "secret-part" not in caplog.text


@pytest.mark.parametrize(
    "address, why",
    (
        ("http://127.0.0.1:9/secret-part", "ConnectionError"),
        ("http://example.test/secret-part", "must be an https address"),
        ("secret-part", "must be an https address"),
        ("https://[secret-part", "ValueError"),
    ),
)
def test_an_address_that_cannot_be_used_changes_nothing(
    address: str,
    why: str,
    world: PushWorld,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(HOOK, address)
    with caplog.at_level(logging.WARNING, "dub_source"):
        refused(world)
    assert why in caplog.text
    assert "secret-part" not in caplog.text


def test_what_dlt_cannot_even_take_for_an_address_is_one_sentence(
    world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(HOOK, "true")
    code, _, told = command(world, "load")
    assert code == ExitCode.SETTINGS
    assert "slack_incoming_hook is no address" in told.splitlines()[-1]


def test_settings_that_cannot_be_read_change_nothing(tmp_path: Path) -> None:
    """They may be in a vault or in Airflow's database, which are away when the run has ended."""
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / "secrets.toml").write_text("[runtime")
    script = (
        "from types import SimpleNamespace\n"
        "from dub_source.destinations import Target\n"
        "from dub_source.failures import ExitCode\n"
        "from dub_source.runs.observed import observed\n"
        "run = observed('apply')(lambda target: SimpleNamespace(exit_code=ExitCode.NOT_ALL))\n"
        "print(run(Target()).exit_code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "9\n"
    assert "did not take the line about this failure (TomlProviderReadException)" in done.stderr


def test_the_answer_is_not_waited_for_and_the_address_is_in_no_log(
    world: PushWorld, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    hook.body_of = 1_000  # which never come
    with caplog.at_level(logging.DEBUG):
        refused(world)
    assert len(hook.texts) == 1
    assert "did not take" not in caplog.text
    assert "secret-part" not in caplog.text


def test_the_command_tells_it_and_ends_as_before(world: PushWorld, hook: Hook) -> None:
    code, said, told = command(world, "load", SOURCES__DUB__API_KEY="dub_wrong")
    assert (code, said) == (4, "")
    assert told.startswith("Error: ")
    assert len(hook.texts) == 1
