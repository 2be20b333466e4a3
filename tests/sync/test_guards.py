"""Too many are gone, or it is another workspace: nothing is changed until a person has looked."""

from typing import Any

import pytest

from dub_source.errors import DubError, OtherWorkspace, TooManyVanished
from dub_source.failures import ExitCode, cause, explain
from dub_source.sandbox import Dataset, Fault
from dub_source.sandbox.generate import generate
from tests.sync.conftest import MakeWorld
from tests.sync.test_deletes import answer_nothing
from tests.sync.world import World, counts


def assert_stopped(world: World, kind: type[DubError], mode: str = "full", **options: Any) -> str:
    """A run stops with this error, changes nothing, and says so in ``sync_runs``; returns its sentence."""
    before, runs = world.dump(), len(world.sync_runs())
    with pytest.raises(Exception, match="nothing was changed") as caught:
        world.load(mode, **options)
    assert isinstance(cause(caught.value), kind)
    failure = explain(caught.value)
    assert failure.exit_code == ExitCode.STOPPED
    assert world.dump() == before
    rows = world.sync_runs()
    assert len(rows) == runs + 1
    assert (rows[-1]["status"], rows[-1]["error"], rows[-1]["deleted"]) == ("failed", kind.__name__, 0)
    return failure.sentence


def test_one_of_three_passes(make_world: MakeWorld) -> None:
    world = make_world(3)
    world.load()
    world.sandbox.delete(world.sandbox.ids()[0])
    assert counts(world.load()) == (0, 0, 1)
    world.assert_as_in_dub(gone=1)


@pytest.mark.slow
def test_thirty_percent_of_a_thousand_need_a_look(make_world: MakeWorld) -> None:
    world = make_world(1000)
    world.load()
    ids = world.sandbox.ids()
    for gone in ids[200:500]:
        world.sandbox.delete(gone)
    world.sandbox.change(ids[0], name="Renamed")
    new = world.sandbox.insert(name="New").id
    sentence = assert_stopped(world, TooManyVanished)
    assert "300 of the 1,000" in sentence
    assert "--accept-vanished 300" in sentence
    assert_stopped(world, TooManyVanished, accept_vanished=299)
    assert new not in world.customers()
    result = world.load(accept_vanished=300)
    assert counts(result) == (1, 1, 300)
    world.assert_as_in_dub(gone=300)
    assert counts(world.load()) == (0, 0, 0)


@pytest.mark.parametrize(
    "limit, passes", (({"max_vanished": 11}, True), ({"max_vanished_share": 0.09}, False))
)
def test_the_limit_can_be_set(limit: dict[str, Any], passes: bool, world: World) -> None:
    world.load()
    for gone in world.sandbox.ids()[50:61]:
        world.sandbox.delete(gone)
    if passes:
        assert counts(world.load(**limit)) == (0, 0, 11)
    else:
        assert_stopped(world, TooManyVanished, **limit)


@pytest.mark.parametrize("customers", (5, 120))
def test_lists_without_anybody_are_not_believed(
    customers: int, make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(customers)
    world.load()
    before = world.dump()
    world.sandbox.inject(Fault("status", containing="/customers/count", times=99, status=404))
    answer_nothing(monkeypatch, lambda query: not query.get("customer_ids"))
    if customers == 120:
        assert_stopped(world, TooManyVanished)
    else:  # so few are asked for one by one, and are there
        assert counts(world.load()) == (0, 0, 0)
    assert world.dump() == before


@pytest.mark.slow
def test_a_workspace_in_which_nobody_is_left_needs_a_look(make_world: MakeWorld) -> None:
    world = make_world(12)
    world.load()
    for gone in world.sandbox.ids():
        world.sandbox.delete(gone)
    assert_stopped(world, OtherWorkspace, accept_vanished=11)
    assert counts(world.load(accept_vanished=12)) == (0, 0, 12)
    assert counts(world.load()) == (0, 0, 0)
    world.sandbox.insert(name="Somebody")
    assert counts(world.load()) == (1, 0, 0)
    world.assert_as_in_dub(gone=12)


@pytest.mark.parametrize("mode", ("incremental", "auto"))
def test_another_workspace_behind_the_key_is_noticed(mode: str, make_world: MakeWorld, seed: Dataset) -> None:
    world = make_world(seed)
    world.load()
    assert_stopped(world, OtherWorkspace, mode, api_key=world.sandbox.key("lateimport"))
    if mode == "auto":  # which sweeps, if that is due
        assert_stopped(world, OtherWorkspace, mode, api_key=world.sandbox.key("other"), sweep_every=0)
    assert counts(world.load(mode)) == (0, 0, 0)


def test_another_empty_workspace_is_noticed_and_so_is_one_without_new_ids(make_world: MakeWorld) -> None:
    world = make_world(generate(60))
    world.load()
    empty = make_world(0).sandbox
    for mode in ("incremental", "full"):
        assert_stopped(world, OtherWorkspace, mode, api_key=empty.key(), base_url=empty.url)


def test_customers_who_cannot_be_shown_any_more_are_no_other_workspace(make_world: MakeWorld) -> None:
    world = make_world(3)
    world.load()
    for customer_id in world.sandbox.ids():
        world.sandbox.change(customer_id, external_id=None)
    with pytest.raises(Exception, match=r"can be read|cannot be read") as caught:
        world.load()
    assert not isinstance(cause(caught.value), OtherWorkspace)
    assert world.query("SELECT count(*) FROM dub.customers WHERE deleted_at IS NULL") == [(3,)]


def test_a_table_of_some_customers_notices_another_workspace_too(make_world: MakeWorld) -> None:
    world, other = make_world(400), make_world(generate(400, random_seed=1))
    assert world.load(country="US").rows > 20
    before = world.dump()
    with pytest.raises(Exception, match="workspace") as caught:
        world.load(country="US", api_key=other.sandbox.key(), base_url=other.sandbox.url)
    assert isinstance(cause(caught.value), OtherWorkspace)
    assert world.dump() == before


def test_a_table_of_few_customers_may_lose_all_of_them(world: World) -> None:
    customer_id, row = next(iter(world.sandbox.snapshot().items()))
    assert world.load(external_id=row["externalId"]).rows == 1
    world.sandbox.delete(customer_id)
    assert world.load(external_id=row["externalId"]).rows == 1


@pytest.mark.only("duckdb", "postgres")  # a lake has no statements
@pytest.mark.parametrize("mode", ("incremental", "auto"))
def test_another_workspace_is_noticed_where_no_walk_has_met_anybody_yet(
    mode: str, make_world: MakeWorld
) -> None:
    """An empty workspace has been swept, and an apply has created the first customer since."""
    world, other = make_world(0), make_world(generate(30))
    world.load()
    first = world.sandbox.insert(name="First", email="first@example.test").id
    world.warehouse.execute(f"INSERT INTO dub.customers (id, observed_at) VALUES ('{first}', now())")
    assert_stopped(world, OtherWorkspace, mode, api_key=other.sandbox.key(), base_url=other.sandbox.url)
    assert world.load(mode).report.decision.kind == "full"
    world.assert_as_in_dub()
