"""What a reader has when a command of the documentation is typed, and how it is run."""

import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from dub_source.cli.commands import dub_source
from dub_source.sandbox import Sandbox
from tests.docs.pages import program_arguments

PLAN = "plan_8ec5142d"
"""The plan that stands for the reader's own."""
KEY = "dub_..."
PERSON = "ada@example.com"
_PLAN_ID = re.compile(r"plan_[0-9a-f]{24}")
_ANNOUNCED = re.compile(r"Sandbox Dub API on http://127\.0\.0\.1:\d+ with [\d,]+ customers\. Keys:\n")


class World:
    """A folder, workspaces, and what was typed so far."""

    def __init__(self, folder: Path, sandboxes: list[Sandbox], monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.sandboxes, self._monkeypatch = folder, sandboxes, monkeypatch
        self.plan_id = PLAN
        first = sandboxes[0]
        first.change(first.ids()[-1], email=PERSON)

    def with_key(self) -> None:
        """Set the key, as a reader has."""
        self._monkeypatch.setenv("SOURCES__DUB__API_KEY", self.sandboxes[0].key())

    def export(self, name: str, value: str) -> None:
        """Set a variable; the key that stands for the reader's own becomes that of the sandbox."""
        if value == KEY:
            self.with_key()
        elif "..." not in value:
            self._monkeypatch.setenv(name, value)

    def run(self, line: str) -> str:
        """Type a line that calls dub-source, and read what it says.

        Raises:
            AssertionError: if it does not end with exit code 0.
        """
        arguments = program_arguments(line)
        assert arguments, line
        if arguments[0] == "sandbox":
            return self._look_at_sandbox(arguments)
        if arguments[0] == "plan":
            self.decide("_acme" if "acme" in arguments else "")
        result = self._invoke([self.plan_id if each == PLAN else each for each in arguments])
        assert result.exit_code == 0, (line, result.output)
        found = _PLAN_ID.search(result.stdout)
        if arguments[0] == "plan":
            assert found, (line, result.output)
            self.plan_id = found[0]
        return result.stdout

    def decide(self, workspace: str = "") -> None:
        """Put another decision into the table crm.people, and a file of a sync beside it."""
        with closing(duckdb.connect(self.folder / f"dub_customers{workspace}.duckdb")) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS crm")
            connection.execute(
                "CREATE OR REPLACE TABLE crm.people AS SELECT id, id AS dub_id, true AS verified, "
                "concat(name, ' Jr') AS full_name "
                f"FROM dub{workspace}.customers WHERE deleted_at IS NULL AND name IS NOT NULL "
                "ORDER BY id LIMIT 3"
            )

    def ids(self) -> list[str]:
        """Customers of the first workspace."""
        return self.sandboxes[0].ids()

    def _invoke(self, arguments: list[str]) -> Result:
        return CliRunner().invoke(dub_source, arguments, catch_exceptions=False)

    def _look_at_sandbox(self, arguments: list[str]) -> str:
        # At a free port: the one of the documentation may be somebody else's now.
        command = [str(Path(sys.executable).with_name("dub-source")), *arguments, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            said: str = process.stdout.readline()
            process.terminate()
        assert _ANNOUNCED.fullmatch(said), said
        return said
