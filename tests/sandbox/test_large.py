"""A million customers, from the command line."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.sandbox.http_api import Api

READY_WITHIN_S = 60
MEMORY_KB = 2_000_000
_ADDRESS = re.compile(r"Sandbox Dub API on (http://127\.0\.0\.1:\d+) with 1,000,000 customers")
_OWNER = re.compile(r"owner +(dub_\w+)")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(150),
    pytest.mark.skipif(
        not Path("/proc/self/status").exists(), reason="Peak memory is read from Linux's /proc."
    ),
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """``dub-source sandbox`` with a million customers, and the file that it prints into."""
    command = [sys.executable, "-c", "from dub_source.cli import main; main()", "sandbox"]
    output = tmp_path / "output.txt"
    with output.open("w", encoding="utf-8") as sink:
        process = subprocess.Popen(
            [*command, "--port", "0", "--customers", "1000000", "--rate-limit", "off"],
            stdout=sink, stderr=sink, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    try:
        yield process, output
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def peak_kb(process: subprocess.Popen[str]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0])


def test_a_million_customers_are_ready_in_60_s_and_2_gb(server: tuple[subprocess.Popen[str], Path]) -> None:
    process, output = server
    began = time.monotonic()
    while not (address := _ADDRESS.search(text := output.read_text(encoding="utf-8"))) or not _OWNER.search(
        text
    ):
        assert process.poll() is None, text
        assert time.monotonic() - began < READY_WITHIN_S, text
        time.sleep(0.1)
    key = _OWNER.search(text)
    assert key is not None
    api = Api(address[1], key[1])
    with closing(api.connection):
        assert api.count() == 1_000_000
        cursor = api.listed(pageSize=1).ids[0]
        found: set[str] = set()
        for _ in range(100):
            page = api.listed(startingAfter=cursor, includeExpandedFields="true").ids
            found.update(page)
            cursor = page[-1]
        assert len(found) == 10_000
        assert len(api.listed(sortBy="saleAmount", page=1000).ids) == 100
    assert peak_kb(process) < MEMORY_KB
    assert time.monotonic() - began < READY_WITHIN_S + 30
