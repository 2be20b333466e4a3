"""Worlds for tests of whole plans and applies."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dub_source.sandbox import Dataset
from tests.conftest import LoadOnce, StartSandbox
from tests.reverse.fleet import Fleet
from tests.reverse.world import PushWorld
from tests.sync.conftest import MakeWorld, make_world
from tests.sync.world import World
from tests.warehouses import Make

__all__ = [
    "loaded",
    "make_push_world",
    "make_world",
    "push_world",
]  # a world that nothing has been loaded from, too

MakeFleet = Callable[..., Fleet]
MakePushWorld = Callable[..., PushWorld]
NO_FORM: dict[str, Any] = {}


@pytest.fixture
def make_push_world(
    start_sandbox: StartSandbox,
    make_warehouse: Make,
    tmp_path: Path,
    load_once: LoadOnce,
) -> MakePushWorld:
    """A world of a dataset, or of so many customers; loaded with ``form``, or not if that is None."""
    made: list[PushWorld] = []

    def make(
        dataset: Dataset | int = 120, *, form: dict[str, Any] | None = NO_FORM, **options: Any
    ) -> PushWorld:
        folder = tmp_path / f"world-{len(made)}"
        folder.mkdir()
        world = PushWorld(start_sandbox(dataset, **options), folder, make_warehouse(folder))
        made.append(world)
        if isinstance(dataset, int) and form == NO_FORM and not options:
            load_once(world)
        elif form is not None:
            world.load(**form)
        return world

    return make


@pytest.fixture
def push_world(make_push_world: MakePushWorld) -> PushWorld:
    """A workspace of 120 customers that is loaded."""
    return make_push_world()


@pytest.fixture
def loaded(make_world: MakeWorld, load_once: LoadOnce) -> World:
    """A world of 40 customers that is loaded."""
    world = make_world(40)
    load_once(world)
    return world


@pytest.fixture
def make_fleet(start_sandbox: StartSandbox, tmp_path: Path) -> MakeFleet:
    def make(customers: int = 12, **options: object) -> Fleet:
        return Fleet(start_sandbox(customers, **{"rate_window_s": 1.0, **options}), tmp_path)

    return make


@pytest.fixture
def fleet(make_fleet: MakeFleet) -> Fleet:
    return make_fleet()
