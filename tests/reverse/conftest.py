"""Worlds for tests of whole plans and applies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dub_source.sandbox import Dataset
from tests.conftest import StartSandbox
from tests.reverse.world import PushWorld
from tests.sync.conftest import make_world

__all__ = ["make_push_world", "make_world", "push_world"]  # a world that nothing has been loaded from, too

MakePushWorld = Callable[..., PushWorld]


@pytest.fixture
def make_push_world(start_sandbox: StartSandbox, tmp_path: Path) -> MakePushWorld:
    """A world of a dataset, or of so many customers, that is loaded."""
    made: list[PushWorld] = []

    def make(dataset: Dataset | int = 120, **options: Any) -> PushWorld:
        folder = tmp_path / f"world-{len(made)}"
        folder.mkdir()
        made.append(PushWorld(start_sandbox(dataset, **options), folder))
        made[-1].load()
        return made[-1]

    return make


@pytest.fixture
def push_world(make_push_world: MakePushWorld) -> PushWorld:
    """A workspace of 120 customers that is loaded."""
    return make_push_world()
