"""Says at the end of a test run how often everything happened that the promises were held against."""

import pytest

from tests.sync.conftest import make_world

__all__ = ["make_world"]

HAPPENED = "happened"
"""Under this name a test records what happened in it, as text."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One section for each test that counts."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == HAPPENED:
                    terminalreporter.section(f"What happened in {report.nodeid.rpartition('::')[2]}")
                    terminalreporter.write_line(str(value))
