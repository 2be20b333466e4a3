"""A pytest plugin that writes down which package was tested, and why tests failed."""

import json
import os
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

PLACE = "DUB_SOURCE_VERDICT"
"""The environment variable that names the file to write."""


class Verdict:
    """Counts outcomes; ``failures`` are those of the tests themselves, by the class of their exception."""

    def __init__(self) -> None:
        self._outcomes: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call" or report.failed:
            self._outcomes[report.outcome if report.when == "call" else f"error in {report.when}"] += 1
        if report.failed and report.when == "call" and call.excinfo is not None:
            is_late = "from pytest-timeout" in str(call.excinfo.value)
            self._failures["Timeout" if is_late else call.excinfo.typename] += 1
        return report

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._outcomes["error in collection"] += 1

    def pytest_sessionfinish(self) -> None:
        found = {
            "outcomes": dict(self._outcomes),
            "failures": dict(self._failures),
            "modules": {
                name: getattr(module, "__file__", None)
                for name, module in sys.modules.items()
                if name.partition(".")[0] == "dub_source"
            },
        }
        Path(os.environ[PLACE]).write_text(json.dumps(found), encoding="utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Take part in runs that ask for a verdict."""
    if os.environ.get(PLACE):
        config.pluginmanager.register(Verdict())
