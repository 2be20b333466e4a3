"""The way back from a lake: plans from its tables, from SQL over them and from files; erasing for good."""

from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from dub_source import runs
from dub_source.runs.erasing import erase
from tests.reverse.world import PushWorld
from tests.sync.world import counts
from tests.warehouses.delta import DeltaWarehouse

pytestmark = pytest.mark.only("delta")


def test_from_a_table_from_sql_and_from_a_file(world: PushWorld) -> None:
    world.load()
    one, two, three = world.sandbox.ids()[:3]
    world.wish({one: {"name": "From A Table"}})
    (world.folder / "names.csv").write_text(f"id,name\n{three},From A File\n")
    query = f"SELECT c.id, 'From ' || n.name AS name FROM dub.customers c, crm.names n WHERE c.id = '{two}'"
    sources = ({"table": "crm.names"}, {"query": query}, {"file": str(world.folder / "names.csv")})
    plans = [world.plan(**source) for source in sources]
    for plan in plans:
        assert world.apply(plan).complete
    names = [world.shown(each)["name"] for each in (one, two, three)]
    assert names == ["From A Table", "From From A Table", "From A File"]
    assert [world.customers()[each]["name"] for each in (one, two, three)] == names
    assert counts(world.load()) == (0, 0, 0)


def test_there_and_back(world: PushWorld) -> None:
    world.load()
    customer_id = world.sandbox.ids()[5]
    before = world.shown(customer_id)["name"]
    world.wish({customer_id: {"name": "Somebody Else"}})
    made = world.plan()
    world.apply(made)
    world.apply(runs.revert(world.target, made.plan.plan_id, **world.here))
    assert world.shown(customer_id)["name"] == before
    assert [each["name"] for each in world.history(customer_id)] == [before, "Somebody Else", before]


def test_who_is_erased_is_in_no_file_any_more(world: PushWorld) -> None:
    world.load()
    erased, kept = world.sandbox.ids()[3:5]
    for number in range(3):
        for customer_id, name in ((erased, "Rosalind"), (kept, "Marie")):
            world.sandbox.change(customer_id, name=f"{name} {number}", email=f"{name}{number}@example.test")
        world.load()
    world.wish({erased: {"name": "Rosalind Wished"}, kept: {"name": "Marie Wished"}})
    world.apply(world.plan())
    lake = world.warehouse
    assert isinstance(lake, DeltaWarehouse)
    # What a killed run leaves: rows in a file that no version names.
    some = next(lake.folder.glob("dub/customers/*.parquet"))
    some.with_name("part-00000-left.parquet").write_bytes(some.read_bytes())
    assert mentions(lake.folder, "Rosalind"), "the search finds what is there"

    result = erase(
        world.target, emails=["rosalind1@example.test"], include_former=True, apply=True, **world.here
    )
    assert (result.erased, result.complete, result.rewritten, result.notes) == ((erased,), True, True, ())
    assert not mentions(lake.folder / "dub", "Rosalind")
    assert mentions(lake.folder / "dub", "Marie")
    assert not [each for each in lake.folder.rglob("*.parquet") if "string_view" in content(each)]
    assert erased not in world.customers()
    seen = ["Marie 0", "Marie 1", "Marie 2", "Marie Wished"]
    assert [each["name"] for each in world.history(kept)][1:] == seen
    assert erased not in world.sandbox.snapshot()
    assert counts(world.load()) == (0, 0, 0)


def mentions(folder: Path, name: str) -> list[Path]:
    """Files with a text, in whichever case: in rows, in statistics, in logs."""
    return [each for each in folder.rglob("*") if each.is_file() and name.lower() in content(each)]


def content(file: Path) -> str:
    if file.suffix != ".parquet":
        return file.read_text(errors="replace").lower()
    opened: Any = pyarrow.parquet.ParquetFile(file)
    return f"{opened.read().to_pylist()} {opened.metadata.to_dict()} {opened.schema_arrow}".lower()
