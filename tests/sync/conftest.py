"""Worlds for tests of whole runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dub_source.sandbox import Dataset
from tests.conftest import StartSandbox
from tests.sync.world import World
from tests.warehouses import Make

MakeWorld = Callable[..., World]


@pytest.fixture
def make_world(start_sandbox: StartSandbox, make_warehouse: Make, tmp_path: Path) -> MakeWorld:
    """A world of a dataset, or of so many customers."""
    made: list[World] = []

    def make(dataset: Dataset | int = 120, **options: Any) -> World:
        folder = tmp_path / f"world-{len(made)}"
        folder.mkdir()
        made.append(World(start_sandbox(dataset, **options), folder, make_warehouse(folder)))
        return made[-1]

    return make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A workspace of 120 customers that nothing has been loaded from."""
    return make_world()
