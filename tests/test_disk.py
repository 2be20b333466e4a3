"""A disk without room, and files that may not grow: a sentence, exit code 6, and nothing half-written."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from dub_source.disk import out_of_room
from dub_source.failures import ExitCode
from dub_source.sandbox import Sandbox
from tests.chaos.child import Circumstances
from tests.chaos.processes import ROOT
from tests.conftest import StartSandbox

CUSTOMERS = 600


@pytest.mark.parametrize(
    "code, words",
    (
        (errno.ENOSPC, "The disk is full: make room"),
        (errno.EDQUOT, "The disk is full: make room"),
        (
            errno.EFBIG,
            "A file has reached the largest size that the system allows: raise the limit (ulimit -f)",
        ),
        (errno.EIO, None),
    ),
)
def test_by_number_or_by_the_words_of_the_system(code: int, words: str | None) -> None:
    assert out_of_room(OSError(code, os.strerror(code), "customers of ann@example.com")) == words
    told = f'IO Error: Could not write file "/data/ann.duckdb": {os.strerror(code)}'
    assert out_of_room(duckdb.IOException(told)) == words
    assert out_of_room(ValueError(told)) is None


def load(sandbox: Sandbox, folder: Path, *, file_kb: int | None) -> subprocess.CompletedProcess[str]:
    place = ["--database", str(folder / "rows.duckdb"), "--pipelines-dir", str(folder / "working")]
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos.child", "load", "--mode", "full", *place],
        capture_output=True,
        check=False,
        text=True,
        cwd=ROOT,
        env={
            **os.environ,
            **Circumstances(file_kb=file_kb).as_environment(),
            "SOURCES__DUB__API_KEY": sandbox.key(),
            "SOURCES__DUB__BASE_URL": sandbox.url,
        },
    )


def rows(folder: Path) -> list[tuple[int, ...]]:
    with duckdb.connect(str(folder / "rows.duckdb"), read_only=True) as connection:
        sql = "SELECT count(*), count(DISTINCT id), count(*) FILTER (name = 'Changed') FROM dub.customers"
        return connection.execute(sql).fetchall()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for the size of files")
@pytest.mark.parametrize("file_kb", (0, 8, 64))
@pytest.mark.parametrize("is_first", (True, False), ids=("first load", "later load"))
def test_files_that_may_not_grow(
    start_sandbox: StartSandbox, tmp_path: Path, file_kb: int, is_first: bool
) -> None:
    sandbox = start_sandbox(CUSTOMERS)
    if not is_first:
        assert load(sandbox, tmp_path, file_kb=None).returncode == 0
        for customer_id in sandbox.ids()[:50]:
            sandbox.change(customer_id, name="Changed")
    ended = load(sandbox, tmp_path, file_kb=file_kb)
    assert ended.returncode == ExitCode.DESTINATION
    assert "Error: A file has reached the largest size that the system allows: raise" in ended.stderr
    assert "Traceback" not in ended.stderr
    if is_first:
        assert not (tmp_path / "rows.duckdb").exists(), "a first load that fails leaves no file"
    else:
        assert rows(tmp_path) == [(CUSTOMERS, CUSTOMERS, 0)]
    assert load(sandbox, tmp_path, file_kb=None).returncode == 0
    assert rows(tmp_path) == [(CUSTOMERS, CUSTOMERS, 0 if is_first else 50)]


def test_a_file_that_duckdb_was_killed_over_is_made_anew(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    """Its first two headers are there: DuckDB itself refuses such a file."""
    sandbox = start_sandbox(CUSTOMERS)
    duckdb.connect(str(tmp_path / "whole.duckdb")).close()
    (tmp_path / "rows.duckdb").write_bytes((tmp_path / "whole.duckdb").read_bytes()[:8192])
    with pytest.raises(duckdb.IOException):
        duckdb.connect(str(tmp_path / "rows.duckdb"))
    assert load(sandbox, tmp_path, file_kb=None).returncode == 0
    assert rows(tmp_path) == [(CUSTOMERS, CUSTOMERS, 0)]


def test_a_short_file_of_somebody_else_stays(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    (tmp_path / "rows.duckdb").write_bytes(b"notes of DUCK and other birds")
    ended = load(start_sandbox(1), tmp_path, file_kb=None)
    assert ended.returncode == ExitCode.DESTINATION
    assert "is not a DuckDB database" in ended.stderr
    assert (tmp_path / "rows.duckdb").read_bytes() == b"notes of DUCK and other birds"
