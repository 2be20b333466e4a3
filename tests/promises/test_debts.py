"""What a killed run owes to the history comes with the next run, also if there is something newer then."""

from pathlib import Path

import pytest

from tests.conftest import StartSandbox
from tests.sync.world import World


@pytest.mark.parametrize("mode", ("full", "incremental"))
def test_who_has_changed_again_since_has_both_versions(
    mode: str, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    world = World(start_sandbox(20), tmp_path)
    customer_id = world.sandbox.insert(name="A", email="same@example.test").id
    world.load()
    world.sandbox.change(customer_id, name="B")
    world.load()
    # Killed after the table of customers and before that of their history.
    last = "(SELECT max(observed_at) FROM dub.customers_history)"
    world.execute(f"DELETE FROM dub.customers_history WHERE observed_at = {last}")
    world.sandbox.change(customer_id, name="C")
    world.load(mode)
    assert [row["name"] for row in world.history(customer_id)] == ["A", "B", "C"]
    world.assert_history_agrees()
