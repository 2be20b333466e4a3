"""The program as a whole: help, streams, progress, the demo."""

import contextlib
import os
import pty
import re
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from dub_source.cli.commands import dub_source
from dub_source.sandbox import Sandbox
from tests.cli.conftest import program


def test_help_answers_at_once() -> None:
    fastest = 99.0
    for _ in range(3):
        began = time.monotonic()
        result = program("--help")
        fastest = min(fastest, time.monotonic() - began)
        assert result.returncode == 0
        assert dub_source.commands.keys() <= set(result.stdout.split())
    assert fastest < 0.5


def test_every_option_and_command_has_a_help_text() -> None:
    for name, command in dub_source.commands.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                assert str(parameter.metavar or parameter.name).upper() in command.help, (
                    name,
                    parameter.name,
                )
            else:
                assert isinstance(parameter, click.Option)
                assert parameter.help, (name, parameter.name)


@pytest.mark.slow
def test_streams_that_are_closed_full_or_ascii(sandbox: Sandbox, tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "dub-source"

    def shell(redirect: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", f'"$0" "$@" {redirect}', str(script), "load", *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            # Unbuffered streams would hide what fails when the process ends.
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
            | environment,
        )

    for redirect in ("2>&-", "2>/dev/full", "<&- >&- 2>&-"):
        assert shell(redirect).returncode == 0, redirect
    full = shell(">/dev/full")
    assert full.returncode == 1
    assert "Error: The result could not be written to the standard output" in full.stderr
    assert "Traceback" not in full.stderr
    ascii_only = shell("", "--database", "küche.duckdb", PYTHONIOENCODING="ascii")
    assert ascii_only.returncode == 0
    assert "che.duckdb: table dub.customers has 120 rows." in ascii_only.stdout


def test_demo_shows_that_all_arrived_and_what_a_plain_walk_loses(tmp_path: Path) -> None:
    result = program("demo", cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)})
    assert result.returncode == 0, result.stderr
    assert "Of 4,000 customers in the workspace, 4,000 are in dub_demo.duckdb." in result.stdout
    assert "finds 3,497 and loses 503" in result.stdout
    assert "5 created, 0 updated, 0 deleted." in result.stdout
    assert "0 created, 3 updated, 2 deleted." in result.stdout
    assert re.search(r'updated +\["name"\] +3\n', result.stdout)
    assert "update    5 (country 1, external_id 1, name 3)" in result.stdout
    outcomes = re.findall(r"^  (?:update|delete) +\{.*\} +(\w+) +(\d+)", result.stdout, re.MULTILINE)
    assert sorted(outcomes) == [
        ("accepted_not_applied", "200"),
        *[("applied", "200")] * 4,
        ("rejected", "409"),
    ]
    surprises = result.stdout.partition("Loaded again")[2]
    assert "1 created, 0 updated, 0 deleted." in surprises
    assert "Revenue by country" in result.stdout


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(sandbox: Sandbox, tmp_path: Path) -> None:
    lines = program("load", cwd=tmp_path)
    assert lines.stderr.splitlines() == [
        "Reading 120 customers",
        "Read 120 customers; loading what has changed",
    ]
    ours, theirs = pty.openpty()
    script = Path(sys.executable).parent / "dub-source"
    with subprocess.Popen(
        [script, "load", "--mode", "full"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    ) as terminal:
        os.close(theirs)
        drawn = b""
        with contextlib.suppress(OSError):  # how Linux says that the other side has closed
            while piece := os.read(ours, 4096):
                drawn += piece
    os.close(ours)
    assert terminal.returncode == 0
    assert "120/120" in drawn.decode()
    assert "━" in drawn.decode()
