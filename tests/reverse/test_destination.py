"""``dub_customers``: any dlt pipeline changes customers in Dub."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from dub_source import dub_customers
from dub_source.errors import DubError, InvalidArgument, SettingsError
from dub_source.failures import ExitCode, explain
from dub_source.sandbox import Fault
from tests.reverse.conftest import MakePushWorld
from tests.reverse.world import PushWorld
from tests.sync.world import counts

ROOT = Path(__file__).parents[2]
NOTHING = (0, 0, 0)
PATCHED = ("PATCH", 200)


class Crm:
    """A dlt pipeline of somebody, into the workspace of a world."""

    def __init__(self, world: PushWorld, **options: Any) -> None:
        self.world = world
        self.pipeline = dlt.pipeline(
            "crm",
            destination=dub_customers(**world.place, **world.here | options),
            pipelines_dir=str(world.folder / "crm"),
        )

    def run(self, rows: Any, **options: Any) -> None:
        self.pipeline.run(rows, **{"table_name": "people"} | options)

    def refused(self, rows: Any, **options: Any) -> tuple[ExitCode, str]:
        """What a run ends with; nothing of it is done, and it is forgotten."""
        before = self.world.sandbox.snapshot()
        with pytest.raises(PipelineStepFailed) as caught:
            self.run(rows, **options)
        failure = explain(caught.value)
        assert failure.sentence in str(caught.value), "dlt shows it"
        assert failure.sentence.count("\n") == 0
        assert self.world.sandbox.snapshot() == before
        self.pipeline.abort_packages()
        return failure.exit_code, failure.sentence

    def plans(self) -> list[tuple[Any, ...]]:
        return self.world.query("SELECT sync, sync_mode, changes FROM dub.push_plans ORDER BY created_at")


# From any pipeline to Dub


@pytest.mark.only("duckdb")
def test_rows_of_any_pipeline_become_a_plan_that_is_applied(push_world: PushWorld) -> None:
    world = push_world
    one, two, three = sorted(world.sandbox.ids())[:3]
    names = {each: world.shown(each)["externalId"] for each in (one, two, three)}
    before = world.shown(three)
    crm = Crm(world, key="external_id")
    # The same file of DuckDB that the customers are in; a generator reads it, as any source would.
    world.warehouse.execute(
        'CREATE TABLE people ("externalId" VARCHAR, name VARCHAR, email VARCHAR, age INTEGER)',
        f"INSERT INTO people VALUES ('{names[one]}', 'Jane', NULL, 7), ('{names[two]}', NULL, "
        f"'two@example.com', 8), ('{names[three]}', NULL, NULL, 9), ('nobody', 'Nobody', NULL, NULL)",
    )

    @dlt.resource(write_disposition="replace")
    def people() -> Iterator[dict[str, Any]]:
        with duckdb.connect(str(world.target.database)) as connection:
            for row in connection.execute('SELECT "externalId", name, email, age FROM people').fetchall():
                yield dict(zip(("externalId", "name", "email", "age"), row, strict=True))

    crm.run(people())
    assert dlt.current.pipeline() is crm.pipeline, "ours is out of the way"
    assert world.shown(one)["name"] == "Jane"
    assert world.shown(two)["email"] == "two@example.com"
    assert world.shown(three) == before, "NULL leaves it alone"
    assert crm.plans() == [("dlt people", "update", 2)]
    assert counts(world.load()) == NOTHING
    world.assert_as_in_dub()

    world.sandbox.forget_requests()
    crm.run(people())
    assert {each.method for each in world.sandbox.requests} == {"GET"}, "nothing is left to do"


@pytest.mark.slow
def test_new_customers_and_cleared_fields(push_world: PushWorld) -> None:
    world = push_world
    one = world.sandbox.ids()[0]
    known = world.shown(one)["externalId"]
    rows = [
        {"user": known, "mail": None, "country": None, "age": 8},
        {"user": "new-1", "mail": "new@example.com", "country": "DE", "age": 9},
    ]
    mapping = {"external_id": "user", "email": "mail", "country": "country"}
    crm = Crm(world, key="external_id", sync_mode="upsert", mapping=mapping, clear_nulls=["email"])
    crm.run(rows)
    assert world.shown(one)["email"] is None
    created = {each["externalId"]: each for each in world.sandbox.snapshot().values()}
    assert (created["new-1"]["email"], created["new-1"]["country"]) == ("new@example.com", "DE")
    # Arrow tables take another way through dlt.
    crm.run(pa.table({"user": ["new-1"], "mail": pa.array([None], pa.string()), "country": ["DE"]}))
    assert world.shown(created["new-1"]["id"])["email"] is None
    assert counts(world.load()) == NOTHING


def test_what_dub_rejects_stands_in_nobodys_way(
    push_world: PushWorld, caplog: pytest.LogCaptureFixture
) -> None:
    world = push_world
    one, two, three = sorted(world.sandbox.ids())[:3]
    world.sandbox.inject(Fault("status", method="PATCH", containing=two, status=422, times=9))
    rows = [{"id": each, "name": f"Secret {each}"} for each in (one, two, three, "cus_nobody")]
    crm = Crm(world)
    crm.run(rows)
    assert [world.shown(each)["name"] == f"Secret {each}" for each in (one, two, three)] == [
        True,
        False,
        True,
    ]
    ((plan_id,),) = world.query("SELECT plan_id FROM dub.push_plans")
    assert world.results(plan_id) == {one: "applied", two: "rejected", three: "applied"}
    assert [each.getMessage() for each in caplog.records if each.name == "dub_source"] == [
        f"{plan_id}: of 3 changes, 1 are not in effect (rejected 1): the table push_log says why.",
        f"{plan_id}: 1 rows name nobody whom the warehouse knows.",
    ]
    assert "Secret" not in caplog.text


# What is refused


@pytest.mark.slow
def test_what_is_refused_in_one_sentence(push_world: PushWorld) -> None:
    world = push_world
    one, two = sorted(world.sandbox.ids())[:2]
    crm = Crm(world, clear_nulls=["avatar"])
    good = {"id": one, "name": "New", "avatar": "https://dubassets.com/1.png"}

    code, said = crm.refused([good, {"id": two, "op": "Delete"}])
    assert (code, said.split(":")[0]) == (
        ExitCode.STOPPED,
        "The column op asks in 1 of 2 rows for a delete, and dub_customers deletes nobody",
    )
    # One row that a guard refuses stops the file before anything is sent.
    code, said = crm.refused([good, {"id": two, "email": "secret"}])
    assert code == ExitCode.STOPPED
    assert said.startswith("The email in row 2 is no email address that Dub accepts")
    assert "secret" not in said
    code, said = crm.refused([good | {"name": {"first": "Jane"}}], table_name="nested")
    assert said.startswith("The column name of nested holds nested values")
    code, said = crm.refused([{"id": one, "name": "New", "avatar": None}], table_name="cleared")
    assert 'columns={"avatar": {"data_type": "text"}}' in said
    code, said = crm.refused([good], table_name="marked", columns={"name": {"hard_delete": True}})
    assert said.startswith("The table marked has a column with the hint hard_delete")


def test_several_tables_are_refused_before_the_first_of_them(push_world: PushWorld) -> None:
    crm = Crm(push_world)
    rows = [{"id": each, "name": "New", "kids": [{"name": "Kid"}]} for each in push_world.sandbox.ids()[:2]]

    @dlt.source
    def two() -> Any:
        return dlt.resource(rows, name="people"), dlt.resource(rows, name="others")

    push_world.sandbox.forget_requests()
    code, said = crm.refused(two(), table_name=None)
    assert (code, said.split(",")[0]) == (ExitCode.SETTINGS, "The rows are 2 tables (others")
    nested = dlt.resource(rows, name="people", max_table_nesting=1)
    assert crm.refused(nested)[1].startswith(
        "The rows are 2 tables (people, people__kids), and dub_customers"
    )
    assert push_world.sandbox.requests == []


@pytest.mark.parametrize(
    "options, kind, words",
    (
        ({"sync_mode": "mirror"}, SettingsError, "one of update, upsert, create, because it deletes nobody"),
        ({"sync_mode": "upsert"}, SettingsError, "set key to external_id"),
        ({"clear_nulls": "email"}, SettingsError, "a list of columns"),
        ({"mapping": {"sales": "sales"}}, SettingsError, "cannot be written to Dub"),
        ({"max_deletes": 1}, InvalidArgument, "There is no option max_deletes"),
        ({"api_key": " "}, SettingsError, "is empty"),
    ),
)
def test_options_that_cannot_be(options: dict[str, Any], kind: type[DubError], words: str) -> None:
    with pytest.raises(kind, match=words):
        dub_customers(**options)


# What goes wrong on the way


@pytest.mark.slow
def test_a_key_that_is_refused_ends_it_at_once_and_the_next_run_goes_on(
    push_world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = push_world
    ids = sorted(world.sandbox.ids())[:4]
    world.sandbox.inject(Fault("status", method="PATCH", skip=1, status=401, times=999))
    crm = Crm(world)
    with pytest.raises(PipelineStepFailed) as caught:
        crm.run([{"id": each, "name": "New"} for each in ids])
    assert explain(caught.value).exit_code == ExitCode.REFUSED
    assert crm.pipeline.has_pending_data
    world.sandbox.clear_faults()
    crm.run([])
    assert [world.shown(each)["name"] for each in ids] == ["New"] * 4
    assert len(crm.plans()) == 1, "the same plan"


@pytest.mark.slow
def test_while_a_load_is_under_way_dlt_tries_again(push_world: PushWorld) -> None:
    world = push_world
    one = world.sandbox.ids()[0]
    ended: list[BaseException] = []

    def run() -> None:
        try:
            Crm(world).run([{"id": one, "name": "New"}])
        except PipelineStepFailed as error:
            ended.append(error)

    def elsewhere() -> None:
        with ThreadPoolExecutor(1) as other:
            other.submit(run)

    world.load(act=elsewhere)
    assert [explain(each).exit_code for each in ended] == [ExitCode.RUNNING]
    assert world.shown(one)["name"] != "New"
    run()
    assert world.shown(one)["name"] == "New"


@pytest.mark.slow
def test_without_customers_in_the_warehouse_it_says_so_or_loads_them(
    make_push_world: MakePushWorld,
) -> None:
    world = make_push_world(20, form=None)
    one = world.sandbox.ids()[0]
    code, said = Crm(world).refused([{"id": one, "name": "New"}])
    assert (code, "dub-source load" in said) == (ExitCode.SETTINGS, True)
    Crm(world, refresh=True).run([{"id": one, "name": "New"}])
    assert world.shown(one)["name"] == "New"


PROGRAM = """
import sys, dlt
from dub_source import dub_customers
from dub_source.failures import explain
destination, database, working, key, url, *ids = sys.argv[1:]
place = {"destination": destination, "database": database}
destination = dub_customers(**place, pipelines_dir=working, api_key=key, base_url=url)
pipeline = dlt.pipeline("crm", destination=destination, pipelines_dir=working + "-crm")
print("ready", flush=True)
rows = [{"id": each, "avatar": f"https://example.com/{each}.png"} for each in ids]
try:
    pipeline.run(rows if not pipeline.has_pending_data else [], table_name="people")
except BaseException as error:
    sys.exit(explain(error).exit_code)
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", (signal.SIGKILL, signal.SIGTERM))
def test_ended_half_way_dlt_hands_the_file_over_again(
    make_push_world: MakePushWorld, how: signal.Signals
) -> None:
    world = make_push_world(120, latency_ms=40)
    ids = sorted(world.sandbox.ids())[:80]
    here = [*world.place.values(), world.working, world.sandbox.key(), world.sandbox.url]
    command = [sys.executable, "-c", PROGRAM, *map(str, here), *ids]
    world.sandbox.forget_requests()

    def writes() -> int:
        return sum(each.method == "PATCH" for each in world.sandbox.requests)

    # Slow enough to be caught half-way.
    few = {**os.environ, "SOURCES__DUB__MAX_CONNECTIONS": "2"}
    with subprocess.Popen(command, cwd=ROOT, env=few, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and writes() < 20:
            time.sleep(0.01)
        process.send_signal(how)
    time.sleep(0.2)
    # What a signal has ended has not failed: dlt may forget files that have.
    assert process.returncode == (-how if how is signal.SIGKILL else ExitCode.TERMINATED)
    # After SIGTERM, dlt lets the file that it has handed over come to its end.
    assert 20 <= writes() < (80 if how is signal.SIGKILL else 81)
    # An avatar shows nobody whether it was sent: each was, once. (A body that a kill cut off is a 400.)
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    patched = Counter(each.path for each in world.sandbox.requests if (each.method, each.status) == PATCHED)
    assert (len(patched), [each for each in patched.values() if each != 1]) == (80, [])
    assert world.query("SELECT result, count(*) FROM dub.push_log GROUP BY result") == [("applied", 80)]
    assert world.query("SELECT count(*) FROM dub.push_plans") == [(1,)]
    assert counts(world.load()) == NOTHING
