"""Worlds for tests of whole plans and applies."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dub_source.sandbox import Dataset
from tests.conftest import StartSandbox
from tests.reverse.world import PushWorld
from tests.sync.conftest import MakeWorld, make_world
from tests.sync.world import World
from tests.warehouses import Make
from tests.warehouses.duckdb_file import DuckDBWarehouse

__all__ = [
    "loaded",
    "make_push_world",
    "make_world",
    "push_world",
]  # a world that nothing has been loaded from, too

MakePushWorld = Callable[..., PushWorld]
NO_FORM: dict[str, Any] = {}


@pytest.fixture
def make_push_world(start_sandbox: StartSandbox, make_warehouse: Make, tmp_path: Path) -> MakePushWorld:
    """A world of a dataset, or of so many customers; loaded with ``form``, or not if that is None."""
    made: list[PushWorld] = []

    def make(
        dataset: Dataset | int = 120, *, form: dict[str, Any] | None = NO_FORM, **options: Any
    ) -> PushWorld:
        folder = tmp_path / f"world-{len(made)}"
        folder.mkdir()
        made.append(PushWorld(start_sandbox(dataset, **options), folder, make_warehouse(folder)))
        if form is not None:
            made[-1].load(**form)
        return made[-1]

    return make


@pytest.fixture
def push_world(make_push_world: MakePushWorld) -> PushWorld:
    """A workspace of 120 customers that is loaded."""
    return make_push_world()


@pytest.fixture
def loaded(make_world: MakeWorld, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world of 40 customers that is loaded. They are always the same, so one load does for all tests."""
    world, once = make_world(40), tmp_path_factory.getbasetemp() / "loaded_once.duckdb"
    if not isinstance(world.warehouse, DuckDBWarehouse):
        world.load()
        return world
    if not once.exists():
        world.load()
        shutil.copy(world.warehouse.file, once)
    shutil.copy(once, world.warehouse.file)
    return world
