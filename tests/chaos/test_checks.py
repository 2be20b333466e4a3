"""What the chaos looks at is seen where it is broken: each check, on a warehouse that somebody spoiled."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dub_source.sandbox import Sandbox
from tests.chaos.promises import as_in_dub, no_false_deletes, nothing_new, sound_history
from tests.chaos.proxy import FaultProxy, Write
from tests.chaos.pushes import Plans, Pushed
from tests.chaos.quiet import Words, kept, left_behind, said, stored
from tests.chaos.workspace import Workspace
from tests.conftest import StartSandbox
from tests.promises.warehouse import contents
from tests.reverse.world import PushWorld
from tests.warehouses.duckdb_file import DuckDBWarehouse

pytestmark = pytest.mark.slow


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(60)


@pytest.fixture
def workspace(sandbox: Sandbox) -> Workspace:
    return Workspace(sandbox, Counter())


@pytest.fixture
def world(sandbox: Sandbox, workspace: Workspace, tmp_path: Path) -> PushWorld:
    found = PushWorld(sandbox, tmp_path, DuckDBWarehouse(tmp_path / "rows.duckdb"))
    found.load()
    return found


def differences(world: PushWorld, workspace: Workspace) -> list[str]:
    with workspace.sandbox.still():
        workspace.adopt()
    return [promise for promise, _ in as_in_dub(contents(world.warehouse), workspace)]


# P1, P2, P3, P5


def test_rows(world: PushWorld, workspace: Workspace) -> None:
    first, second = world.sandbox.ids()[:2]
    assert differences(world, workspace) == []
    world.warehouse.update("dub.customers", {"country": "'ZZ'"}, f"id = '{first}'")
    assert differences(world, workspace) == ["P1"]
    world.warehouse.delete("dub.customers", f"id = '{first}'")
    assert differences(world, workspace) == ["P1"]
    world.warehouse.update("dub.customers", {"deleted_at": "now()"}, f"id = '{second}'")
    assert differences(world, workspace) == ["P1", "P2"]
    world.sandbox.delete(second)
    assert differences(world, workspace) == ["P1"]
    world.warehouse.update("dub.customers", {"deleted_at": "NULL"}, f"id = '{second}'")
    assert differences(world, workspace) == ["P1", "P2"]


def test_deletes_in_between(world: PushWorld, workspace: Workspace) -> None:
    customer = world.sandbox.ids()[0]
    world.warehouse.update("dub.customers", {"deleted_at": "now()"}, f"id = '{customer}'")
    assert list(no_false_deletes(contents(world.warehouse), workspace)) == []  # it may have died since
    workspace.times = {number: at - 60 for number, at in workspace.times.items()}
    world.warehouse.update(
        "dub.customers", {"deleted_at": "now() - INTERVAL '20 seconds'"}, f"id = '{customer}'"
    )
    ((promise, what),) = no_false_deletes(contents(world.warehouse), workspace)
    assert (promise, customer in what) == ("P2", True)


def test_history_and_second_sweeps(world: PushWorld) -> None:
    before = contents(world.warehouse)
    assert list(sound_history(before)) == []
    assert list(nothing_new(before, before, (0, 0, 0))) == []
    assert [promise for promise, _ in nothing_new(before, before, (0, 1, 0))] == ["P3"]
    customer = world.sandbox.ids()[0]
    world.warehouse.update("dub.customers", {"country": "'ZZ'"}, f"id = '{customer}'")
    after = contents(world.warehouse)
    assert [promise for promise, _ in nothing_new(before, after, (0, 0, 0))] == ["P3"]
    assert [promise for promise, _ in sound_history(after)] == ["P5"]


# P6


class Carried:
    """A plan that was carried out through the proxy."""

    def __init__(self, world: PushWorld, workspace: Workspace, proxy: FaultProxy) -> None:
        self.world, self.workspace, self.proxy = world, workspace, proxy
        workspace.change_between_requests("", (), probability=0.0, most=0)
        ids = world.sandbox.ids()
        rows = {each: {"op": "update", "name": f"Wished {each}"} for each in ids[:3]}
        rows[ids[3]] = {"op": "delete", "name": ""}
        world.wish(rows)
        made = world.plan(max_deletes=5)
        line = proxy.open("p")
        assert world.apply(made, base_url=line.url).complete
        proxy.close(line)
        workspace.settle()
        self.plan_id = made.plan.plan_id
        self.ids = ids[:4]

    def found(self, *more: Write, without: str | None = None, **about: bool) -> list[str]:
        ledger = [each for each in self.proxy.ledger if without is None or without not in each.target]
        pushed = Pushed(self.plan_id, {"p"}, finished=True, machines={"home"}, **about)
        return list(Plans(self.world.warehouse, [*ledger, *more], self.workspace, [pushed]).violations())

    def log(self, column: str, value: str, number: int) -> None:
        self.world.warehouse.update("dub.push_log", {column: f"'{value}'"}, f"number = {number}")


@pytest.fixture
def carried(world: PushWorld, workspace: Workspace) -> Iterator[Carried]:
    with FaultProxy(world.sandbox.port) as proxy:
        yield Carried(world, workspace, proxy)


def test_nothing_is_wrong_with_a_plan_that_went_well(carried: Carried) -> None:
    assert carried.found() == []


@pytest.mark.parametrize(
    "process, method, body, words",
    (
        ("p", "PATCH", {"name": "Nobody's Wish"}, "does not list"),
        ("p", "POST", {"externalId": "new", "country": "DE"}, "does not list"),
        ("other", "DELETE", {}, "carried out no plan"),
    ),
)
def test_writes_that_no_plan_lists(
    carried: Carried, process: str, method: str, body: dict[str, str], words: str
) -> None:
    target = f"/customers/{carried.ids[0]}"
    write = Write(process, method, target, json.dumps(body).encode(), 200, b"{}", 0.0)
    (found,) = carried.found(write)
    assert words in found


def test_writes_twice(carried: Carried) -> None:
    (first,) = (each for each in carried.proxy.ledger if carried.ids[0] in each.target)
    (found,) = carried.found(first)
    assert "was written 2 times" in found


def test_outcomes_that_are_missing_or_twice(carried: Carried) -> None:
    carried.world.warehouse.execute("INSERT INTO dub.push_log SELECT * FROM dub.push_log WHERE number = 1")
    (found,) = carried.found()
    assert "two outcomes for the changes [1]" in found
    carried.world.warehouse.delete("dub.push_log", "number = 1")
    (found,) = carried.found()
    assert "without an outcome for the changes [1]" in found


@pytest.mark.parametrize(
    "result, words",
    (("not_attempted", "no final outcome"), ("drifted", "Dub has got it"), ("rejected", "Dub has got it")),
)
def test_outcomes_that_are_not_true(carried: Carried, result: str, words: str) -> None:
    carried.log("result", result, 0)
    (found,) = carried.found()
    assert words in found


def test_outcomes_of_what_dub_has_not_got(carried: Carried) -> None:
    (found,) = carried.found(without=carried.ids[0])
    assert "Dub has got no such write" in found
    (found,) = carried.found(without=carried.ids[3])
    assert "Dub has got no such write" in found
    carried.log("status", "404", 3)  # as after a lost answer
    assert carried.found(without=carried.ids[3]) == []
    carried.log("result", "accepted_not_applied", 0)
    (found,) = carried.found(without=carried.ids[0])
    assert "Dub has accepted nothing" in found


def test_what_never_was(carried: Carried) -> None:
    carried.log("result", "already_applied", 0)
    assert carried.found() == []
    for life in carried.workspace.lives[carried.ids[0]]:
        del life.values[1:]
    assert ["it was never so" in each for each in carried.found()] == [True]


# P7


def test_words_that_must_not_be_said(world: PushWorld, tmp_path: Path) -> None:
    words = Words()
    words.add(["Zoë Brown", "customer1@example.com", "dub_key", "ab"])
    quiet, loud, escaped = (tmp_path / name for name in ("quiet.log", "loud.log", "escaped.log"))
    quiet.write_text("ab, customers, 1@example.com")
    loud.write_text("... customer1@example.com ...")
    escaped.write_text(json.dumps("to Zoë Brown"))
    assert [line.split()[0] for line in said(words, (quiet, loud, escaped))] == ["loud.log", "escaped.log"]
    assert list(stored(words, world.warehouse)) == []
    assert list(kept(words, world.working)) == []
    assert list(left_behind(world.working)) == []
    (world.working / "rows.parquet").write_bytes(b"PAR1")
    (world.working / "note").write_text("dub_key")
    assert [line.split()[0] for line in left_behind(world.working)] == ["working/rows.parquet"]
    assert [line.split()[0] for line in kept(words, world.working)] == ["working/note"]
    world.warehouse.update("dub.sync_runs", {"error": "'about customer1@example.com'"}, "true")
    assert list(stored(words, world.warehouse)) == ["sync_runs.error says 'customer1@example.com'"]


def test_words_in_the_state_that_dlt_packs(world: PushWorld) -> None:
    words = Words()
    words.add(["frontier"])  # it is there, and no word about people
    assert list(stored(words, world.warehouse)) == ["_dlt_pipeline_state.state says 'frontier'"]
