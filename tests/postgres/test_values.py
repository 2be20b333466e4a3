"""What Postgres takes, and what it does not."""

import os
from typing import Any

import pytest

from dub_source import destinations
from dub_source.failures import ExitCode
from dub_source.sandbox.model import Customer
from tests.reverse.conftest import MakePushWorld
from tests.reverse.world import PushWorld, command
from tests.sync.world import counts

pytestmark = [pytest.mark.only("postgres"), pytest.mark.timeout(300)]

LONG = "c" * 54
AWKWARD = "Zoë 'O\"Neil\\ %s %(a)s {x}\n\t🦆 \\N NULL \u2028 \x7f"


def test_the_character_nul_becomes_one_that_says_so(push_world: PushWorld) -> None:
    world = push_world
    one = world.sandbox.insert(name="a\0b", email="nul\0@example.test", avatar=None).id
    assert counts(world.load()) == (1, 0, 0)
    row = world.customers()[one]
    assert (row["name"], row["email"]) == ("a\ufffdb", "nul\ufffd@example.test")
    assert counts(world.load()) == (0, 0, 0)
    world.sandbox.change(one, country="FR")
    assert counts(world.load()) == (0, 1, 0)
    assert world.changes(one) == [("created", None), ("updated", '["country"]')]
    # Nor does it stand in the way of a plan.
    world.wish({one: {"name": "Plain"}})
    assert world.apply(world.plan()).complete
    assert world.shown(one)["name"] == "Plain"
    assert counts(world.load()) == (0, 0, 0)


@pytest.mark.parametrize("adbc", (True, False))
def test_numbers_moments_and_texts_at_their_limits(
    adbc: bool, push_world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = push_world
    if not adbc:
        monkeypatch.setattr(destinations, "find_spec", lambda _: None)
    destination = destinations.open_destination(world.target).destination
    assert ("parquet" in destination.capabilities().supported_loader_file_formats) == adbc
    extremes: list[dict[str, Any]] = [
        {"sale_amount": 2**60, "sales": 2**53, "created_ms": 32_503_680_000_000},
        {"sale_amount": -(2**60), "sales": 0, "created_ms": -30_000_000_000_000},
        {"sale_amount": 2**31, "created_ms": 1_700_000_000_001, "first_sale_ms": 1_700_000_000_999},
        {"name": AWKWARD, "email": "awkward@example.test", "external_id": "'; DROP TABLE dub.customers; --"},
        {"external_id": "", "country": "", "stripe_customer_id": ""},
        {"name": "\\.", "email": "a\n\\.\nb@example.test", "external_id": "\\."},
        {"name": "x" * 190, "avatar": "data:image/png;base64," + "A" * 200_000},
    ]
    for fields in extremes:
        world.sandbox.insert(**fields)
    assert counts(world.load()) == (len(extremes), 0, 0)
    world.assert_as_in_dub()
    assert counts(world.load()) == (0, 0, 0)


def test_fields_that_dub_adds_are_texts_whatever_they_hold(
    push_world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = push_world
    one, other = world.sandbox.ids()[:2]
    honest = Customer.as_json
    added: dict[str, Any] = {one: {"a": [1, None, "\0é"]}, other: 2**63}

    def with_metadata(self: Customer, source: Any) -> dict[str, Any]:
        return {**honest(self, source), "metadata": added.get(self.id), "n" * 70: "long", "xmin": 1}

    monkeypatch.setattr(Customer, "as_json", with_metadata)
    for customer_id in world.sandbox.ids():
        world.sandbox.change(customer_id)
    world.load()
    rows = world.customers()
    assert rows[one]["metadata"] == '{"a":[1,null,"\\u0000é"]}'
    assert rows[other]["metadata"] == str(2**63)
    assert {row["other_fields"] for row in rows.values()} == {f'{{"{"n" * 70}":"long","xmin":1}}'}
    assert counts(world.load()) == (0, 0, 0)


def test_the_longest_name_of_a_table(push_world: PushWorld) -> None:
    world = push_world
    assert counts(world.load(table_name=LONG)) == (120, 0, 0)
    assert counts(world.load(table_name=LONG)) == (0, 0, 0)
    assert len(world.table(f"{LONG}_history")) == len(world.table(f"{LONG}_validity")) == 120


@pytest.mark.parametrize(
    "url",
    (
        "postgresql://somebody:secret-word@127.0.0.1:9/nowhere",
        "postgresql://somebody:secret-word@localhost/no_such_database?host={host}",
    ),
    ids=("no server", "no database"),
)
def test_a_server_that_does_not_answer_is_one_sentence(
    url: str, make_push_world: MakePushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_push_world(20)
    variable = "DESTINATION__POSTGRES__CREDENTIALS"
    host = os.environ[variable].partition("host=")[2]
    monkeypatch.setenv(variable, url.format(host=host))
    plan_id = "plan_0123456789abcdef01234567"
    for arguments in (("load",), ("plan", "crm.names"), ("apply", plan_id)):
        code, said, told = command(world, *arguments)
        assert code == ExitCode.DESTINATION, (arguments, said, told)
        assert told.count("Error: ") == 1, told
        assert "Traceback" not in told
        assert "secret-word" not in said + told
