"""Worlds for what only a Postgres server shows."""

from tests.reverse.conftest import make_push_world, make_world, push_world

__all__ = ["make_push_world", "make_world", "push_world"]
