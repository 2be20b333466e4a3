"""Syncs as people declare them, and what they get to read when they got it wrong."""

from pathlib import Path
from typing import Any

import pytest

from dub_source.errors import SettingsError
from dub_source.reverse.sync_file import Source, Sync, read_sync


def written(folder: Path, text: str, name: str = "crm_names.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_sync_file_says_everything(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        name = "people of the CRM"
        query = "SELECT * FROM crm.people"
        key = "external_id"
        sync_mode = "mirror"
        clear_nulls = ["name", "avatar"]
        allow_swaps = true
        try_ignored = true
        max_deletes = 0
        max_delete_share = 0.5
        owns = { table = "crm.ours" }
        max_mirror_age_h = 1
        max_plan_age_h = 2.5

        [mapping]
        name = "full_name"
        external_id = "user_id"
        """,
    )
    assert read_sync(path) == Sync(
        name="people of the CRM",
        query="SELECT * FROM crm.people",
        key="external_id",
        sync_mode="mirror",
        clear_nulls=("name", "avatar"),
        allow_swaps=True,
        try_ignored=True,
        max_deletes=0,
        max_delete_share=0.5,
        owns=Source(table="crm.ours"),
        max_mirror_age_h=1,
        max_plan_age_h=2.5,
        mapping={"name": "full_name", "external_id": "user_id"},
    )


def test_a_short_one_is_careful_and_named_after_its_file(tmp_path: Path) -> None:
    sync = read_sync(written(tmp_path, '\ufefftable = "crm.names"'))
    assert sync.name == "crm_names"
    assert (sync.key, sync.sync_mode, sync.creates) == ("id", "update", False)
    assert (sync.clear_nulls, sync.allow_swaps, sync.try_ignored, sync.owns) == ((), False, False, None)
    assert (sync.max_deletes, sync.max_delete_share) == (None, 0.1)


def test_an_undeclared_one_is_named_after_its_source() -> None:
    assert Sync(table="crm.names").name == "table crm.names"
    assert Sync(file="exports/names.csv").name == "file exports/names.csv"
    query = "SELECT id FROM people WHERE email = 'ann@example.test'"
    named = Sync(query=query).name
    assert named == Sync(query=f" {query}\n").name != Sync(query=query.lower()).name
    assert named.startswith("query ")
    for text in (named, repr(Sync(query=query)), repr(Source(query=query))):
        assert "ann" not in text


@pytest.mark.parametrize(
    "given, said",
    (
        ({}, "exactly one"),
        ({"table": "a", "file": "b.csv"}, "table and file"),
        ({"table": " "}, "table"),
        ({"table": 5}, "table"),
        ({"table": "a.b.c.d"}, "people or crm.people"),
        ({"table": 'a"; DROP TABLE b; --'}, "people or crm.people"),
        ({"table": "SELECT * FROM a.b.c, d.e.f"}, "people or crm.people"),
        ({"file": "https://example.test/names.csv"}, "download it"),
        ({"file": "s3://bucket/names.csv"}, "download it"),
        ({"table": "s3://bucket/names.csv"}, "download it"),
        ({"file": "file:///names.csv"}, "download it"),
        ({"table": "a", "key": "email"}, "id, external_id"),
        ({"table": "a", "key": "externalid"}, "did you mean external_id"),
        ({"table": "a", "sync_mode": "updates"}, "did you mean update"),
        ({"table": "a", "sync_mode": ["update"]}, "sync_mode"),
        ({"table": "a", "mapping": ["email"]}, "mapping"),
        ({"table": "a", "mapping": {"email": ""}}, "email"),
        ({"table": "a", "mapping": {"email": 5}}, "email"),
        ({"table": "a", "mapping": {"sales": "turnover"}}, "sales cannot be written"),
        ({"table": "a", "mapping": {"link__id": "link"}}, "link__id cannot be written"),
        ({"table": "a", "mapping": {"deleted_at": "gone"}}, "deleted_at cannot be written"),
        ({"table": "a", "key": "external_id", "mapping": {"id": "x"}}, "id cannot be written"),
        ({"table": "a", "mapping": {"mail": "x"}}, "did you mean email"),
        ({"table": "a", "mapping": {"ann@example.test": "x"}}, "something"),
        ({"table": "a", "clear_nulls": "email"}, "list"),
        ({"table": "a", "clear_nulls": ["external_id"]}, "refuses"),
        ({"table": "a", "clear_nulls": ["country"]}, "refuses"),
        ({"table": "a", "clear_nulls": ["emial"]}, "did you mean email"),
        ({"table": "a", "allow_swaps": "yes"}, "allow_swaps"),
        ({"table": "a", "try_ignored": 1}, "try_ignored"),
        ({"table": "a", "max_deletes": -1}, "max_deletes"),
        ({"table": "a", "max_deletes": True}, "max_deletes"),
        ({"table": "a", "max_deletes": 1.5}, "max_deletes"),
        ({"table": "a", "max_delete_share": 1.01}, "max_delete_share"),
        ({"table": "a", "max_delete_share": float("nan")}, "max_delete_share"),
        ({"table": "a", "max_mirror_age_h": -1}, "max_mirror_age_h"),
        ({"table": "a", "max_plan_age_h": float("inf")}, "max_plan_age_h"),
        ({"table": "a", "max_plan_age_h": "24"}, "max_plan_age_h"),
        ({"table": "a", "sync_mode": "upsert"}, "external_id"),
        ({"table": "a", "sync_mode": "create"}, "external_id"),
        ({"table": "a", "owns": Source(table="b")}, "mirror"),
        ({"table": "a", "sync_mode": "mirror", "owns": "b"}, "source"),
        ({"table": "a", "name": "two\nlines"}, "name"),
        ({"table": "a", "name": "ann@example.test"}, "name"),
        ({"table": "a", "name": 5}, "name"),
    ),
)
def test_what_cannot_be_right_is_one_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Sync(**given)
    assert said in str(caught.value)
    assert "ann@" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text, said",
    (
        ("", "exactly one"),
        ("table = ,", "line 1"),
        ('tabel = "a"', "did you mean table"),
        ('table = "a"\n[maping]\nemail = "x"', "did you mean mapping"),
        ('table = "a"\nmax_delete = 5', "did you mean max_deletes"),
        ('table = "a"\n"ann@example.test" = 5', "something"),
        ('table = "a"\nname = ""', "name"),
        ('table = "a"\nsync_mode = "mirror"\nowns = "b"', "owns"),
        ('table = "a"\nsync_mode = "mirror"\nowns = { tabel = "b" }', "did you mean table"),
        ('table = "a"\nsync_mode = "mirror"\nowns = { }', "exactly one"),
        ('query = "x"\nquery = "ann@example.test"', "no TOML"),
        ('source = "a"', "no setting source"),
    ),
)
def test_a_sync_file_that_cannot_be_right_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_sync(written(tmp_path, text))
    assert said in str(caught.value)
    assert "crm_names.toml" in str(caught.value)
    assert "ann@" not in str(caught.value)


def test_what_is_no_sync_file_at_all_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "huge.toml").write_bytes(b"#" * 2_000_000)
    (tmp_path / "loop.toml").symlink_to("loop.toml")
    deep = "x = " + "[" * 100_000
    for path in (
        tmp_path / "missing.toml",
        *sorted(tmp_path.glob("*.toml")),
        tmp_path / f"{'x' * 300}.toml",
        tmp_path / "nul\x00.toml",
        written(tmp_path, deep, "deep.toml"),
    ):
        with pytest.raises(SettingsError, match=r"sync"):
            read_sync(path)


def test_a_name_from_a_strange_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="The name of a sync"):
        read_sync(written(tmp_path, 'table = "a"', "ann@example.test.toml"))
