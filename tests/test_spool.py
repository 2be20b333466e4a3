"""What a spool keeps, for whom, and when it begins anew."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dub_source.errors import SpoolError
from dub_source.spool import Spool
from dub_source.spool.spool import MAX_AGE_S

MANIFEST = {"baseline": "b1", "workspace": "w1", "page_size": 100, "expanded": True}
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "somewhere" / "spool"


def begin(folder: Path, manifest: dict[str, Any] | None = None, at: datetime = NOON) -> Spool:
    return Spool.open(folder, MANIFEST if manifest is None else manifest, now=lambda: at)


def table(*ids: str) -> pa.Table:
    return pa.table({"id": list(ids)})


def ids(spool: Spool) -> list[str]:
    return [each for table in spool.rows() for each in table["id"].to_pylist()]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_rows_and_events_come_back_in_order(folder: Path) -> None:
    spool = begin(folder)
    assert (spool.resumed, ids(spool), list(spool.events()), spool.row_count) == (False, [], [], 0)
    spool.append(table("a", "b"), [["page", 1, ["a", "b"]], ["end", {"é": None}]])
    spool.append(table("c"), [])
    for again in (spool, begin(folder)):
        assert ids(again) == ["a", "b", "c"]
        assert list(again.events()) == [["page", 1, ["a", "b"]], ["end", {"é": None}]]
        assert again.row_count == 3
    assert begin(folder).resumed


def test_pages_without_new_rows_and_rows_without_rows(folder: Path) -> None:
    spool = begin(folder)
    spool.append(None, [["nothing new"]])
    spool.append(table("a"), [["new"]])
    spool.append(table("a").slice(0, 0), [["empty"]])
    again = begin(folder)
    assert list(again.events()) == [["nothing new"], ["new"], ["empty"]]
    assert [each.num_rows for each in again.rows()] == [1, 0]
    assert not (folder / "rows-000001.arrow").exists()


def test_nothing_is_no_part(folder: Path) -> None:
    begin(folder).append(None, [])
    assert names(folder) == ["manifest.json"]
    assert not begin(folder).resumed


def test_tables_may_differ_from_part_to_part(folder: Path) -> None:
    one = pa.table(
        {
            "id": ["a", "b"],
            "sales": pa.array([1, None], type=pa.int64()),
            "created_at": pa.array([NOON, None], type=pa.timestamp("us", tz="UTC")),
            "amount": [0.1, 2.0],
            "generated": [True, None],
        },
        schema=pa.schema(
            [
                pa.field("id", pa.string(), nullable=False),
                pa.field("sales", pa.int64()),
                pa.field("created_at", pa.timestamp("us", tz="UTC")),
                pa.field("amount", pa.float64()),
                pa.field("generated", pa.bool_()),
            ]
        ),
    )
    other = pa.table({"new_field": pa.array(["x"], type=pa.large_string()), "id": ["c"]})
    pieces = pa.concat_tables([table("d"), table("e")])
    spool = begin(folder)
    for each in (one, other, pieces):
        spool.append(each, [])
    back = list(begin(folder).rows())
    assert [each.schema for each in back] == [one.schema, other.schema, pieces.schema]
    assert back == [one, other, pieces]


def test_rows_are_read_when_they_are_asked_for(folder: Path) -> None:
    spool = begin(folder)
    spool.append(table("a"), [["1"]])
    spool.append(table("b"), [["2"]])
    rows, events = spool.rows(), spool.events()
    assert next(rows)["id"].to_pylist() == ["a"]
    assert next(events) == ["1"]
    # Had the second been read already, it would not be missed.
    (folder / "rows-000002.arrow").unlink()
    (folder / "pages-000002.jsonl").unlink()
    with pytest.raises(SpoolError):
        next(rows)
    with pytest.raises(SpoolError):
        next(events)


def test_reading_takes_memory_for_one_part(folder: Path) -> None:
    spool = begin(folder)
    for _ in range(8):
        spool.append(pa.table({"id": pa.array(range(500_000))}), [])
    before, most = pa.total_allocated_bytes(), 0
    for each in spool.rows():
        most = max(most, pa.total_allocated_bytes() - before)
        assert each.num_rows == 500_000
    # 4 MB a part; the last one is still held while the next is read.
    assert most < 3 * 4_000_000


def test_another_process_goes_on(folder: Path) -> None:
    program = (
        "import sys, pyarrow as pa; from pathlib import Path; from dub_source.spool import Spool\n"
        "spool = Spool.open(Path(sys.argv[1]), {'run': 1})\n"
        "number = sum(1 for _ in spool.events())\n"
        "spool.append(pa.table({'id': [str(number)]}), [[number]])\n"
        "print(spool.resumed, number, spool.started_at.isoformat())"
    )
    command = [sys.executable, "-c", program, str(folder)]
    said = [subprocess.run(command, check=True, capture_output=True, text=True).stdout for _ in range(3)]
    assert [each.split()[:2] for each in said] == [["False", "0"], ["True", "1"], ["True", "2"]]
    assert len({each.split()[2] for each in said}) == 1
    spool = Spool.open(folder, {"run": 1})
    assert ids(spool) == ["0", "1", "2"]
    assert list(spool.events()) == [[0], [1], [2]]


@pytest.mark.parametrize(
    "other",
    (
        MANIFEST | {"baseline": "b2"},
        MANIFEST | {"page_size": 100.0},
        MANIFEST | {"page_size": "100"},
        MANIFEST | {"expanded": 1},
        MANIFEST | {"more": None},
        {"baseline": "b1"},
        {},
    ),
)
def test_another_sweep_begins_anew(folder: Path, other: dict[str, Any]) -> None:
    begin(folder).append(table("a"), [["1"]])
    spool = begin(folder, other, NOON + timedelta(minutes=1))
    assert (spool.resumed, ids(spool), list(spool.events())) == (False, [], [])
    assert spool.started_at == NOON + timedelta(minutes=1)
    assert names(folder) == ["manifest.json"]
    assert not begin(folder).resumed


def test_the_same_manifest_may_be_written_otherwise(folder: Path) -> None:
    begin(folder, {"a": [1, {"x": 1, "y": 2}], "b": None}).append(None, [[1]])
    assert begin(folder, {"b": None, "a": [1, {"y": 2, "x": 1}]}).resumed
    assert begin(folder, {"b": None, "a": (1, {"y": 2, "x": 1})}).resumed


def test_another_version_of_the_format_begins_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(folder).append(None, [[1]])
    monkeypatch.setattr("dub_source.spool.spool._FORMAT", 2)
    assert not begin(folder).resumed


@pytest.mark.parametrize(
    "later, resumed",
    (
        (timedelta(0), True),
        (timedelta(seconds=MAX_AGE_S), True),
        (timedelta(seconds=MAX_AGE_S + 1), False),
        (timedelta(seconds=-1), False),
        (timedelta(days=-400), False),
    ),
)
def test_what_is_too_old_or_of_the_future_is_not_gone_on_with(
    folder: Path, later: timedelta, resumed: bool
) -> None:
    begin(folder).append(table("a"), [[1]])
    spool = begin(folder, at=NOON + later)
    assert spool.resumed == resumed
    assert spool.started_at == (NOON if resumed else NOON + later)
    assert ids(spool) == (["a"] if resumed else [])


def test_age_counts_from_the_first_beginning(folder: Path) -> None:
    begin(folder).append(None, [[1]])
    assert begin(folder, at=NOON + timedelta(hours=5)).resumed
    assert not begin(folder, at=NOON + timedelta(hours=7)).resumed
    begin(folder).append(None, [[1]])
    assert not Spool.open(folder, MANIFEST, max_age_s=60, now=lambda: NOON + timedelta(seconds=61)).resumed


def test_moments_are_utc_whatever_the_clock_says(folder: Path) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    begin(folder, at=local).append(None, [[1]])
    spool = begin(folder, at=local + timedelta(hours=1))
    assert spool.started_at == NOON
    assert spool.started_at.tzinfo is UTC
    assert spool.resumed


def test_a_spool_without_parts_begins_anew(folder: Path) -> None:
    begin(folder)
    spool = begin(folder, at=NOON + timedelta(hours=1))
    assert not spool.resumed
    assert spool.started_at == NOON + timedelta(hours=1)


def test_by_default_time_passes(folder: Path) -> None:
    spool = Spool.open(folder, {})
    assert abs((datetime.now(UTC) - spool.started_at).total_seconds()) < 60


@pytest.fixture(params=(0o000, 0o022, 0o777))
def umask(request: pytest.FixtureRequest, folder: Path) -> Iterator[None]:
    folder.parent.mkdir()
    before = os.umask(request.param)
    yield
    os.umask(before)


def test_nobody_else_may_look(folder: Path, umask: None) -> None:
    begin(folder).append(table("a"), [["1"]])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == dict.fromkeys(("manifest.json", "pages-000001.jsonl", "rows-000001.arrow"), 0o600)
    assert begin(folder).resumed


def test_a_folder_that_was_open_to_others_is_closed(folder: Path) -> None:
    folder.mkdir(mode=0o755, parents=True)
    begin(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_removed_is_gone_and_the_next_begins(folder: Path) -> None:
    spool = begin(folder)
    spool.append(table("a"), [["1"]])
    spool.remove()
    assert not folder.exists()
    assert (ids(spool), list(spool.events())) == ([], [])
    spool.remove()
    with pytest.raises(SpoolError):
        spool.append(table("a"), [["1"]])
    assert not begin(folder).resumed


def test_files_of_others_are_left_alone(folder: Path) -> None:
    folder.mkdir(parents=True)
    others = [folder / "notes.txt", folder / "rows-1.arrow", folder / "pages-000001.jsonl.bak"]
    for each in others:
        each.write_text("mine")
    (folder / "sub").mkdir()
    spool = begin(folder)
    spool.append(table("a"), [["1"]])
    assert begin(folder).resumed
    spool.remove()
    assert names(folder) == sorted(["sub", *(each.name for each in others)])


@pytest.mark.parametrize("kind", ("link to a folder", "dangling link", "file"))
def test_what_is_no_folder_is_neither_used_nor_deleted(folder: Path, tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    begin(outside).append(table("a"), [["1"]])
    folder.parent.mkdir()
    if kind == "file":
        folder.write_text("mine")
    else:
        folder.symlink_to(outside if kind == "link to a folder" else tmp_path / "nowhere")
    with pytest.raises(SpoolError, match="cannot be used") as caught:
        begin(folder, {"other": 1})
    assert str(tmp_path) not in str(caught.value)
    assert begin(outside).resumed
    assert folder.is_symlink() or folder.read_text() == "mine"


def test_a_folder_that_became_a_link_is_not_emptied(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    begin(outside).append(table("a"), [["1"]])
    spool = begin(folder)
    spool.append(table("a"), [["1"]])
    folder.rename(tmp_path / "moved")
    folder.symlink_to(outside)
    with pytest.raises(SpoolError):
        spool.remove()
    assert ids(begin(outside)) == ["a"]


def test_links_in_place_of_files_are_not_followed(folder: Path, tmp_path: Path) -> None:
    begin(folder).append(table("a"), [["1"]])
    outside = tmp_path / "outside"
    outside.mkdir()
    for path in list(folder.iterdir()):
        path.rename(outside / path.name)
        path.symlink_to(outside / path.name)
    (folder / "pages-000002.tmp").symlink_to(outside)
    before = {path.name: path.read_bytes() for path in outside.iterdir()}
    spool = begin(folder)
    assert not spool.resumed
    (folder / "rows-000001.arrow").symlink_to(outside / "rows-000001.arrow")
    (folder / "pages-000001.tmp").symlink_to(outside / "pages-000001.jsonl")
    spool.append(table("b"), [["2"]])
    assert ids(begin(folder)) == ["b"]
    spool.remove()
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == before


def test_a_folder_in_place_of_a_file_says_so(folder: Path) -> None:
    begin(folder)
    (folder / "rows-000001.arrow").mkdir()
    with pytest.raises(SpoolError, match="cannot be used"):
        begin(folder)


@pytest.mark.timeout(20)
def test_a_pipe_in_place_of_a_file_is_not_waited_for(folder: Path) -> None:
    begin(folder).append(table("a"), [["1"]])
    begin(folder).append(table("b"), [["2"]])
    (folder / "pages-000002.jsonl").unlink()
    os.mkfifo(folder / "pages-000002.jsonl")
    assert ids(begin(folder)) == ["a"]
    assert not (folder / "pages-000002.jsonl").exists()


def test_what_json_cannot_hold_is_refused_before_anything_is_written(folder: Path) -> None:
    spool = begin(folder)
    with pytest.raises(TypeError):
        spool.append(table("a"), [[object()]])
    assert names(folder) == ["manifest.json"]
    spool.append(table("a"), [["1"]])
    assert ids(begin(folder)) == ["a"]


def test_what_is_appended_while_reading_is_not_read_yet(folder: Path) -> None:
    spool = begin(folder)
    spool.append(table("a"), [["1"]])
    for _ in islice(spool.rows(), 3):
        spool.append(table("b"), [["2"]])
    assert ids(spool) == ["a", "b"]
