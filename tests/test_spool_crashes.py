"""Killed at any instant, on a full or dying disk, with damaged files: what is left is a true beginning.

Each part holds one row and one event that tell its number, so "a true beginning" is easy to say: the rows and
the events are those of parts 0 to n - 1, for some n that what was committed allows.
"""

import contextlib
import errno
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from dub_source.errors import SpoolError
from dub_source.spool import Spool

MANIFEST = {"run": 1}
KILLS = 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def append(spool: Spool, number: int) -> None:
    spool.append(pa.table({"id": [f"cus_{number}"]}), [["page", number]])


def length(spool: Spool) -> int:
    """How many parts there are, all of them as they were appended."""
    rows = [each for table in spool.rows() for each in table["id"].to_pylist()]
    assert rows == [f"cus_{number}" for number in range(len(rows))]
    assert list(spool.events()) == [["page", number] for number in range(len(rows))]
    assert (spool.row_count, spool.resumed) == (len(rows), bool(rows))
    return len(rows)


def reopened(folder: Path) -> int:
    """The same after opening it, and nothing else is left in the folder; it can be gone on with."""
    spool = Spool.open(folder, MANIFEST)
    count = length(spool)
    wanted = {"manifest.json"}
    for number in range(1, count + 1):
        wanted |= {f"rows-{number:06}.arrow", f"pages-{number:06}.jsonl"}
    assert {path.name for path in folder.iterdir()} == wanted
    return count


def filled(folder: Path, parts: int) -> Spool:
    spool = Spool.open(folder, MANIFEST)
    for number in range(parts):
        append(spool, number)
    return spool


class Killed(BaseException):
    """The process is no more: nothing that it would still do happens."""


class Disk:
    """Counts what is done to files; from one such operation on, or at it alone, it goes wrong."""

    OPERATIONS = ("open", "write", "fsync", "replace", "unlink", "chmod", "mkdir", "listdir", "rmdir")

    def __init__(self) -> None:
        self.done = 0
        self.log: list[tuple[str, str]] = []
        self._open: dict[int, str] = {}
        self._wrong: Callable[[int], BaseException | None] = lambda number: None

    def goes_wrong_at(self, number: int, error: BaseException, *, for_good: bool = False) -> None:
        self._wrong = lambda now: error if now == number or (for_good and now > number) else None

    def replaced(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*args: Any, **kwargs: Any) -> Any:
            self.done += 1
            if error := self._wrong(self.done):
                if name == "write":
                    # Half of it is there.
                    real(args[0], memoryview(args[1])[: len(args[1]) // 2])
                raise error
            result = real(*args, **kwargs)
            self._note(name, args, result)
            return result

        return operation

    def _note(self, name: str, args: tuple[Any, ...], result: Any) -> None:
        if name == "open":
            self._open[result] = Path(args[0]).name
        elif name in ("write", "fsync"):
            self.log.append((name, self._open[args[0]]))
        elif name == "replace":
            self.log.append((name, Path(args[1]).name))


@contextlib.contextmanager
def disk() -> Iterator[Disk]:
    it = Disk()
    with pytest.MonkeyPatch.context() as patch:
        for name in Disk.OPERATIONS:
            patch.setattr(os, name, it.replaced(name, getattr(os, name)))
        yield it


def operations(action: Callable[[], Any]) -> range:
    """The numbers of the operations that an action takes."""
    with disk() as it:
        action()
    assert it.done > 2
    return range(1, it.done + 1)


def test_what_is_committed_is_on_the_disk_before_it_counts(folder: Path) -> None:
    with disk() as it:
        append(Spool.open(folder, MANIFEST), 0)
    begin = it.log.index(("replace", "manifest.json"))
    assert ("fsync", "manifest.tmp") in it.log[:begin]
    log = it.log[begin + 1 :]
    assert log == [
        ("fsync", "spool"),
        ("write", "rows-000001.arrow"),
        ("fsync", "rows-000001.arrow"),
        ("write", "pages-000001.tmp"),
        ("fsync", "pages-000001.tmp"),
        ("replace", "pages-000001.jsonl"),
        ("fsync", "spool"),
    ]


def test_deleted_parts_cannot_come_back_between_new_ones(folder: Path) -> None:
    filled(folder, 3)
    (folder / "pages-000002.jsonl").write_bytes(b"damaged")
    with disk() as it:
        Spool.open(folder, MANIFEST)
    assert it.log == [("fsync", "spool")]


def test_an_append_that_fails_leaves_all_as_it_was(folder: Path) -> None:
    for number in operations(partial(append, filled(folder, 2), 2)):
        shutil.rmtree(folder)
        spool = filled(folder, 2)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        with disk() as it:
            it.goes_wrong_at(number, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)))
            with pytest.raises(SpoolError, match=r"^The disk is full") as caught:
                append(spool, 2)
        assert str(folder) not in str(caught.value)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        assert [table["id"].to_pylist() for table in spool.rows()] == [["cus_0"], ["cus_1"]]
        append(spool, 2)
        append(spool, 3)
        assert reopened(folder) == 4


@pytest.mark.parametrize("error", (OSError(errno.EIO, "Input/output error"), KeyboardInterrupt(), Killed()))
def test_a_disk_or_process_that_is_gone_for_good_while_appending(folder: Path, error: BaseException) -> None:
    seen = set()
    for number in operations(partial(append, filled(folder, 2), 2)):
        shutil.rmtree(folder)
        spool = filled(folder, 2)
        with disk() as it:
            it.goes_wrong_at(number, error, for_good=True)
            with pytest.raises((SpoolError, KeyboardInterrupt, Killed)):
                append(spool, 2)
        copy = shutil.copytree(folder, folder.parent / "copy")
        seen.add(reopened(copy))
        shutil.rmtree(copy)
        # The disk is back, and the process, if it is still there, tries again.
        append(spool, 2)
        append(spool, 3)
        assert reopened(folder) == 4
    assert seen == {2, 3}


def gone_while(folder: Path, action: Callable[[], Any], prepare: Callable[[], Any]) -> Iterator[int]:
    """Killed at each operation of an action; yields how many parts are there afterwards."""
    prepare()
    for number in operations(action):
        shutil.rmtree(folder, ignore_errors=True)
        prepare()
        with disk() as it, contextlib.suppress(Killed):
            it.goes_wrong_at(number, Killed(), for_good=True)
            action()
            pytest.fail("not killed")
        yield reopened(folder)
        append(Spool.open(folder, MANIFEST), length(Spool.open(folder, MANIFEST)))
        reopened(folder)


def test_killed_while_it_is_emptied_for_another_sweep(folder: Path) -> None:
    other = {"run": 2}
    seen = set(gone_while(folder, lambda: Spool.open(folder, other), lambda: filled(folder, 3)))
    assert seen == {0, 3}


def test_killed_while_it_is_removed(folder: Path) -> None:
    spools: list[Spool] = []
    seen = set(gone_while(folder, lambda: spools[-1].remove(), lambda: spools.append(filled(folder, 3))))
    assert seen == {0, 3}


def test_killed_while_it_is_begun(folder: Path) -> None:
    seen = set(gone_while(folder, lambda: Spool.open(folder, MANIFEST), lambda: None))
    assert seen == {0}


def test_killed_while_damage_is_cut_off(folder: Path) -> None:
    def damaged() -> None:
        filled(folder, 5)
        (folder / "rows-000003.arrow").write_bytes(b"")

    seen = set(gone_while(folder, lambda: Spool.open(folder, MANIFEST), damaged))
    assert seen == {2}


def test_a_disk_that_takes_little_at_a_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:50]))
    filled(folder, 2)
    assert reopened(folder) == 2


@pytest.mark.parametrize("code", (errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EIO))
def test_a_folder_that_cannot_be_used_says_so(folder: Path, code: int) -> None:
    filled(folder, 1)
    for number in operations(lambda: Spool.open(folder, {"run": 2})):
        shutil.rmtree(folder)
        filled(folder, 1)
        with disk() as it:
            it.goes_wrong_at(number, OSError(code, os.strerror(code), str(folder)), for_good=True)
            with pytest.raises(SpoolError) as caught:
                Spool.open(folder, {"run": 2})
        assert str(folder) not in str(caught.value)
        assert caught.value.__cause__ is None


def test_removing_that_fails_says_so(folder: Path) -> None:
    spool = filled(folder, 1)
    with disk() as it:
        it.goes_wrong_at(4, OSError(errno.EACCES, "Permission denied"), for_good=True)
        with pytest.raises(SpoolError, match="Permission denied"):
            spool.remove()


def survivors(folder: Path, name: str) -> int:
    """How many of four parts count when this file is not what it was."""
    return 0 if name.startswith("manifest") else int("".join(filter(str.isdigit, name))) - 1


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "spool"
    filled(folder, 4)
    return folder


FILES = (
    "manifest.json",
    *(f"{kind}-{n:06}.{end}" for n in (1, 3, 4) for kind, end in (("rows", "arrow"), ("pages", "jsonl"))),
)


@pytest.mark.parametrize("name", FILES)
def test_damage_anywhere_is_found_and_cut_off(whole: Path, folder: Path, name: str) -> None:
    data = (whole / name).read_bytes()
    damaged = [data[:cut] for cut in (0, 1, len(data) // 2, len(data) - 1)] + [data + b"\n", data * 2]
    damaged.append(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))  # written, not yet on the disk
    for place in range(0, len(data), 1 + len(data) // 60):
        flipped = data[place] ^ (1 << random.Random(place).randrange(8))
        damaged.append(data[:place] + bytes([flipped]) + data[place + 1 :])
    for each in damaged:
        shutil.copytree(whole, folder)
        (folder / name).write_bytes(each)
        assert reopened(folder) == survivors(folder, name)
        spool = Spool.open(folder, MANIFEST)
        append(spool, length(spool))
        assert reopened(folder) == survivors(folder, name) + 1
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_cuts_off_what_comes_after(whole: Path, folder: Path, name: str) -> None:
    shutil.copytree(whole, folder)
    (folder / name).unlink()
    assert reopened(folder) == survivors(folder, name)


def test_whole_parts_in_the_wrong_place_do_not_count(whole: Path, folder: Path) -> None:
    for source, target in (("000001", "000002"), ("000004", "000002"), ("000004", "000005")):
        shutil.copytree(whole, folder)
        for name in ("rows-{}.arrow", "pages-{}.jsonl"):
            shutil.copy(folder / name.format(source), folder / name.format(target))
        assert reopened(folder) == int(target) - 1
        shutil.rmtree(folder)


def test_parts_of_another_spool_do_not_count(whole: Path, folder: Path) -> None:
    # As if deleting them had not reached the disk when the power went.
    filled(folder, 2)
    for name in ("rows-000003.arrow", "pages-000003.jsonl"):
        shutil.copy(whole / name, folder / name)
    assert reopened(folder) == 2
    shutil.rmtree(folder)
    Spool.open(folder, MANIFEST)
    for name in ("rows-000001.arrow", "pages-000001.jsonl"):
        shutil.copy(whole / name, folder / name)
    assert reopened(folder) == 0


def test_a_part_that_followed_another_than_now_does_not_count(folder: Path) -> None:
    filled(folder, 3)
    old = {name: (folder / name).read_bytes() for name in ("rows-000003.arrow", "pages-000003.jsonl")}
    (folder / "pages-000002.jsonl").unlink()
    Spool.open(folder, MANIFEST).append(pa.table({"id": ["cus_1"]}), [["page", 1], ["another end"]])
    for name, data in old.items():
        (folder / name).write_bytes(data)
    spool = Spool.open(folder, MANIFEST)
    assert list(spool.events()) == [["page", 0], ["page", 1], ["another end"]]


@pytest.mark.parametrize("name", ("rows-000002.arrow", "pages-000002.jsonl"))
def test_damage_after_opening_is_found_when_it_is_read(folder: Path, name: str) -> None:
    spool = filled(folder, 3)
    data = (folder / name).read_bytes()
    other = (folder / name.replace("2", "1")).read_bytes()
    for each in (data[:-1], data[:90] + b"~" + data[91:], other):
        (folder / name).write_bytes(each)
        with pytest.raises(SpoolError, match="reads differently"):
            length(spool)
    assert reopened(folder) == 1


APPENDING = """
import sys
from pathlib import Path
import pyarrow as pa
from dub_source.spool import Spool

spool = Spool.open(Path(sys.argv[1]), {"run": 1})
number = sum(1 for _ in spool.events())
while True:
    spool.append(pa.table({"id": [f"cus_{number}"]}), [["page", number]])
    number += 1
    print(number, flush=True)
"""


def test_kill_at_random_moments(folder: Path) -> None:
    chance = random.Random(20261122)
    counts, leftovers = [0], 0
    for _ in range(KILLS):
        with subprocess.Popen(
            [sys.executable, "-c", APPENDING, str(folder)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.03))
            process.kill()
            said = process.stdout.read().split()
        files = sum(1 for _ in folder.iterdir())
        count = reopened(folder)
        leftovers += files > sum(1 for _ in folder.iterdir())
        # What it said to be kept is kept; it may have been killed before it could say so.
        assert max([counts[-1] + 1, *map(int, said)]) <= count
        assert count <= max([counts[-1] + 1, *map(int, said)]) + 1
        counts.append(count)
    assert counts[-1] > 2 * KILLS
    assert leftovers > 0, "no kill was in the middle of an append"
