"""Lakes for tests of what only they can."""

import pytest

from tests.reverse.conftest import MakePushWorld, make_push_world
from tests.reverse.world import PushWorld

__all__ = ["make_push_world"]


@pytest.fixture
def world(make_push_world: MakePushWorld) -> PushWorld:
    """A world of 120 customers that nothing has been loaded from."""
    return make_push_world(form=None)
