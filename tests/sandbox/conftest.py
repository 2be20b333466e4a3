"""Sandboxes to ask over HTTP: the recorded workspaces, or rows made by hand."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from dub_source.sandbox import Customer, Dataset, Sandbox, load_seed
from tests.conftest import StartSandbox
from tests.sandbox.datasets import workspace
from tests.sandbox.http_api import Api

Connect = Callable[..., Api]
Serve = Callable[..., Api]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Connect to a sandbox: ``connect(sandbox, name of the key)``; the connection ends with the test."""
    with ExitStack() as stack:

        def open_api(sandbox: Sandbox, key: str | None = None, prefix: str = "") -> Api:
            api = Api(sandbox.url + prefix, sandbox.key(key))
            stack.enter_context(closing(api.connection))
            return api

        yield open_api


@pytest.fixture
def serve(start_sandbox: StartSandbox, connect: Connect) -> Serve:
    """An API over rows made by hand: ``serve(*customers)``."""

    def start(*rows: Customer, **options: Any) -> Api:
        return connect(start_sandbox(workspace(*rows), **options))

    return start


@pytest.fixture(scope="session")
def recorded_sandbox(recordings: Path) -> Iterator[Sandbox]:
    """The recorded workspaces, one sandbox for all tests that only read."""
    with Sandbox(load_seed(recordings / "seed.json"), rate_limit=0) as sandbox:
        yield sandbox


@pytest.fixture
def recorded(recorded_sandbox: Sandbox, connect: Connect) -> Api:
    """To read, not to write: the recorded workspace ``main`` with its 1,000 customers."""
    return connect(recorded_sandbox, "owner")


@pytest.fixture
def writable(start_sandbox: StartSandbox, seed: Dataset, connect: Connect) -> Api:
    """The recorded workspace ``main``, fresh for each test."""
    return connect(start_sandbox(seed), "owner")
