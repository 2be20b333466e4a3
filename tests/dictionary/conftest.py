"""The same worlds as for tests of whole runs."""

from tests.sync.conftest import make_world, world

__all__ = ["make_world", "world"]
