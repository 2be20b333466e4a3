"""What a lake cannot be is said in one sentence, before anything is read or written."""

from pathlib import Path
from typing import Any

import dlt
import pytest

from dub_source import delta_lake, dub
from dub_source.destinations import Target, open_destination
from dub_source.errors import DestinationError
from dub_source.failures import ExitCode, cause, explain
from dub_source.sandbox import Sandbox
from tests.reverse.world import PushWorld, command

pytestmark = pytest.mark.only("delta")


def source(sandbox: Sandbox, **options: Any) -> Any:
    return dub(api_key=sandbox.key(), base_url=sandbox.url, **options)


def refused(folder: Path, source: Any, destination: Any) -> str:
    """What is said, with nothing written."""
    lake = folder / "plain"
    pipeline = dlt.pipeline(
        "plain", destination=destination(lake.as_uri()), dataset_name="dub", pipelines_dir=str(folder / "dlt")
    )
    with pytest.raises(Exception, match="failed at") as failed:
        pipeline.run(source)
    assert not [each for each in lake.rglob("*") if each.suffix in (".parquet", ".jsonl", ".csv", ".gz")]
    assert explain(failed.value).exit_code is ExitCode.DESTINATION
    return str(cause(failed.value))


@pytest.mark.parametrize("table_format", (None, "delta", "iceberg"))
def test_dlts_own_files_which_append_where_they_are_told_to_merge(
    world: PushWorld, table_format: Any
) -> None:
    ours = source(world.sandbox)
    for resource in ours.resources.values():
        resource.apply_hints(table_format=table_format)
    world.sandbox.forget_requests()
    assert "dub_source.delta_lake" in refused(world.folder, ours, dlt.destinations.filesystem)
    assert not world.sandbox.requests


def test_iceberg_tables_in_a_lake(world: PushWorld) -> None:
    ours = source(world.sandbox)
    ours.customers.apply_hints(table_format="iceberg")
    sentence = refused(world.folder, ours, delta_lake)
    assert sentence == (
        "The table customers is to be one of the format iceberg, which cannot keep what this tool promises: "
        "leave table_format out, and it becomes a Delta table."
    )


@pytest.mark.parametrize("name", ("delta", "iceberg"))
def test_a_format_is_no_destination(name: str) -> None:
    with pytest.raises(DestinationError) as refusal:
        open_destination(Target(name))
    assert str(refusal.value) == (
        "A lake is the destination filesystem, and its tables are Delta tables: use --destination "
        "filesystem. Iceberg is not supported, because an older observation could overwrite a newer one "
        "there."
    )


def test_a_folder_that_cannot_be_one(world: PushWorld) -> None:
    (world.folder / "lake").write_text("a file")
    code, _, told = command(world, "load")
    assert code == ExitCode.DESTINATION
    assert told.startswith(f"Error: The folder of the lake {world.folder / 'lake'} cannot be used")
    assert not world.sandbox.requests


def test_a_load_that_fails_leaves_no_new_lake(world: PushWorld) -> None:
    code, *_ = command(world, "load", SOURCES__DUB__API_KEY="dub_unknown")
    assert code == ExitCode.REFUSED
    assert not (world.folder / "lake").exists()


def test_without_its_packages(world: PushWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "deltalake", None)
    with pytest.raises(Exception, match=r"pip install 'dub-source\[lake\]'"):
        world.load()
