"""What a killed run owes to the history comes with the next run, also if there is something newer then."""

import pytest

from tests.sync.conftest import MakeWorld


@pytest.mark.parametrize("mode", ("full", "incremental"))
def test_who_has_changed_again_since_has_both_versions(mode: str, make_world: MakeWorld) -> None:
    world = make_world(20)
    customer_id = world.sandbox.insert(name="A", email="same@example.test").id
    world.load()
    world.sandbox.change(customer_id, name="B")
    world.load()
    # Killed after the table of customers and before that of their history.
    last = "(SELECT max(observed_at) FROM dub.customers_history)"
    world.warehouse.delete("dub.customers_history", f"observed_at = {last}")
    world.sandbox.change(customer_id, name="C")
    world.load(mode)
    assert [row["name"] for row in world.history(customer_id)] == ["A", "B", "C"]
    world.assert_history_agrees()
