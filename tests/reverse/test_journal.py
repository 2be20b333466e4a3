"""What a killed apply leaves on the disk, and what the next one reads there."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from dub_source.errors import SpoolError
from dub_source.reverse.journal import Journal
from dub_source.reverse.model import Outcome, Result

PLAN = "plan_1"
OUTCOME = Outcome(
    7,
    Result.ACCEPTED_NOT_APPLIED,
    "cus_1",
    200,
    None,
    "Dub accepted the change and answered other values: country.",
    2,
    {"country": None, "name": "Zoë\n“”"},
    datetime(2026, 11, 24, 12, 0, 0, 123456, UTC),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "push"


def file(folder: Path) -> Path:
    return folder / f"{PLAN}.jsonl"


def test_another_process_reads_what_was_written(folder: Path) -> None:
    with Journal(folder, PLAN) as journal:
        assert (journal.outcomes, journal.sent) == ({}, set())
        assert not file(folder).exists()
        for number in (3, 7, 9):
            journal.sending(number)
        journal.settled(OUTCOME)
    again = Journal(folder, PLAN)
    assert again.outcomes == {7: OUTCOME}
    assert again.sent == {3, 9}
    assert Journal(folder, "plan_2").sent == set()


def test_it_is_read_as_it_was_at_the_kill_without_closing(folder: Path) -> None:
    journal = Journal(folder, PLAN)
    journal.sending(3)
    assert Journal(folder, PLAN).sent == {3}
    journal.close()


def test_what_is_sent_again_is_open_again(folder: Path) -> None:
    with Journal(folder, PLAN) as journal:
        journal.sending(7)
        journal.settled(OUTCOME)
        journal.sending(7)
    again = Journal(folder, PLAN)
    assert (again.outcomes, again.sent) == ({}, {7})


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_torn_last_line_is_as_good_as_not_written(folder: Path, cut: int) -> None:
    with Journal(folder, PLAN) as journal:
        journal.sending(3)
        journal.sending(7)
        journal.settled(OUTCOME)
    whole = file(folder).read_bytes()
    file(folder).write_bytes(whole[:-cut])
    with Journal(folder, PLAN) as journal:
        # Without its line end alone, the line is whole.
        assert journal.sent == ({3} if cut == 1 else {3, 7})
        journal.sending(8)
        journal.settled(OUTCOME)
    again = Journal(folder, PLAN)
    assert (again.outcomes, again.sent) == ({7: OUTCOME}, {3, 8})


def test_only_its_owner_reads_it(folder: Path) -> None:
    with Journal(folder, PLAN) as journal:
        journal.sending(1)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE(file(folder).stat().st_mode) == 0o600


def test_it_is_gone_once_removed_and_can_begin_anew(folder: Path) -> None:
    with Journal(folder, PLAN) as journal:
        journal.sending(1)
        journal.remove()
        assert not folder.exists()
        journal.remove()
        journal.sending(2)
    assert Journal(folder, PLAN).sent == {2}


def test_another_plans_journal_stays(folder: Path) -> None:
    with Journal(folder, PLAN) as journal, Journal(folder, "plan_2") as other:
        journal.sending(1)
        other.sending(2)
        journal.remove()
    assert Journal(folder, "plan_2").sent == {2}


def test_a_link_leads_nowhere(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine\n")
    folder.mkdir()
    file(folder).symlink_to(elsewhere)
    with pytest.raises(SpoolError, match="journal cannot be kept"):
        Journal(folder, PLAN)
    assert elsewhere.read_bytes() == b"mine\n"
    file(folder).unlink()
    journal = Journal(folder, PLAN)
    file(folder).symlink_to(elsewhere)
    with pytest.raises(SpoolError):
        journal.sending(1)
    assert elsewhere.read_bytes() == b"mine\n"


def test_a_full_disk_is_one_sentence_and_damages_one_line_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[: len(data) // 2])

    with Journal(folder, PLAN) as journal:
        journal.sending(1)
        monkeypatch.setattr(os, "write", half)
        with pytest.raises(SpoolError, match="No space left on device") as failed:
            journal.settled(OUTCOME)
        assert "Zoë" not in str(failed.value)
        monkeypatch.undo()
        journal.sending(2)
    again = Journal(folder, PLAN)
    assert (again.outcomes, again.sent) == ({}, {1, 2})
