"""Each benchmark at a tiny size: does it measure what it says, and does it notice when it does not?"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pages, peers, readers
from benchmarks.failure import BenchmarkFailed
from benchmarks.peers import Workspace
from benchmarks.pressure import Ask, press, request_bytes
from benchmarks.process import ROOT, run
from benchmarks.readers import READERS, Delivered
from benchmarks.server import Options, Server
from dub_source.sandbox import Sandbox
from dub_source.sandbox.generate import generate

QUIET = Workspace("quiet", Options(customers=400, log=True))
BUSY = Workspace("busy", Options(customers=2_000, log=True, deletes=True))


def by_reader(rows: Any) -> dict[str, dict[str, Any]]:
    return {row["reader"]: row for row in rows}


@pytest.mark.slow
def test_pages_measures_every_setting() -> None:
    result = pages.measure(customers=300, seconds=0.05, repeats=1)
    settings = [(row["setting"], row["expanded"]) for row in result.rows]
    assert settings == [(each.name, expanded) for each in pages.SETTINGS for expanded in (False, True)]
    for row in result.rows:
        assert row["pages_per_second"] > 20
        assert row["bytes_a_page"] > 20_000
    assert str(result.tables[0]).count("\n| ") == len(settings) + 2  # and the header


def test_pages_needs_enough_customers() -> None:
    with pytest.raises(BenchmarkFailed, match="at least 200"):
        pages.measure(customers=199)


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives every request the same answer, and then closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


ROW = b'{"id":"%s","createdAt":""}'
PAGE = b"[" + ROW % b"a" + b"," + ROW % b"b" + b"]"


def http(body: bytes, status: bytes = b"200 OK", length: int | None = None) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, length or len(body), body)


@pytest.mark.parametrize(
    "answer, fixed, sentence",
    (
        (http(PAGE, b"500 Internal Server Error"), True, "http/1.1 500"),
        (http(PAGE, length=len(PAGE) + 1), True, "closed a connection"),
        (http(PAGE.replace(b'"b"', b'"c"')), True, "another one"),
        (http(b"[" + ROW % b"a" + b"]"), False, "another one"),
        (http(PAGE.replace(b'"a"', b'"c"')), False, "another one"),
        (http(PAGE) + b"HTTP/1.1", True, "more than one answer"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + PAGE, True, "without a Content-Length"),
    ),
)
def test_pressure_notices_a_wrong_answer(answer: bytes, fixed: bool, sentence: str) -> None:
    with answering(answer) as url:
        ask = Ask(request_bytes(url, "key", "/customers"), PAGE, fixed=fixed, rows=2)
        with pytest.raises(BenchmarkFailed, match=sentence):
            press(url, [ask], connections=1, seconds=0.05)


def test_pressure_accepts_another_random_name() -> None:
    with answering(http(PAGE.replace(b'"createdAt":""', b'"createdAt":"","name":"Shy Owl"'))) as url:
        ask = Ask(request_bytes(url, "key", "/customers"), PAGE, fixed=False, rows=2)
        assert press(url, [ask], connections=1, seconds=0).answers == 1


@pytest.mark.slow
def test_peers_says_what_each_reader_misses() -> None:
    quick = [reader.name for reader in READERS if reader.name != "dlt-pages"]
    result = peers.measure([QUIET], repeats=1, only=quick)
    rows = by_reader(result.rows)
    assert list(rows) == quick
    assert {row["expected"] for row in result.rows} == {400}
    assert {row["error"] for row in result.rows} == {None}
    assert rows["dub-source"]["missing"] == rows["dub-source"]["repeated"] == 0
    # The SDK's next() never finds a cursor; offset paging is right as long as nothing moves.
    assert (rows["sdk"]["missing"], rows["sdk"]["requests"]) == (300, 1)
    assert rows["offset"]["missing"] == 0
    # One scheme, one loss, whoever follows it.
    assert rows["dlt-cursor"]["missing"] == rows["dlt-parquet"]["missing"] == rows["loop-desc"]["missing"] > 0
    assert rows["loop-asc"]["missing"] > 0
    text = str(result.tables[0])
    assert all(reader.title in text for reader in READERS if reader.name in quick)
    assert text.splitlines()[4].startswith("|   100.0 |")


@pytest.mark.slow
def test_peers_under_deletes() -> None:
    rows = by_reader(peers.measure([BUSY], repeats=1, only=("dub-source", "dlt-pages")).rows)
    assert rows["dub-source"]["missing"] == 0
    assert 0 < rows["dlt-pages"]["missing"] < 30


@pytest.mark.slow
def test_peers_finds_the_recorded_losses(recordings: Path) -> None:
    spaces = [Workspace("recorded", Options(seed=str(recordings / "seed.json"), log=True))]
    rows = by_reader(peers.measure(spaces, repeats=2, only=("loop-desc", "loop-asc", "offset")).rows)
    outcome = {name: (row["expected"], row["missing"], row["repeated"]) for name, row in rows.items()}
    assert outcome == {"loop-desc": (1_000, 40, 0), "loop-asc": (1_000, 709, 27), "offset": (1_000, 0, 0)}


def test_peers_counts_only_customers_that_were_there_all_the_time() -> None:
    (row,) = peers.measure([BUSY], repeats=1, only=("offset",)).rows
    assert row["expected"] == 2_000 - row["requests"]
    assert 0 < row["missing"] < 30


def test_a_reader_keeps_what_it_has_and_names_its_error(tmp_path: Path) -> None:
    with Sandbox(generate(150), rate_limit=1) as sandbox:
        delivered = readers._offset(sandbox.url, sandbox.key(), tmp_path)
    assert (delivered.rows, delivered.error) == (100, "HTTPError")


def test_runs_that_differ_are_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    real = peers._theirs
    extra = iter(((), ("again",)))

    def unsteady(server: Server, reader: readers.Reader) -> tuple[Any, Delivered, list[str]]:
        process, delivered, ids = real(server, reader)
        return process, delivered, [*ids, *next(extra)]

    monkeypatch.setattr(peers, "_theirs", unsteady)
    with pytest.raises(BenchmarkFailed, match="did not read the same"):
        peers.measure([QUIET], repeats=2, only=("loop-desc",))


def test_absent_recordings_are_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DUB_SOURCE_RECORDINGS", str(tmp_path))
    with pytest.raises(BenchmarkFailed, match="DUB_SOURCE_RECORDINGS"):
        peers.workspaces()


@pytest.mark.slow
def test_the_command_prints_a_table_and_writes_json(tmp_path: Path) -> None:
    arguments = "peers --without-recordings --customers 150 --only loop-desc --repeats 1".split()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--results", str(tmp_path), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "| found % |" in done.stdout
    written = json.loads((tmp_path / "peers.json").read_text(encoding="utf-8"))
    assert written["command"] == "python -m benchmarks " + " ".join(arguments)
    assert written["machine"]["cores"] >= 1
    assert written["versions"]["dlt"].startswith("1.31.")
    assert [row["reader"] for row in written["results"]] == ["loop-desc", "loop-desc"]
    assert str(tmp_path) not in json.dumps(written)


def test_memory_is_that_of_the_program_alone(tmp_path: Path) -> None:
    ours = bytearray(300_000_000)
    ours[::4096] = b"x" * len(ours[::4096])
    finished = run([sys.executable, "-c", "print('ran')"], folder=tmp_path)
    assert finished.output == "ran\n"
    assert finished.peak_mb < 100
    assert 0 < finished.cpu_s <= finished.seconds * 2 + 0.1


def test_a_program_that_fails_says_so(tmp_path: Path) -> None:
    finished = run([sys.executable, "-c", "import sys; sys.exit('no luck')"], folder=tmp_path)
    assert (finished.status, finished.last_words()) == (1, "no luck")


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_a_program_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.process._TIMEOUT_S", 3)
    program = "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)"
    with pytest.raises(BenchmarkFailed, match="did not end within 3 s"):
        run([sys.executable, "-c", program], folder=tmp_path)
    pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
    while exists(pid):  # until somebody has taken note of its end; the test's own timeout is the limit
        time.sleep(0.05)
