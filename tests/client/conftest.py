"""A client for a server that does as it is told."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from dub_source.client import DubClient
from dub_source.client.retry import RetryPolicy
from dub_source.settings import Settings
from tests.client.scripted_server import KEY, Reply, ScriptedServer, Seen

QUICK = RetryPolicy(initial_wait_s=0.001, max_wait_s=0.002)

Serve = Callable[..., tuple[ScriptedServer, DubClient]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server with a script and a client for it; both end with the test."""
    with ExitStack() as stack:

        def start(
            script: Sequence[Reply] | Callable[[Seen], Reply],
            *,
            retry: RetryPolicy = QUICK,
            base: str = "",
            **settings: Any,
        ) -> tuple[ScriptedServer, DubClient]:
            server = stack.enter_context(ScriptedServer(script))
            chosen = Settings(KEY, base_url=server.url + base, **{"read_timeout_s": 5.0, **settings})
            return server, stack.enter_context(DubClient(chosen, retry=retry))

        yield start
