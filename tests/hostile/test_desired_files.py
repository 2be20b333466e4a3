"""Files of desired rows as people save them by mistake: one sentence each, and nothing is planned."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.process import run
from dub_source.failures import ExitCode
from tests.reverse.conftest import MakePushWorld, make_push_world
from tests.reverse.world import COMMAND, PushWorld, command
from tests.sync.conftest import make_world

__all__ = ["make_push_world", "make_world"]

ANN = "ann.smith@example.com"
ROWS = 1_000_000


@pytest.fixture
def world(make_push_world: MakePushWorld) -> PushWorld:
    return make_push_world(40)


def plan(world: PushWorld, name: str, content: bytes, *options: str) -> tuple[int, str]:
    (world.folder / name).write_bytes(content)
    code, said, told = command(world, "plan", name, *options)
    assert "Traceback" not in told
    assert ANN not in said + told
    return code, told if code else said


@pytest.mark.slow
@pytest.mark.only("duckdb")
def test_what_is_saved_by_mistake_is_one_sentence_and_no_plan(world: PushWorld) -> None:
    (one, *_) = world.sandbox.ids()
    text = f"id,email\n{one},{ANN}\n"
    wrong = {
        "UTF-16, as spreadsheets say 'Unicode'": ("a.csv", text.encode("utf-16"), "is not UTF-8"),
        "UTF-16 without a mark": ("a.csv", text.encode("utf-16-le"), "no column id"),
        "UTF-32": ("a.csv", text.encode("utf-32"), "is not UTF-8"),
        "Windows-1252": ("a.csv", f"id,name\n{one},Zoë\n".encode("cp1252"), "is not UTF-8"),
        "bars between the cells": ("a.csv", text.replace(",", "|").encode(), "no column id"),
        "blanks between the cells": ("a.csv", text.replace(",", " ").encode(), "no column id"),
        "another mark in the header alone": ("a.csv", f"id;email\n{one},{ANN}\n".encode(), "has 1 cells"),
        "a comma more than the header": ("a.csv", f"id,email\n{one},{ANN},\n".encode(), "has 3 cells"),
        "no header": ("a.csv", f"{one},{ANN}\n".encode(), "no column id"),
        "a header twice": ("a.csv", b"id,email,Email\n1,2,3\n", "2 columns called email"),
        "a header three times": ("a.csv", b"id,id, ID\n1,2,3\n", "3 columns called id"),
        "a cell of a megabyte": ("a.csv", b"id,name\n1," + b"x" * 1_000_000, "a cell is too long"),
        "a header of a megabyte": ("a.csv", b"id," + b"x" * 1_000_000, "a cell is too long"),
        "ten thousand columns": ("a.csv", b",".join(b"c%d" % each for each in range(10_000)), "no column id"),
        "an open quote": ("a.csv", f'id,email\n{one},"{ANN}\n'.encode(), "no CSV in row 1"),
        "a Parquet file that is called CSV": ("a.csv", b"PAR1\x15\x04\x00\xff", "is not UTF-8"),
        "a CSV file that is called Parquet": ("a.parquet", text.encode(), "cannot be read"),
        "a JSON array": ("a.jsonl", json.dumps([{"id": one, "email": ANN}]).encode(), "Row 1"),
        "JSON over several lines": ("a.jsonl", json.dumps({"id": one}, indent=1).encode(), "Row 1"),
        "tabs, and called so": (
            "a.tsv",
            text.replace(",", "\t").encode(),
            "must be Parquet, CSV or JSON lines",
        ),
        "a workbook": ("a.xlsx", b"PK\x03\x04", "must be Parquet, CSV or JSON lines"),
        "a packed file": ("a.csv.gz", b"\x1f\x8b", "must be Parquet, CSV or JSON lines"),
        "a JSON array, and called so": ("a.json", b'[{"id": "1", "name": "x"}]', "There is a file a.json"),
        "an object within": (
            "a.jsonl",
            json.dumps({"id": {"$oid": one}, "name": "x"}).encode(),
            "a nested value",
        ),
    }
    for what, (name, content, words) in wrong.items():
        code, told = plan(world, name, content)
        assert (code, words in told) == (ExitCode.SETTINGS, True), (what, told)
        assert told.count("\n") == 1, (what, told)
    assert "dub.push_plans" not in world.warehouse.tables()
    assert not [each for each in world.sandbox.requests if each.method != "GET"]


@pytest.mark.slow
@pytest.mark.only("duckdb")
def test_cells_that_are_too_much_for_dub_are_refused_by_row_and_column(world: PushWorld) -> None:
    ids = world.sandbox.ids()
    for value, words in (
        ("x" * 192, "longer than the 191 characters"),
        ("a\0b", "a control character"),
        ("x" * 100_000, "longer than the 191 characters"),
    ):
        rows = f"id,name\n{ids[0]},Fine\n{ids[1]},{value}\n"
        code, told = plan(world, "a.csv", rows.encode())
        assert code == ExitCode.STOPPED, told
        assert words in told, told
        assert "row 2" in told
    rows = f"id,name\n{ids[0]},{'x' * 191}\n{ids[1]},=1+1\n{ids[2]},\u202eمحمد\n"
    code, said = plan(world, "a.csv", rows.encode())
    assert (code, "3" in said) == (0, True)


def desired(known: list[str]) -> Iterator[tuple[str, str, str]]:
    for number in range(ROWS):
        customer = known[number] if number < len(known) else f"cus_unknown{number}"
        yield customer, f"Name {number}", f"name{number}@example.com"


def save(file: Path, known: list[str]) -> None:
    names = ("id", "name", "email")
    if file.suffix == ".parquet":
        columns = zip(*desired(known), strict=True)
        pq.write_table(pa.table(dict(zip(names, map(list, columns), strict=True))), file)
        return
    with file.open("w", encoding="utf-8", newline="") as opened:
        if file.suffix == ".csv":
            writer = csv.writer(opened)
            writer.writerows([names, *desired(known)])
        else:
            opened.writelines(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in desired(known))


@pytest.mark.slow
@pytest.mark.only("duckdb")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("ending", ("csv", "jsonl", "parquet"))
def test_a_million_rows(world: PushWorld, ending: str) -> None:
    """3 to 7 s and 0.35 to 0.5 GB on two busy cores (2026-11-28)."""
    known = world.sandbox.ids()
    file = world.folder / f"rows.{ending}"
    save(file, known)
    arguments = ["plan", file, "--json", *world.warehouse.arguments, "--pipelines-dir", world.working]
    finished = run(
        [str(COMMAND), *map(str, arguments)],
        folder=world.folder,
        settings={
            "SOURCES__DUB__API_KEY": world.sandbox.key(),
            "SOURCES__DUB__BASE_URL": world.sandbox.url,
        },
    )
    assert finished.status == 0, finished.errors
    found = json.loads(finished.output)
    assert (found["desired"], found["unmatched"], found["changes"]) == (ROWS, ROWS - len(known), len(known))
    assert finished.seconds < 60
    assert finished.peak_mb < 1_000
