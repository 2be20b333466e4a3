"""Persons who are erased are gone from Dub, from every table, and from the files of this tool."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from dub_source import runs
from dub_source.cli.commands import dub_source
from dub_source.destinations.duckdb_file import DuckDBFile
from dub_source.errors import DestinationError, InvalidArgument, OtherWorkspace, TooManyDeletes
from dub_source.failures import ExitCode, explain
from dub_source.reverse.erasing import Erasing, customer_hash
from dub_source.reverse.model import Result
from dub_source.sandbox import Fault
from dub_source.sandbox.generate import generate
from tests.reverse.conftest import MakePushWorld
from tests.reverse.world import PushWorld, command
from tests.sync.world import counts
from tests.warehouses.duckdb_file import DuckDBWarehouse

NOTHING = (0, 0, 0)


def of(result: runs.ApplyResult) -> dict[str, int]:
    return {each.value: number for each, number in result.counts.items() if number}


PERSON = {
    "name": "Quintessa Zyxwvut",
    "email": "quintessa.zyxwvut@mailhost.example",
    "external_id": "crm-quintessa-4711",
}
FORMER_EMAIL = "q.formerly@oldhost.example"


def erase(world: PushWorld, **options: Any) -> runs.EraseResult:
    return runs.erase(world.target, **{"apply": True} | world.here | options)


def texts(world: PushWorld) -> str:
    """Everything that any table of the warehouse holds."""
    return "\n".join(repr(row) for table in world.warehouse.tables() for row in world.warehouse.rows(table))


def holding(folder: Path, *values: str) -> set[str]:
    """The files under a folder in whose bytes one of the values is."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(value.encode() in path.read_bytes() for value in values)
    }


def with_person(world: PushWorld) -> str:
    """Somebody whose values are in all tables: with an old version, an applied plan and one that waits."""
    person = world.sandbox.insert(name="Q. Before", email=FORMER_EMAIL, external_id="crm-before").id
    world.load()
    world.sandbox.change(person, **PERSON)
    world.load()
    world.wish({person: {"avatar": "https://quintessa.example/me.png"}})
    assert world.apply(world.plan()).complete
    world.wish({person: {"name": "Quintessa Planned"}})
    world.plan()
    world.warehouse.put("crm.names", ["id"], [])
    return person


VALUES = (*PERSON.values(), FORMER_EMAIL, "Q. Before", "crm-before", "quintessa.example", "Quintessa Planned")


@pytest.mark.slow
@pytest.mark.parametrize(
    "named",
    (
        {"emails": [PERSON["email"].upper()]},
        {"external_ids": [PERSON["external_id"]]},
        {"ids": ["ID"]},
        {"emails": [FORMER_EMAIL], "include_former": True},
    ),
    ids=("email in another case", "external id", "id", "former email"),
)
def test_a_person_is_gone_from_everywhere(named: Mapping[str, Any], push_world: PushWorld) -> None:
    world = push_world
    person = with_person(world)
    if "ids" in named:
        named = {"ids": [person]}
    others = {each: row for each, row in world.sandbox.snapshot().items() if each != person}
    assert all(value in texts(world) for value in VALUES)
    # Where the rows are in files: else none of them must hold anything, not even now.
    assert bool(holding(world.folder, *VALUES)) == world.warehouse.in_files

    result = erase(world, **named)

    assert (result.complete, result.erased, result.rewritten) == (True, (person,), world.warehouse.in_files)
    assert (result.left, result.waiting, result.nobodies) == ({}, (), 0)
    assert result.removed["customers"] == 1
    assert result.removed["customers_history"] == 4  # twice by a load, by the apply, and by the erasure
    assert world.sandbox.snapshot() == others
    assert [value for value in VALUES if value in texts(world)] == []
    assert holding(world.folder, *VALUES) == set()
    ((digest, removed, done),) = world.query("SELECT customer_sha256, removed, erased_at FROM dub.erasures")
    assert (digest, done is not None) == (customer_hash(person), True)
    assert json.loads(removed)["push_changes"] == 3  # two updates and the delete
    assert counts(world.load()) == NOTHING
    world.assert_as_in_dub(gone=0)


@pytest.mark.slow
def test_it_is_only_shown_unless_somebody_says_yes(push_world: PushWorld) -> None:
    world = push_world
    person = with_person(world)
    before, tables = world.sandbox.snapshot(), texts(world)
    result = erase(world, emails=[PERSON["email"], "nobody@example.com"], apply=False)
    assert (result.living, result.deleted_before, result.nobodies) == (1, 0, 1)
    assert (result.complete, result.erased, result.applies) == (False, (), ())
    assert world.sandbox.snapshot() == before
    assert all(line in texts(world) for line in tables.splitlines() if "push_" not in line and person in line)
    assert world.query("SELECT count(*) FROM dub.customers WHERE id = ?", person) == [(1,)]
    assert erase(world, emails=[PERSON["email"]]).complete


def test_nobody_is_found(push_world: PushWorld) -> None:
    before = push_world.dump()
    result = erase(push_world, emails=["nobody@example.com"], ids=["cus_nobody"], external_ids=["x"])
    assert (result.complete, result.plan, result.nobodies, result.rewritten) == (True, None, 3, False)
    assert push_world.dump() == before
    with pytest.raises(InvalidArgument, match="Nobody is named"):
        erase(push_world)
    with pytest.raises(InvalidArgument, match="empty"):
        erase(push_world, emails=[" "])
    with pytest.raises(InvalidArgument, match="ext_"):
        erase(push_world, ids=["ext_x"])


@pytest.mark.slow
def test_customers_who_were_deleted_before_are_erased_too(push_world: PushWorld) -> None:
    world = push_world
    person = with_person(world)
    world.sandbox.delete(person)
    assert counts(world.load()) == (0, 0, 1)
    result = erase(world, external_ids=[PERSON["external_id"]])
    assert (result.living, result.deleted_before, result.erased) == (0, 1, (person,))
    assert [value for value in VALUES if value in texts(world)] == []


@pytest.mark.slow
def test_somebody_whom_no_load_has_seen_is_deleted_in_dub(push_world: PushWorld) -> None:
    world = push_world
    person = world.sandbox.insert(**PERSON).id
    result = erase(world, emails=[PERSON["email"]])
    assert (result.living, result.erased, result.complete) == (1, (person,), True)
    assert person not in world.sandbox.snapshot()
    assert counts(world.load()) == NOTHING


@pytest.mark.slow
def test_who_had_a_value_once_is_left_alone_unless_that_is_said(push_world: PushWorld) -> None:
    """An external id that has gone over to somebody else does not take the first one with it."""
    world = push_world
    first, second = world.sandbox.ids()[:2]
    world.sandbox.change(first, external_id="crm-moved")
    world.load()
    world.sandbox.change(first, external_id="crm-new")
    world.sandbox.change(second, external_id="crm-moved")
    world.load()
    result = erase(world, external_ids=["crm-moved"])
    assert (result.erased, result.formerly) == ((second,), (first,))
    assert first in world.sandbox.snapshot()
    assert len(world.history(first)) == 3
    result = erase(world, external_ids=["crm-moved"], include_former=True)
    assert (result.erased, result.complete) == ((first,), True)


@pytest.mark.slow
def test_not_more_persons_than_are_allowed(push_world: PushWorld) -> None:
    world = push_world
    for _ in range(3):
        world.sandbox.insert(name="Shared", email="shared@example.com")
    before = world.sandbox.snapshot()
    with pytest.raises(TooManyDeletes, match="--max-persons 3"):
        erase(world, emails=["shared@example.com"], max_persons=2)
    assert world.sandbox.snapshot() == before
    assert len(erase(world, emails=["shared@example.com"], max_persons=3).erased) == 3


@pytest.mark.slow
def test_a_plan_that_would_create_the_person_again_is_given_up(push_world: PushWorld) -> None:
    world = push_world
    world.wish({PERSON["external_id"]: {"email": PERSON["email"], "country": "DE"}}, key="external_id")
    made = world.plan(key="external_id", sync_mode="create")
    world.warehouse.put("crm.names", ["id"], [])
    result = erase(world, external_ids=[PERSON["external_id"]])
    assert result.complete
    assert [value for value in PERSON.values() if value in texts(world)] == []
    assert of(world.apply(made)) == {"rejected": 1}
    assert PERSON["external_id"] not in {row["externalId"] for row in world.sandbox.snapshot().values()}


@pytest.mark.slow
def test_what_plans_hold_of_a_person_under_other_customers_goes_too(push_world: PushWorld) -> None:
    """A creation that found the person in its way shows her; an update that waits would give her id away."""
    world = push_world
    person, other = world.sandbox.insert(**PERSON).id, world.sandbox.ids()[0]
    world.load()
    before = world.shown(other)
    wished = {"email": "else@example.com", "name": "Else", "country": "DE"}
    world.wish({PERSON["external_id"].upper(): wished}, key="external_id")
    assert of(world.apply(world.plan(key="external_id", sync_mode="create"))) == {"rejected": 1}
    world.wish({person: {"external_id": "crm-next"}, other: {"external_id": PERSON["external_id"]}})
    waiting = world.plan()
    world.warehouse.put("crm.names", ["id"], [])
    assert PERSON["name"] in texts(world)
    assert erase(world, ids=[person]).complete
    assert [value for value in PERSON.values() if value in texts(world)] == []
    assert of(world.apply(waiting)) == {"drifted": 1, "rejected": 1}
    world.apply(waiting, retry_rejected=True)
    assert world.shown(other) == before


@pytest.mark.slow
def test_a_swap_that_waits_leaves_nobody_with_a_made_up_id(push_world: PushWorld) -> None:
    world = push_world
    first, second = world.sandbox.ids()[:2]
    ids = {each: world.shown(each)["externalId"] for each in (first, second)}
    world.wish({first: {"external_id": ids[second]}, second: {"external_id": ids[first]}})
    swap = world.plan(allow_swaps=True)
    world.warehouse.put("crm.names", ["id"], [])
    assert erase(world, ids=[second]).complete
    world.apply(swap)
    assert world.shown(first)["externalId"] in ids.values()


@pytest.mark.slow
def test_a_name_that_only_a_plan_would_give_to_somebody_goes_too(push_world: PushWorld) -> None:
    world = push_world
    somebody = world.sandbox.ids()[0]
    before = world.shown(somebody)
    world.wish({somebody: {"email": PERSON["email"]}})
    made = world.plan()
    world.warehouse.put("crm.names", ["id"], [])
    result = erase(world, emails=[PERSON["email"]])
    assert (result.complete, result.erased, result.removed) == (True, (), {"push_changes": 1, "push_log": 1})
    assert PERSON["email"] not in texts(world)
    assert of(world.apply(made)) == {"rejected": 1}
    assert world.shown(somebody) == before


@pytest.mark.slow
def test_names_that_only_dubs_database_takes_for_the_same_are_nobodys(push_world: PushWorld) -> None:
    """It compares without accents and blanks at the end (recorded); they may be anybody's."""
    world = push_world
    world.sandbox.insert(external_id="resume-1")
    plain = next(each for each in world.sandbox.ids() if "e" in each)
    result = erase(
        world, apply=False, external_ids=["résumé-1", "resume-1 "], ids=[plain.replace("e", "é"), f"{plain} "]
    )
    assert (result.living, result.nobodies) == (0, 4)
    result = erase(world, apply=False, ids=[plain.upper()], external_ids=["resume-1"])
    assert (result.living, result.nobodies) == (2, 0)


def test_half_characters_are_nobodys(push_world: PushWorld) -> None:
    for names in ("ids", "external_ids", "emails"):
        with pytest.raises(InvalidArgument, match="UTF-8"):
            erase(push_world, **{names: ["\udcff@example.com"]})


def test_a_text_in_place_of_a_list_is_not_a_list_of_letters(push_world: PushWorld) -> None:
    one, two = push_world.sandbox.ids()[:2]
    push_world.sandbox.change(one, external_id="1")
    push_world.sandbox.change(two, external_id="7")
    for names in ("ids", "external_ids", "emails"):
        with pytest.raises(InvalidArgument, match=f"The {names} of persons must be a list"):
            erase(push_world, **{names: "17"})
        with pytest.raises(InvalidArgument, match=f"The {names} of persons must be a list"):
            erase(push_world, **{names: [17]})
    assert {one, two} <= set(push_world.sandbox.ids())


@pytest.mark.slow
def test_a_delete_that_was_rejected_is_sent_again(push_world: PushWorld) -> None:
    world = push_world
    person = world.sandbox.ids()[0]
    world.sandbox.inject(Fault("status", method="DELETE", status=422))
    result = erase(world, ids=[person])
    assert (result.complete, result.left, result.waiting) == (False, {person: Result.REJECTED}, ())
    result = erase(world, ids=[person])
    assert (result.complete, result.erased) == (True, (person,))
    assert person not in world.sandbox.snapshot()


@pytest.mark.slow
def test_who_cannot_be_deleted_keeps_everything(push_world: PushWorld) -> None:
    world = push_world
    person = with_person(world)
    result = erase(world, ids=[person], api_key=world.sandbox.key("viewer"))
    assert (result.complete, result.erased) == (False, ())
    assert result.stopped_by is not None
    assert len(result.waiting) == 1
    assert PERSON["email"] in texts(world)
    assert person in world.sandbox.snapshot()
    # Whoever comes next with a key that may goes on with it.
    result = erase(world, emails=["somebody.else@example.com"])
    assert (result.erased, result.waiting) == ((person,), ())
    assert PERSON["email"] not in texts(world)


def test_an_erasure_that_is_not_done_is_gone_on_with_by_erase_alone(push_world: PushWorld) -> None:
    world = push_world
    person = with_person(world)
    result = erase(world, ids=[person], api_key=world.sandbox.key("viewer"))
    assert result.plan is not None
    plan_id = result.plan.plan.plan_id
    # An apply would delete in Dub, leave the values here, and let everybody think that it was done.
    with pytest.raises(InvalidArgument, match=f"erase --id {person} --yes"):
        world.apply(plan_id)
    assert person in world.sandbox.snapshot()
    there = runs.status(world.target)
    assert there.erasures == {plan_id: person}
    (problem,) = runs.judge(there).problems
    assert problem.command == f"dub-source erase --id {person} --yes"
    assert erase(world, ids=[person]).complete
    there = runs.status(world.target)
    assert (there.erasures, runs.judge(there).problems) == ({}, ())


@pytest.mark.only("duckdb")
def test_status_knows_of_an_erasure_whose_deletes_are_done_and_nothing_else(
    push_world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = push_world.sandbox.ids()[0]

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Erasing, "remove", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(push_world, ids=[person])
    assert person not in push_world.sandbox.snapshot()
    assert list(runs.status(push_world.target).erasures.values()) == [person]
    assert erase(push_world, ids=[person]).complete
    assert runs.status(push_world.target).erasures == {}


def test_another_workspace_is_noticed_before_anybody_is_deleted(
    push_world: PushWorld, make_push_world: MakePushWorld
) -> None:
    other = make_push_world(generate(30, random_seed=1))
    somebody = other.sandbox.ids()[0]
    with pytest.raises(OtherWorkspace):
        erase(push_world, ids=[somebody], api_key=other.sandbox.key(), base_url=other.sandbox.url)
    assert somebody in other.sandbox.snapshot()


STEPS = ((Erasing, "begin"), (Erasing, "remove"), (DuckDBFile, "rewrite"), (Erasing, "finish"))


@pytest.mark.slow
@pytest.mark.only("duckdb")
@pytest.mark.parametrize("owner, step", STEPS, ids=[step for _, step in STEPS])
@pytest.mark.parametrize("after", (False, True), ids=("before it", "after it"))
def test_interrupted_anywhere_it_is_gone_on_with(
    owner: type, step: str, after: bool, push_world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = push_world
    person = with_person(world)

    class Interrupted(BaseException): ...

    whole = getattr(owner, step)

    def half(self: object, *arguments: Any) -> None:
        if after:
            whole(self, *arguments)
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(owner, step, half)
        with pytest.raises(Interrupted):
            erase(world, emails=[PERSON["email"]])
    # On another machine, with the same words.
    result = erase(world, emails=[PERSON["email"]], pipelines_dir=world.folder / "elsewhere")
    assert (result.complete, result.waiting) == (True, ())
    assert person not in world.sandbox.snapshot()
    assert [value for value in VALUES if value in texts(world)] == []
    assert world.query("SELECT count(*) FROM dub.erasures WHERE erased_at IS NULL") == [(0,)]


@pytest.mark.slow
@pytest.mark.only("duckdb")
def test_what_others_keep_in_the_file_survives(push_world: PushWorld) -> None:
    world, file = push_world, file_of(push_world)
    person = with_person(world)
    world.warehouse.execute(
        "CREATE SCHEMA shop",
        "CREATE TABLE shop.orders (id INTEGER PRIMARY KEY, total DECIMAL(9,2) NOT NULL DEFAULT 1)",
        "INSERT INTO shop.orders VALUES (1, 9.99), (2, 1)",
        "CREATE VIEW shop.spent AS SELECT sum(total) AS total FROM shop.orders",
        "CREATE SEQUENCE shop.numbers START 7",
        "CREATE MACRO shop.twice(x) AS x * 2",
        "CREATE INDEX totals ON shop.orders (total)",
        "COMMENT ON TABLE shop.orders IS 'theirs'",
    )
    mode = file.stat().st_mode
    assert erase(world, ids=[person]).rewritten
    assert file.stat().st_mode == mode
    assert world.query("SELECT shop.twice(id) FROM shop.orders ORDER BY id") == [(2,), (4,)]
    assert [str(total) for (total,) in world.query("SELECT total FROM shop.spent")] == ["10.99"]
    assert world.query("SELECT comment FROM duckdb_tables() WHERE table_name = 'orders'") == [("theirs",)]
    assert world.query("SELECT count(*) FROM dub.customers_validity WHERE is_current") == [(120,)]


def file_of(world: PushWorld) -> Path:
    assert isinstance(world.warehouse, DuckDBWarehouse)
    return world.warehouse.file


@contextmanager
def open_elsewhere(file: Path) -> Iterator[None]:
    """As in another program."""
    import subprocess
    import sys

    program = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield
        process.kill()


@pytest.mark.slow
@pytest.mark.only("duckdb")
def test_a_file_that_cannot_be_written_anew_stops_it_before_anybody_is_deleted(
    push_world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = push_world
    person = with_person(world)
    with open_elsewhere(file_of(world)), pytest.raises(Exception, match="lock") as caught:
        erase(world, ids=[person])
    assert explain(caught.value).exit_code == ExitCode.DESTINATION
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
        with pytest.raises(DestinationError, match="make room"):
            erase(world, ids=[person])
    world.warehouse.execute(
        "CREATE TABLE shops (id INTEGER PRIMARY KEY)",
        "CREATE TABLE orders (shop INTEGER REFERENCES shops (id))",
    )
    with pytest.raises(DestinationError, match="foreign keys"):
        erase(world, ids=[person])
    assert person in world.sandbox.snapshot()
    assert PERSON["email"] in texts(world)


@pytest.mark.slow
def test_the_command_shows_then_does_it_and_says_nothing_about_people(push_world: PushWorld) -> None:
    world = push_world
    person = with_person(world)
    requests = world.folder / "requests.csv"
    requests.write_text(f"ticket,email\n17,{PERSON['email']}\n18,nobody@example.com\n", encoding="utf-8")
    code, said, told = command(world, "erase", "--from", requests)
    assert (code, person in world.sandbox.snapshot()) == (ExitCode.OK, True)
    assert "1 customers found: 1 to delete in Dub" in said
    assert "--yes" in said
    shown = CliRunner().invoke(dub_source, ["show", *map(str, world.warehouse.arguments)])
    assert "dub-source erase --from FILE --yes" in shown.output
    assert "dub-source apply" not in shown.output
    code, done, more = command(world, "erase", "--from", requests, "--yes", "--json")
    assert code == ExitCode.OK
    assert (json.loads(done)["erased"], json.loads(done)["complete"]) == ([person], True)
    requests.unlink()
    assert holding(world.folder, *VALUES) == set()
    assert not [value for value in VALUES if value in said + told + shown.output + done + more]
    code, _, told = command(world, "erase")
    assert (code, told.count("\n"), "Nobody is named" in told) == (ExitCode.SETTINGS, 1, True)
    (world.folder / "no.csv").write_text("name\nx\n", encoding="utf-8")
    code, _, told = command(world, "erase", "--from", world.folder / "no.csv")
    assert (code, "names nobody" in told) == (ExitCode.SETTINGS, True)
