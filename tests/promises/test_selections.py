"""A table of some customers: whoever is not met by its runs may just not match, so nobody is marked there."""

from tests.sync.conftest import MakeWorld


def test_a_selection_has_no_deletes_and_no_guards(make_world: MakeWorld) -> None:
    world = make_world(120)
    world.load(country="US")
    before = world.table("customers_filtered")
    assert len(before) > 12
    world.sandbox.change(before[0]["id"], country="DE")
    for few_then_most in (before[1:5], before[5:-1]):
        for row in few_then_most:
            world.sandbox.delete(row["id"])
        result = world.load(country="US")
        assert result.report.deleted == 0
        assert world.table("customers_filtered") == before
