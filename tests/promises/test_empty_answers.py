"""Nobody at all is a hard stop, however few are known."""

import pytest

from dub_source.errors import TooManyVanished
from dub_source.failures import cause
from tests.sync.conftest import MakeWorld


def test_a_workspace_that_is_emptied_while_it_is_read_needs_a_look(make_world: MakeWorld) -> None:
    world = make_world(5)
    world.load()
    before = world.dump()

    def empty(_method: str, target: str) -> None:
        if (
            "/count" in target
        ):  # the sweep's first request: that the workspace is the same one is known by then
            for customer_id in world.sandbox.ids():
                world.sandbox.delete(customer_id)

    world.sandbox.before_request(empty)
    with pytest.raises(Exception, match="no customer at all") as caught:
        world.load()
    assert isinstance(cause(caught.value), TooManyVanished)
    assert world.dump() == before
