"""Worlds whose runs are watched."""

from tests.reverse.conftest import MakePushWorld, make_push_world
from tests.sync.conftest import make_world

__all__ = ["MakePushWorld", "make_push_world", "make_world"]
