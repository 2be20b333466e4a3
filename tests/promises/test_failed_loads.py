"""A load step that fails: what it was about to write is not written with the row about the failure."""

from typing import Any

import dlt
import pytest

from dub_source.runs import steps
from tests.sync.conftest import MakeWorld


def test_what_a_failed_load_has_prepared_is_not_loaded_with_its_row(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(40)
    world.load()
    before = world.dump()
    world.sandbox.change(world.sandbox.ids()[3], name="Renamed", email="renamed@example.com")
    load, calls = dlt.Pipeline.load, []

    def fail_once(pipeline: dlt.Pipeline, *arguments: Any, **options: Any) -> Any:
        calls.append(pipeline)
        if len(calls) == 1:
            raise OSError("no route to the warehouse")
        return load(pipeline, *arguments, **options)

    monkeypatch.setattr(dlt.Pipeline, "load", fail_once)
    with pytest.raises(OSError, match="no route"):
        world.load()
    assert [row["status"] for row in world.sync_runs()] == ["ok", "failed"]
    assert world.dump() == before
    assert world.load().report.updated == 1


@pytest.mark.parametrize("meanwhile", ("_refresh_views", "_count_rows"))
def test_a_run_whose_rows_are_loaded_has_one_row_however_it_ends(
    meanwhile: str, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(40)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(steps, meanwhile, interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            world.load()
    assert [row["status"] for row in world.sync_runs()] == ["ok", "ok"]
    assert len(world.customers()) == 40
