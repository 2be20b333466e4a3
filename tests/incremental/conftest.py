"""Worlds for tests of incremental runs, under either order that a database may compare ids in."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from dub_source.client import NO_RETRY, DubClient
from dub_source.sandbox import Dataset
from dub_source.settings import Settings
from tests.conftest import StartSandbox
from tests.incremental.world import World, workspace

CreateWorld = Callable[..., World]


@pytest.fixture
def create_world(start_sandbox: StartSandbox) -> Iterator[CreateWorld]:
    """``create_world(dataset, ids, or how many, **options of the client)``."""
    with ExitStack() as stack:

        def create(content: Dataset | Iterable[str] | int = (), **options: Any) -> World:
            content = content if isinstance(content, (Dataset, int)) else workspace(content)
            sandbox = start_sandbox(content, **options.pop("sandbox", {}))
            settings = Settings(api_key=sandbox.key(), base_url=sandbox.url)
            client = DubClient(settings, **{"retry": NO_RETRY, **options})
            return World(sandbox, stack.enter_context(client))

        yield create


@pytest.fixture(params=("without case", "bytewise"))
def collation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test under both orders that Dub's database may have."""
    if request.param == "bytewise":
        for module in ("store", "search"):
            monkeypatch.setattr(f"dub_source.sandbox.{module}.id_key", str)
    return str(request.param)
