"""What runs remember: state in the destination, datasets of other versions, a row about each run."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from functools import partial

import dlt
import pytest

from dub_source.client import NO_RETRY, DubClient
from dub_source.destinations import open_destination
from dub_source.errors import InvalidCursor
from dub_source.failures import ExitCode, cause, explain
from dub_source.sandbox import Fault
from dub_source.schema import to_table
from dub_source.sync import run as sync_run
from tests.sync.conftest import MakeWorld
from tests.sync.world import World, counts


@pytest.mark.slow
@pytest.mark.everywhere
def test_state_survives_the_loss_of_the_local_disk(world: World) -> None:
    world.load()
    for number in range(2):
        shutil.rmtree(world.working)
        world.sandbox.insert(name=f"New {number}")
        world.sandbox.forget_requests()
        result = world.load("auto", refresh_requests=0)
        assert (result.report.decision.kind, counts(result)) == ("incremental", (1, 0, 0))
        assert len(world.sandbox.requests) <= 5
    world.assert_as_in_dub()
    result = world.load("auto", pipelines_dir=world.folder / "another", sweep_every=0)
    assert (result.report.decision.kind, counts(result)) == ("full", (0, 0, 0))


def as_version_0_1_0_did(world: World) -> None:
    """Load as that release did: one resource of plain columns, merged by id, without any state."""
    customers = [{**row, "name": row["name"] or "Brave Badger"} for row in world.sandbox.snapshot().values()]
    table = to_table(customers, expanded=True)
    pipeline = dlt.pipeline(
        f"dub_source_{world.warehouse.target.destination}_dub",
        destination=open_destination(world.warehouse.target).destination,
        dataset_name="dub",
        pipelines_dir=str(world.folder / "older"),
    )
    resource = dlt.resource(
        [table],
        name="customers",
        primary_key="id",
        write_disposition={"disposition": "merge", "strategy": "upsert"},
    )
    source = dlt.source(lambda: resource, name="dub", section="dub")()
    pipeline.run(source)
    pipeline.drop()
    pipeline.deactivate()


@pytest.mark.slow
@pytest.mark.parametrize("mode", (pytest.param("full", marks=pytest.mark.slow), "incremental"))
def test_a_dataset_of_version_0_1_0_is_upgraded_by_the_next_run(mode: str, world: World) -> None:
    as_version_0_1_0_did(world)
    assert len(world.query("SELECT * FROM dub.customers")) == 120
    assert not {"row_hash", "observed_at"} & world.customers().popitem()[1].keys()
    gone, *_, renamed = world.sandbox.ids()
    world.sandbox.delete(gone)
    world.sandbox.change(renamed, name="Renamed")
    new = world.sandbox.insert(name="New").id
    result = world.load(mode)
    assert result.report.decision.kind == "full"
    assert counts(result) == (1, 119, 1)
    # It kept no history: whoever is gone has no beginning in it.
    assert world.changes(gone) == [("deleted", None)]
    world.warehouse.update("dub.customers_history", {"change": "'created'"}, f"id = '{gone}'")
    world.assert_as_in_dub(gone=1)
    assert world.sizes() == (121, 121)
    assert {row["change"] for row in world.history()} == {"created"}
    assert world.customers()[new]["observed_at"] > result.report.started_at
    for again in ("incremental", "full"):
        assert counts(world.load(again)) == (0, 0, 0)
    assert world.sizes() == (121, 121)


def test_state_of_a_newer_version_is_refused(world: World) -> None:
    world.load()
    pipeline = dlt.attach(
        f"dub_source_{world.warehouse.target.destination}_dub",
        destination=open_destination(world.warehouse.target).destination,
        dataset_name="dub",
        pipelines_dir=str(world.folder / "newer"),
    )
    with pipeline.managed_state(extract_state=True) as state:
        state["sources"]["dub"]["customers"]["version"] = 2
    pipeline.normalize()
    pipeline.load()
    pipeline.deactivate()
    before = world.dump()
    world.sandbox.change(world.sandbox.ids()[0], name="Renamed")
    world.sandbox.forget_requests()
    for mode in ("full", "incremental", "auto"):
        with pytest.raises(Exception, match="newer version of dub-source") as caught:
            world.load(mode)
        failure = explain(caught.value)
        assert failure.exit_code == ExitCode.SETTINGS
        assert "update dub-source" in failure.sentence
    assert world.sandbox.requests == []
    assert world.dump() == before


@pytest.mark.only("duckdb", "postgres")  # a lake has no statements
@pytest.mark.parametrize(
    "damage",
    (
        (
            "DROP TABLE dub.customers",
            "CREATE VIEW dub.customers AS SELECT CAST(CAST(change AS INTEGER) AS VARCHAR) AS id, row_hash "
            "FROM dub.customers_history",
        ),
        ("ALTER TABLE dub.customers RENAME COLUMN id TO other",),
        ("ALTER TABLE dub.customers ALTER COLUMN id TYPE VARCHAR[] USING ARRAY[id]",),
    ),
    ids=("a view that raises", "no id", "an id of another type"),
)
@pytest.mark.parametrize("mode", ("full", pytest.param("incremental", marks=pytest.mark.slow)))
def test_a_table_that_cannot_be_read_is_not_taken_for_empty(
    mode: str, damage: tuple[str, ...], world: World
) -> None:
    world.load()
    world.warehouse.execute(*damage)
    before = world.query("SELECT count(*) FROM dub.customers_history")
    with pytest.raises(Exception, match=r".") as caught:
        world.load(mode)
    failure = explain(caught.value)
    assert failure.exit_code == ExitCode.DESTINATION, failure
    assert failure.sentence.count("\n") == 0
    assert world.query("SELECT count(*) FROM dub.customers_history") == before


def test_every_run_has_its_row(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_run, "DubClient", partial(DubClient, retry=NO_RETRY))
    world.load()
    world.load("incremental")
    with pytest.raises(Exception, match="was refused") as caught:
        world.load("incremental", base_url="http://127.0.0.1:9")
    assert explain(caught.value).exit_code == ExitCode.UNAVAILABLE
    world.sandbox.inject(Fault("status", containing="startingAfter", times=10**6, status=400))
    with pytest.raises(Exception, match="400"):
        world.load()
    world.sandbox.clear_faults()
    world.sandbox.change(world.sandbox.ids()[0], name="Renamed")
    results = [world.load("full"), world.load("auto")]
    rows = world.sync_runs()
    assert [(row["mode"], row["status"], row["error"]) for row in rows] == [
        ("full", "ok", None),
        ("incremental", "ok", None),
        ("incremental", "failed", "ConnectionFailed"),
        ("full", "failed", "BadRequest"),
        ("full", "ok", None),
        ("incremental", "ok", None),
    ]
    assert len({row["run_id"] for row in rows}) == len(rows)
    for row, result in zip(rows[4:], results, strict=True):
        report = result.report
        assert row["run_id"] == report.run_id
        assert row["started_at"] == report.started_at <= row["ended_at"] <= datetime.now(UTC)
        assert row["requests"] == report.stats.requests
        assert (row["read"], row["refreshed"]) == (report.read, report.refreshed)
        assert (row["created"], row["updated"], row["deleted"]) == counts(result)
        assert row["baseline"] == report.baseline
    assert rows[3]["requests"] > 0
    certificate = json.loads(rows[4]["certificate"])
    assert (rows[4]["certified"], certificate["rows"], sum(certificate["segments"])) == (True, 120, 120)
    assert (rows[5]["certified"], rows[5]["certificate"]) == (None, None)


@pytest.mark.slow
def test_auto_backs_off_after_a_sweep_that_lost_its_place(make_world: MakeWorld) -> None:
    world = make_world(250)
    world.load()
    lost = Fault(
        "status",
        containing="startingAfter",
        times=10**6,
        status=422,
        code="unprocessable_entity",
        message="Invalid cursor: the provided ID does not exist.",
    )
    world.sandbox.inject(lost)
    world.sandbox.forget_requests()
    with pytest.raises(Exception, match="lost its place") as caught:
        world.load("auto", sweep_every=0)
    assert explain(caught.value).exit_code == ExitCode.INCOMPLETE
    assert not isinstance(cause(caught.value), InvalidCursor)
    world.sandbox.clear_faults()
    row = world.sync_runs()[-1]
    assert (row["status"], row["error"]) == ("failed", "WalkIncomplete")
    # The interval is a day: after one failure the next sweep is due in a 24th of it.
    result = world.load("auto")
    assert result.report.decision.kind == "incremental"
    due = row["started_at"].astimezone(UTC) + timedelta(hours=1)
    assert f"{due:%Y-%m-%d %H:%M} UTC" in result.report.decision.reason
