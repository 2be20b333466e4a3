"""What all tests share: the recordings of Dub's server, sandboxes, and a dlt that keeps to itself."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dub_source.sandbox import Dataset, Sandbox, load_seed
from dub_source.sandbox.generate import generate

_ROOT = Path(__file__).parent.parent
RECORDINGS = Path(os.environ.get("DUB_SOURCE_RECORDINGS") or _ROOT.parent / "shared" / "dub-api").resolve()

StartSandbox = Callable[..., Sandbox]


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded exchanges with Dub's open-source server."""
    if not (RECORDINGS / "seed.json").is_file():
        pytest.skip("The recordings are absent: set DUB_SOURCE_RECORDINGS to their folder.")
    return RECORDINGS


@pytest.fixture
def seed(recordings: Path) -> Dataset:
    """The workspaces on which the recordings were made, fresh for each test."""
    return load_seed(recordings / "seed.json")


@pytest.fixture
def start_sandbox() -> Iterator[StartSandbox]:
    """Start sandboxes that end with the test: ``start_sandbox(dataset or how many, **options)``."""
    with ExitStack() as stack:

        def start(dataset: Dataset | int = 100, **options: Any) -> Sandbox:
            data = generate(dataset) if isinstance(dataset, int) else dataset
            return stack.enter_context(Sandbox(data, **{"rate_limit": 0, **options}))

        yield start


@pytest.fixture(autouse=True)
def _private_dlt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads this machine's dlt folders, keys or settings."""
    for name in list(os.environ):
        if name.startswith(("SOURCES__", "DESTINATION__", "DUB_SOURCE_DEBUG")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt-data"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that the most important tests did not run."""
    if not (RECORDINGS / "seed.json").is_file():
        terminalreporter.section("THE RECORDINGS ARE ABSENT", sep="!", red=True, bold=True)
        terminalreporter.write_line(
            f"Nothing was compared with Dub's server: there is no seed.json in {RECORDINGS}.\n"
            "Set DUB_SOURCE_RECORDINGS to the folder of the recordings and run the tests again."
        )
