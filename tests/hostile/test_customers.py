"""Customers as nobody wishes for: each is loaded as it is, or refused by name, and stands in nobody's way."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from dub_source.sandbox import Fault, Sandbox
from dub_source.sandbox.model import Customer
from tests.conftest import StartSandbox
from tests.sync.world import World, counts, expected_rows
from tests.test_crashes import COMMAND, start

TEXTS = {
    "control characters": "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "191 characters": "x" * 191,
    "191 characters of four bytes each": "🦆" * 191,
    "from right to left": "\u202eمحمد \u2066עברית\u2069 \u200f",
    "emoji": "👩🏽‍🚀 🏳️‍🌈 🇩🇪 ☠️",
    "combined and composed": "Zoe\u0308 Zoë \u1e9b\u0323",
    "nothing to be seen": "\u200b\ufeff\u00a0\u2028\u2029",
    "beyond the first plane": "\U0010ffff𝒜𐀀",
    "SQL": "'); DROP TABLE dub.customers; -- \" ` /* $$ :name ? %s",
    "a formula": '=HYPERLINK("http://example.com","x")\t+1@-cmd|',
    "JSON": '{"id": "cus_other", "deleted_at": null}',
    "CSV": 'a,"b";c\r\nd\te\\N',
    "nulls": "NULL",
    "blanks": "  \t ",
    "a path": "../../etc/passwd\\..\\%2e%2e",
    "a template": "{{ 7 * 7 }} ${x} {0} %(a)s",
}


def load_twice(world: World) -> None:
    """Everybody is there with every value, and a second look finds nothing new."""
    world.load()
    world.assert_as_in_dub()
    assert counts(world.load()) == (0, 0, 0)
    world.assert_as_in_dub()


@pytest.mark.slow
def test_texts(world: World) -> None:
    for number, text in enumerate(TEXTS.values()):
        world.sandbox.insert(
            name=text, email=f"{text}@example.com", external_id=f"{number} {text}"[:191], country=text[:2]
        )
        world.sandbox.insert(name=None, email=text, avatar=text, stripe_customer_id=f"cus_{number} {text}")
    load_twice(world)


@pytest.mark.slow
def test_nul_becomes_what_every_warehouse_keeps(world: World) -> None:
    customer = world.sandbox.insert(name="a\0b", email="\0", external_id="\0\0").id
    assert counts(world.load()) == (world.sizes()[0], 0, 0)
    row = world.customers()[customer]
    assert (row["name"], row["email"], row["external_id"]) == ("a\ufffdb", "\ufffd", "\ufffd\ufffd")
    assert counts(world.load()) == (0, 0, 0)


@pytest.mark.slow
def test_texts_that_change_into_each_other_are_seen(world: World) -> None:
    """Dub's database finds some of them equal; the warehouse must not."""
    customer = world.sandbox.insert(name="start").id
    world.load()
    for text in ("Zoë", "Zoe\u0308", "zoë", "ZOË", "Zoë ", "Zoë\u200b", "Zoë\0"):
        world.sandbox.change(customer, name=text)
        assert counts(world.load()) == (0, 1, 0), ascii(text)


@pytest.mark.slow
def test_numbers_and_moments_at_their_ends(world: World) -> None:
    amounts = (2**53 - 1, 2**53, 2**53 + 1, 2**60, 2**63 - 1, -1, -(2**53), -(2**53) - 1, -(2**62), 0)
    odd = [world.sandbox.insert(sale_amount=each, sales=min(abs(each), 2**53)).id for each in amounts]
    # From the year 1 to 9999; a day before its end, for those who look at it from the east.
    moments = (-62_135_596_800_000, -1, 0, 1, 2**31 * 1000, 253_402_300_799_999 - 86_400_000)
    odd += [
        world.sandbox.insert(created_ms=each, first_sale_ms=each, canceled_ms=each).id for each in moments
    ]
    world.load()
    rows = world.customers()
    for customer_id, expected in expected_rows(world.sandbox.snapshot()).items():
        expected["sale_amount"] = min(expected["sale_amount"], 2**63 - 1)  # Dub rounds up beyond it
        assert {name: rows[customer_id].get(name) for name in expected} == expected
    assert counts(world.load()) == (0, 0, 0)
    # Whoever is gone is read from the warehouse and written once more.
    for customer_id in odd:
        world.sandbox.delete(customer_id)
    assert counts(world.load(accept_vanished=len(odd))) == (0, 0, len(odd))
    gone = world.customers()
    for customer_id in odd:
        assert gone[customer_id]["deleted_at"] is not None
        assert gone[customer_id] | {"deleted_at": None, "observed_at": None} == rows[customer_id] | {
            "deleted_at": None,
            "observed_at": None,
        }


@pytest.mark.slow
def test_the_last_moment_there_is(world: World) -> None:
    """Where the warehouse shows moments of the east, it is of the year 10000, which Python does not know."""
    customer = world.sandbox.insert(created_ms=253_402_300_799_999, first_sale_ms=253_402_300_799_999).id
    assert counts(world.load())[0] > 0
    assert counts(world.load()) == (0, 0, 0)
    world.load("incremental")
    world.sandbox.delete(customer)
    assert counts(world.load()) == (0, 0, 1)
    ((shown,),) = world.query(
        "SELECT count(*) FROM dub.customers WHERE id = ? AND deleted_at IS NOT NULL "
        "AND created_at > CAST('9999-12-31 23:59:59+00' AS TIMESTAMP WITH TIME ZONE)",
        customer,
    )
    assert shown == 1


@pytest.mark.slow
def test_external_ids_that_differ_by_case_alone_one_after_the_other(world: World) -> None:
    """Dub's database takes them for one, so that only one can be there at a time."""
    first = world.sandbox.insert(external_id="Same").id
    world.load()
    world.sandbox.delete(first)
    second = world.sandbox.insert(external_id="SAME").id
    world.load()
    rows = world.customers()
    assert [rows[each]["external_id"] for each in (first, second)] == ["Same", "SAME"]
    assert [rows[each]["deleted_at"] is None for each in (first, second)] == [False, True]
    world.assert_as_in_dub(gone=1)


# What Dub may answer one day


Answer = Callable[[str, dict[str, Any]], None]


@pytest.fixture
def answer(world: World, monkeypatch: pytest.MonkeyPatch) -> Answer:
    """Let Dub answer something else for a customer; None for a field that is not there at all."""
    honest, changed = Customer.as_json, dict[str, dict[str, Any]]()

    def as_json(self: Customer, source: Any) -> dict[str, Any]:
        shown = {**honest(self, source), **changed.get(self.id, {})}
        return {name: value for name, value in shown.items() if value is not MISSING}

    monkeypatch.setattr(Customer, "as_json", as_json)

    def answer(customer_id: str, fields: dict[str, Any]) -> None:
        changed[customer_id] = fields
        world.sandbox.change(customer_id)  # what was rendered before is forgotten

    return answer


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()

LOADED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a number for a text": ({"name": 49, "country": 1.5}, {"name": "49", "country": "1.5"}),
    "an object for a text": ({"email": {"work": "a@x.io"}}, {"email": '{"work":"a@x.io"}'}),
    "a list for a text": ({"avatar": ["a", None]}, {"avatar": '["a",null]'}),
    "true for a text": ({"stripeCustomerId": True}, {"stripe_customer_id": "true"}),
    "a whole float": ({"sales": 2.0, "saleAmount": 1e3}, {"sales": 2, "sale_amount": 1000}),
    "digits": ({"sales": "7", "saleAmount": "-12"}, {"sales": 7, "sale_amount": -12}),
    "another time zone": ({"createdAt": "2026-11-01T01:20:00+01:00"}, {}),
    "a date with seconds alone": ({"createdAt": "2026-11-01T01:20:00Z"}, {}),
    "a new field": ({"plan": "pro", "tags": ["a"]}, {"plan": "pro", "tags": '["a"]'}),
    "a new object": ({"metadata": {"a": {"b": 1}}}, {"metadata": '{"a":{"b":1}}'}),
    "a missing field": ({"email": MISSING, "sales": MISSING}, {"email": None, "sales": None}),
    "all but the id missing": (
        dict.fromkeys(
            "name email avatar externalId stripeCustomerId country sales saleAmount createdAt firstSaleAt "
            "subscriptionCanceledAt".split(),
            MISSING,
        ),
        {"external_id": None, "created_at": None},
    ),
    "a list for a known object": ({"link": ["x"], "partner": []}, {"link": '["x"]', "link__id": None}),
    "a text for a known object": ({"discount": "gone"}, {"discount": "gone", "discount__id": None}),
    "an object within a known object": ({"link": {"id": {"x": 1}}}, {"link__id": '{"x":1}'}),
    "a field like one of ours": ({"deletedAt": "2026-01-01"}, {"other_fields": '{"deletedAt":"2026-01-01"}'}),
}


@pytest.mark.slow
def test_what_is_loaded_all_the_same(world: World, answer: Answer) -> None:
    customers = {what: world.sandbox.insert(name="Odd", email="odd@example.com").id for what in LOADED}
    world.load()
    for what, (fields, _) in LOADED.items():
        answer(customers[what], fields)
    for number, mode in enumerate(("full", "full", "incremental")):
        result = world.load(mode)
        assert counts(result) == (0, 0 if number else len(LOADED), 0), mode
        assert result.report.complete
    rows = world.customers()
    for what, (_, row) in LOADED.items():
        loaded = rows[customers[what]]
        assert {name: loaded[name] for name in row} == row, what
        assert loaded["deleted_at"] is None


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a word for a number": ({"sales": "many"}, "sales"),
    "a fraction of a cent": ({"saleAmount": 12.5}, "sale_amount"),
    "true for a number": ({"sales": True}, "sales"),
    "an object for a number": ({"saleAmount": {"amount": 12, "currency": "eur"}}, "sale_amount"),
    "more than 64 bits": ({"saleAmount": 2**63 + 4096}, "sale_amount"),
    "a word for a moment": ({"createdAt": "yesterday"}, "created_at"),
    "a number for a moment": ({"firstSaleAt": 1_700_000_000_000}, "first_sale_at"),
    "a list for a moment": ({"subscriptionCanceledAt": []}, "subscription_canceled_at"),
    "a moment without a day": ({"createdAt": "2026-13-45T00:00:00Z"}, "created_at"),
    "an amount within an object": ({"discount": {"id": "d", "amount": "much"}}, "discount__amount"),
}


@pytest.mark.parametrize("are_known", (True, False), ids=("known", "new"))
def test_who_cannot_be_loaded_stands_in_nobodys_way(world: World, answer: Answer, are_known: bool) -> None:
    others = world.sandbox.ids()
    odd = {what: world.sandbox.insert(name="Odd", email="odd@example.com").id for what in REFUSED}

    def answer_oddly() -> None:
        for what, (fields, _) in REFUSED.items():
            answer(odd[what], fields)

    if not are_known:
        answer_oddly()
    assert world.load().report.complete == are_known
    before = world.customers()
    answer_oddly()
    world.sandbox.delete(others[0])
    world.sandbox.change(others[1], country="ZZ")
    new = world.sandbox.insert().id

    result = world.load()
    assert counts(result) == (1, 1, 1)
    report = result.report
    assert report.refused == {odd[what]: column for what, (_, column) in REFUSED.items()}
    assert (report.complete, report.certified, report.left_out) == (False, False, len(REFUSED))
    assert world.sync_runs()[-1]["unread"] == len(REFUSED)
    rows = world.customers()
    for customer in odd.values():
        assert rows.get(customer) == before.get(customer), "they stay as they were"
    assert (rows[others[1]]["country"], rows[new]["deleted_at"]) == ("ZZ", None)
    assert rows[others[0]]["deleted_at"] is not None
    assert counts(world.load()) == (0, 0, 0)
    world.load("incremental")

    for customer in odd.values():
        answer(customer, {})
    assert world.load().report.complete
    world.assert_as_in_dub(gone=1)


def test_nobody_asks_whether_they_are_gone(world: World, answer: Answer) -> None:
    ids = world.sandbox.ids()
    world.load()
    for customer in ids[:30]:
        answer(customer, {"sales": "many"})
    world.sandbox.forget_requests()
    world.load()
    asked = [each.query for each in world.sandbox.requests if "customerIds" in each.query]
    world.sandbox.forget_requests()
    for customer in ids[:30]:
        answer(customer, {})
    world.load()
    honest = [each.query for each in world.sandbox.requests if "customerIds" in each.query]
    assert len(asked) == len(honest)
    world.assert_as_in_dub()


def test_a_sweep_that_goes_on_knows_whom_the_killed_one_refused(world: World, answer: Answer) -> None:
    odd = world.sandbox.ids()[::7]
    for customer in odd:
        answer(customer, {"sales": "many"})
    world.sandbox.inject(Fault("status", containing="startingAfter", skip=20, status=400, times=10**6))
    with pytest.raises(PipelineStepFailed):
        world.load(page_size=5)
    world.sandbox.clear_faults()
    result = world.load(page_size=5)
    assert result.report.resumed
    assert result.report.refused == dict.fromkeys(odd, "sales")
    assert not result.report.complete
    living = set(world.sandbox.ids()) - set(odd)
    assert world.customers().keys() == living
    assert result.report.created == len(living)


@pytest.mark.slow
def test_many_who_cannot_be_loaded(world: World, answer: Answer) -> None:
    ids = world.sandbox.ids()
    for number, customer in enumerate(ids):
        answer(customer, {"saleAmount": "much"} if number % 3 else {"createdAt": "then"})
    result = world.load()
    assert (len(result.report.refused), world.sizes()) == (len(ids), (0, 0))
    for customer in ids:
        answer(customer, {})
    world.load()
    world.assert_as_in_dub()


@pytest.mark.slow
def test_the_command_says_who_and_why_and_no_value(
    start_sandbox: StartSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox: Sandbox = start_sandbox(30)
    honest, odd = Customer.as_json, sandbox.ids()[7]

    def as_json(self: Customer, source: Any) -> dict[str, Any]:
        return {**honest(self, source), **({"saleAmount": "secret much"} if self.id == odd else {})}

    monkeypatch.setattr(Customer, "as_json", as_json)
    sandbox.change(odd)
    for more in ((), ("--json",), ("--quiet",)):
        with start([*COMMAND, "--mode", "full", *more], sandbox, tmp_path) as process:
            said, told = process.communicate()
        assert process.returncode == 3, told
        assert "secret" not in said + told
        if more == ("--json",):
            values = orjson.loads(said)
            assert (values["refused"], values["unread"]) == ([{"id": odd, "column": "sale_amount"}], 1)
        elif more:
            assert "1 could not be read" in said
        else:
            assert "1 could not be loaded, because of what Dub answered for sale_amount, and stay" in said
            assert f"({odd})" in said
            assert "complete except 1" in said
