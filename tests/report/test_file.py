"""The page goes into its file as a whole, and over nothing of somebody else's."""

import os
import stat
from pathlib import Path

import pytest

from dub_source.errors import SettingsError
from dub_source.report.file import MARK, check, write

PAGE = f"<!doctype html><head><meta charset='utf-8'>{MARK}</head>"


def test_a_new_file_and_then_the_same_again(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write(path, PAGE)
    assert path.read_text(encoding="utf-8") == PAGE
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~current_mask()
    path.chmod(0o640)
    write(path, f"{PAGE} again")
    assert path.read_text(encoding="utf-8") == f"{PAGE} again"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640, "as whoever owns it has set it"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    "content", (b"", b"notes", b"<html></html>", b"\xff\xfe", b" " * 5_000 + PAGE.encode())
)
def test_a_file_of_somebody_else_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "index.html"
    path.write_bytes(content)
    for attempt in (check, lambda path: write(path, PAGE)):
        with pytest.raises(SettingsError, match=r"is there already and is no report: .* --force"):
            attempt(path)
    assert path.read_bytes() == content
    write(path, PAGE, force=True)
    assert path.read_text(encoding="utf-8") == PAGE
    assert [each.name for each in tmp_path.iterdir()] == ["index.html"]


def test_a_file_that_comes_while_the_page_is_made_stays(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    check(path)
    path.write_text("notes", encoding="utf-8")
    with pytest.raises(SettingsError, match="is no report"):
        write(path, PAGE)
    assert path.read_text(encoding="utf-8") == "notes"
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("force", (False, True))
def test_what_is_no_file_is_neither_read_nor_replaced(tmp_path: Path, force: bool) -> None:
    """To read a pipe would wait for ever; root would replace a device by a file."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(SettingsError, match="is a pipe or a device"):
        check(pipe, force=force)
    with pytest.raises(SettingsError, match="is a pipe or a device"):
        write(pipe, PAGE, force=force)
    assert pipe.is_fifo()
    assert [each.name for each in tmp_path.iterdir()] == ["pipe"]


def test_a_name_that_is_too_long_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be written \(File name too long\)"):
        check(tmp_path / ("x" * 300))


def test_links(tmp_path: Path) -> None:
    there = tmp_path / "there.html"
    link = tmp_path / "link.html"
    link.symlink_to(there)
    with pytest.raises(SettingsError, match="cannot be written"):
        check(link)
    write(there, PAGE)
    write(link, f"{PAGE} new")
    assert link.is_symlink()
    assert there.read_text(encoding="utf-8") == f"{PAGE} new"


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="is a folder: name a file in it"):
        check(tmp_path)
    with pytest.raises(SettingsError, match="does not exist"):
        check(tmp_path / "missing" / "report.html")
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SettingsError, match="does not exist"):
        check(tmp_path / "file" / "report.html", force=True)
    with pytest.raises(SettingsError, match="cannot be written"):
        write(tmp_path / "missing" / "report.html", PAGE)
    with pytest.raises(SettingsError, match="cannot be written"):
        write(tmp_path / ("x" * 300), PAGE)


def test_text_that_no_encoding_has(tmp_path: Path) -> None:
    write(tmp_path / "report.html", f"{PAGE}\ud800")
    assert (tmp_path / "report.html").read_bytes().endswith(b"?")


def current_mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
