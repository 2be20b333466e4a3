"""Worlds, as tests of whole runs have them."""

from tests.sync.conftest import make_world, world

__all__ = ["make_world", "world"]
