"""Killed between the two tables: whichever was written, nothing is lost and nothing comes twice."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from dub_source.sandbox.model import Customer
from tests.sync.world import World, counts


@dataclass
class Fate:
    """What happens to one customer before the killed run, and after it; and the versions this makes."""

    before: Callable[["Hand"], object]
    after: Callable[["Hand"], object]
    versions: list[tuple[str, str | None]]
    customer_id: str = ""


@dataclass
class Hand:
    """Does it to one customer."""

    world: World
    fate: Fate
    kept: list[Customer] = field(default_factory=list)

    def rename(self, name: str) -> None:
        self.world.sandbox.change(self.fate.customer_id, name=name, email="same@example.test")

    def create(self) -> None:
        self.fate.customer_id = self.world.sandbox.insert(name="New", email="same@example.test").id

    def delete(self) -> None:
        store = self.world.sandbox.store
        row = store.find(store.dataset.workspaces[0].id, self.fate.customer_id)
        assert row is not None
        self.kept.append(row)
        store.remove(row)

    def bring_back(self) -> None:
        self.world.sandbox.store.add(self.kept.pop())


CREATED, RENAMED = ("created", None), ("updated", '["name"]')
DELETED, BACK = ("deleted", None), ("updated", '["deleted_at"]')


def fates() -> dict[str, Fate]:
    return {
        "changed": Fate(lambda it: it.rename("B"), lambda it: None, [CREATED, RENAMED]),
        "changed on": Fate(lambda it: it.rename("B"), lambda it: it.rename("C"), [CREATED, RENAMED, RENAMED]),
        "changed back": Fate(
            lambda it: it.rename("B"), lambda it: it.rename("A"), [CREATED, RENAMED, RENAMED]
        ),
        "changed and deleted": Fate(
            lambda it: it.rename("B"), lambda it: it.delete(), [CREATED, RENAMED, DELETED]
        ),
        "deleted": Fate(lambda it: it.delete(), lambda it: None, [CREATED, DELETED]),
        "deleted and back": Fate(
            lambda it: it.delete(), lambda it: it.bring_back(), [CREATED, DELETED, BACK]
        ),
        "new": Fate(lambda it: it.create(), lambda it: None, [CREATED]),
        "new and changed": Fate(lambda it: it.create(), lambda it: it.rename("B"), [CREATED, RENAMED]),
        "new and deleted": Fate(lambda it: it.create(), lambda it: it.delete(), [CREATED, DELETED]),
        "late": Fate(lambda it: None, lambda it: it.rename("B"), [CREATED, RENAMED]),
    }


@pytest.mark.parametrize(
    "disk, then",
    (
        ("same", "full"),
        pytest.param("fresh", "full", marks=pytest.mark.slow),
        pytest.param("fresh", "incremental", marks=pytest.mark.slow),
    ),
)
@pytest.mark.parametrize("written", ("customers", pytest.param("customers_history", marks=pytest.mark.slow)))
def test_killed_between_the_tables(written: str, disk: str, then: str, world: World) -> None:
    hands = {name: Hand(world, fate) for name, fate in fates().items()}
    for hand, customer_id in zip(hands.values(), world.sandbox.ids()[5::7], strict=False):
        hand.fate.customer_id = customer_id
        hand.rename("A")
    world.load()
    older, working = world.warehouse.keep(), world.folder / "working.then"
    for hand in hands.values():
        hand.fate.before(hand)
    assert counts(world.load(act=lambda: shutil.copytree(world.working, working))) == (3, 4, 2)
    world.warehouse.put_back(older, but=[written])
    shutil.rmtree(world.working)
    if disk == "same":
        working.rename(world.working)

    for hand in hands.values():
        hand.fate.after(hand)
    world.load(then)
    if (disk, then) != ("fresh", "full"):
        # A sweep of its own: what a killed sweep has read, and an incremental run has seen, may be of before.
        world.load()
    world.assert_as_in_dub(gone=3)
    assert {name: world.changes(hand.fate.customer_id) for name, hand in hands.items()} == {
        name: hand.fate.versions for name, hand in hands.items()
    }
    before = world.dump()
    assert counts(world.load()) == (0, 0, 0)
    assert world.dump() == before


def test_a_first_load_of_which_only_the_history_was_written(world: World) -> None:
    world.load()
    gone = world.sandbox.ids()[3]
    world.sandbox.delete(gone)
    for table in ("dub.customers", "dub._dlt_pipeline_state"):
        world.warehouse.delete(table)
    shutil.rmtree(world.working)
    result = world.load()
    assert result.report.deleted == 1
    world.assert_as_in_dub(gone=1)
    assert world.sizes() == (120, 121)


@pytest.mark.slow
@pytest.mark.everywhere
def test_a_debt_of_somebody_who_had_changed_back_is_paid(world: World) -> None:
    """A, B, A: the last version is like the first, which must not be taken for it."""
    customer_id = world.sandbox.insert(name="A", email="same@example.test").id
    world.load()
    for name in ("B", "A"):
        world.sandbox.change(customer_id, name=name)
        world.load()
    assert world.changes(customer_id) == [CREATED, RENAMED, RENAMED]
    # What a run leaves that was killed after the table of customers and before that of their history.
    last = "(SELECT max(observed_at) FROM dub.customers_history)"
    world.warehouse.delete("dub.customers_history", f"observed_at = {last}")
    assert world.changes(customer_id) == [CREATED, RENAMED]
    world.load()
    assert world.changes(customer_id) == [CREATED, RENAMED, RENAMED]
    assert [row["name"] for row in world.history(customer_id)] == ["A", "B", "A"]
    world.load()
    assert len(world.changes(customer_id)) == 3
