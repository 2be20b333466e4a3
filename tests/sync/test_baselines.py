"""Other columns, or columns in another form: everybody is written, and the history tells of changes only."""

from pathlib import Path
from typing import Any

import pytest

from dub_source.sandbox import Fault
from tests.sync.world import World, counts

KEY = "a secret of thirty-two characters!"
HASHED: dict[str, Any] = {"hash_columns": ["email"], "hash_key": KEY}


def changed_meanwhile(world: World, *, name: str) -> list[str]:
    """One renamed, one deleted, one new."""
    ids = [each for each, row in world.sandbox.snapshot().items() if row["email"]]
    world.sandbox.change(ids[40], name=name)
    world.sandbox.delete(ids[50])
    return [ids[40], ids[50], world.sandbox.insert(name="New", email=f"{name}@example.test").id]


def versions(world: World) -> int:
    return world.sizes()[1]


@pytest.mark.slow
def test_switching_expanded_fields_off_and_on(world: World) -> None:
    world.load(include_expanded_fields=False)
    assert "link__id" not in world.customers().popitem()[1]
    renamed, gone, new = changed_meanwhile(world, name="First")
    before = versions(world)
    result = world.load("incremental")
    assert (result.report.decision.kind, result.report.deleted) == ("full", 1)
    world.assert_as_in_dub(gone=1)
    assert versions(world) == before + 3
    assert [world.changes(each)[-1] for each in (renamed, gone, new)] == [
        ("updated", '["name"]'),
        ("deleted", None),
        ("created", None),
    ]
    linked = [each for each, row in world.sandbox.snapshot().items() if row.get("link")]
    assert len(linked) > 10
    assert counts(world.load()) == (0, 0, 0)

    renamed, gone, new = changed_meanwhile(world, name="Second")
    before = versions(world)
    assert world.load(include_expanded_fields=False).report.deleted == 1
    assert versions(world) == before + 3
    assert world.changes(renamed)[-1] == ("updated", '["name"]')
    assert counts(world.load(include_expanded_fields=False)) == (0, 0, 0)
    world.sandbox.change(linked[0], link_id=None, program_id=None, partner_id=None)
    world.load()
    assert counts(world.load()) == (0, 0, 0)
    world.assert_as_in_dub(gone=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options, column",
    (
        (HASHED, "email"),
        pytest.param({"exclude_columns": ["email", "avatar"]}, "email", marks=pytest.mark.slow),
        pytest.param(
            {"hash_columns": ["external_id", "name"], "hash_key": KEY}, "external_id", marks=pytest.mark.slow
        ),
    ),
    ids=("hash", "exclude", "hash others"),
)
def test_privacy_switched_on_makes_no_flood_of_history(
    options: dict[str, Any], column: str, world: World
) -> None:
    world.load()
    plain = {each: row[column] for each, row in world.customers().items()}
    renamed, gone, new = changed_meanwhile(world, name="First")
    world.sandbox.change(renamed, country="ZZ")
    before = versions(world)
    result = world.load(**options)
    assert result.report.deleted == 1
    assert versions(world) == before + 3
    assert [world.changes(each)[-1][0] for each in (renamed, gone, new)] == ["updated", "deleted", "created"]
    assert "country" in (world.changes(renamed)[-1][1] or "")
    stored = {each: row[column] for each, row in world.customers().items() if row["deleted_at"] is None}
    assert not set(filter(None, stored.values())) & set(filter(None, plain.values()))
    assert counts(world.load(**options)) == (0, 0, 0)
    assert versions(world) == before + 3
    world.load()
    assert versions(world) == before + 3, "and none when it is switched off again"


@pytest.mark.slow
def test_another_key_makes_no_flood_of_history(world: World) -> None:
    world.load(**HASHED)
    renamed, *_ = changed_meanwhile(world, name="First")
    before = versions(world)
    other = {**HASHED, "hash_key": KEY[::-1]}
    assert world.load(**other).report.updated == 119
    assert versions(world) == before + 3
    assert world.changes(renamed)[1:] == [("updated", '["name"]')]
    assert counts(world.load(**other)) == (0, 0, 0)
    world.sandbox.change(renamed, email="moved@example.test")
    assert counts(world.load(**other)) == (0, 1, 0)
    assert world.changes(renamed)[2:] == [("updated", '["email"]')]


@pytest.mark.parametrize("options", ({"exclude_columns": ["email", "name"]}, HASHED), ids=("exclude", "hash"))
@pytest.mark.parametrize("fails", (False, True), ids=("loaded", "failed"))
def test_hidden_values_are_nowhere_on_disk(
    options: dict[str, Any], fails: bool, world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    world.sandbox.insert(email="nameless@example.test")  # Dub shows the email in the place of the name
    emails = [row["email"] for row in world.sandbox.snapshot().values() if row["email"]]
    if "hash_columns" in options:
        options = {**options, "hash_columns": ["email", "name"]}

    def found() -> set[str]:
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert files
        content = {path: path.read_bytes() for path in files}
        content[Path("warehouse")] = repr(world.dump()).encode()
        return {
            f"{email} in {path.name}"
            for path, held in content.items()
            for email in emails
            if email.encode() in held
        }

    seen: list[set[str]] = []

    def look() -> None:
        assert list(world.working.rglob("rows-*")), "the rows are on the disk meanwhile"
        seen.append(found())
        if fails:
            raise ValueError("stop")

    if fails:
        with pytest.raises(Exception, match="stop"):
            world.load(act=look, **options)
        assert list(world.working.rglob("rows-*")), "and stay there"
    else:
        world.load(act=look, **options)
        world.sandbox.change(world.sandbox.ids()[0], email="changed@example.test")
        emails.append("changed@example.test")
        world.sandbox.inject(Fault("status", containing="/customers/count", status=500))
        world.load("incremental", **options)
        world.warehouse.execute("CHECKPOINT")
    assert seen == [set()]
    assert found() == set()
    assert not [email for email in emails if email in caplog.text]
