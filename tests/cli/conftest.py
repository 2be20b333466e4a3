"""A sandbox that the settings lead to, and the command in a folder of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dub_source import runs
from dub_source.cli.commands import dub_source
from dub_source.destinations import Target
from dub_source.sandbox import Sandbox
from tests.conftest import StartSandbox

Run = Callable[..., Result]
KEY, ADDRESS = "SOURCES__DUB__API_KEY", "SOURCES__DUB__BASE_URL"


@pytest.fixture
def sandbox(start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    sandbox = start_sandbox(120, rate_limit=None)
    monkeypatch.setenv(KEY, sandbox.key())
    monkeypatch.setenv(ADDRESS, sandbox.url)
    monkeypatch.chdir(tmp_path)
    return sandbox


@pytest.fixture
def run(sandbox: Sandbox) -> Run:
    return invoke


def invoke(*arguments: str) -> Result:
    """The command in this process."""
    return CliRunner().invoke(dub_source, list(arguments), catch_exceptions=False)


def load(sandbox: Sandbox, target: Target | None = None, **options: Any) -> None:
    """From there with its own key, which the commands that look do not have."""
    runs.load(target or Target(), api_key=sandbox.key(), base_url=sandbox.url, **options)


def sentence(result: Result) -> str:
    """The error; exactly one line, nothing else."""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("Read")]
    assert len(lines) == 1, result.stderr
    assert result.stdout == ""
    assert lines[0].startswith("Error: ")
    assert lines[0].endswith(".")
    return lines[0]


def program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command as a process."""
    script = Path(sys.executable).parent / "dub-source"
    return subprocess.run([script, *arguments], capture_output=True, text=True, check=False, **options)
