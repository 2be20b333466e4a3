"""The figures are those of the workspace, in every kind of warehouse."""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from dub_source import runs
from dub_source.report.figures import Figures, Group, Groups
from tests.reverse.conftest import MakePushWorld
from tests.reverse.world import PushWorld

Customer = Mapping[str, Any]


def figures_of(world: PushWorld, **options: Any) -> Figures:
    return runs.report(world.target, **options)


def living(world: PushWorld) -> list[Customer]:
    return list(world.sandbox.snapshot().values())


def day(text: str) -> date:
    return datetime.fromisoformat(text).astimezone(UTC).date()


def month(text: str) -> date:
    return day(text).replace(day=1)


def group(name: str | None, customers: list[Customer]) -> Group:
    return Group(
        name,
        len(customers),
        sum(each["firstSaleAt"] is not None for each in customers),
        sum(each["saleAmount"] for each in customers),
    )


def groups(customers: list[Customer], *path: str) -> dict[str | None, Group]:
    """By what is at the end of a path on the wire."""
    found: dict[str | None, list[Customer]] = {}
    for each in customers:
        value: Any = each
        for step in path:
            value = (value or {}).get(step)
        found.setdefault(value, []).append(each)
    return {name: group(name, some) for name, some in found.items()}


def check_groups(found: Groups | None, expected: dict[str | None, Group]) -> None:
    """The ten with the most revenue in their order, who has none of it at the end, all others together."""
    assert found is not None
    names = [each for each in expected.values() if each.name is not None]
    names.sort(key=lambda each: (-each.revenue_cents, -each.customers, each.name))
    top = names[:10] + [each for each in expected.values() if each.name is None]
    assert list(found.top) == top
    rest = names[10:]
    assert found.others == len(rest)
    if not rest:
        assert found.rest is None
        return
    sums = [sum(getattr(each, name) for each in rest) for name in ("customers", "buyers", "revenue_cents")]
    assert found.rest == Group(None, *sums)


def test_customers(push_world: PushWorld) -> None:
    customers = living(push_world)
    found = figures_of(push_world)
    totals = group(None, customers)
    assert found.totals is not None
    assert (found.totals.customers, found.totals.buyers, found.totals.revenue_cents) == (
        120,
        totals.buyers,
        totals.revenue_cents,
    )
    assert totals.buyers > 10
    assert found.totals.canceled == sum(each["subscriptionCanceledAt"] is not None for each in customers)
    check_groups(found.countries, groups(customers, "country"))
    check_groups(found.partners, groups(customers, "partner", "name"))
    check_groups(found.links, groups(customers, "link", "shortLink"))

    created = Counter(day(each["createdAt"]) for each in customers)
    assert found.over_time is not None
    assert {each.day: each.new_customers for each in found.over_time if each.new_customers} == created
    assert found.over_time[-1].total == 120
    assert [each.day for each in found.over_time] == sorted({each.day for each in found.over_time})

    months = Counter(month(each["createdAt"]) for each in customers)
    assert found.cohorts is not None
    assert {each.month: each.customers for each in found.cohorts} == months
    for cohort in found.cohorts:
        some = [each for each in customers if month(each["createdAt"]) == cohort.month]
        assert cohort.revenue_cents == sum(each["saleAmount"] for each in some)
        assert cohort.revenue_per_customer_cents == pytest.approx(cohort.revenue_cents / len(some))
        at_once = [
            each for each in some if each["firstSaleAt"] and month(each["firstSaleAt"]) <= cohort.month
        ]
        assert cohort.shares[0] == pytest.approx(len(at_once) / len(some))

    days = Counter(
        (datetime.fromisoformat(each["firstSaleAt"]) - datetime.fromisoformat(each["createdAt"])).days
        for each in customers
        if each["firstSaleAt"]
    )
    assert found.first_sales is not None
    assert found.first_sales.by_days == days
    ordered = sorted(days.elements())
    assert found.first_sales.median_days() == ordered[(len(ordered) - 1) // 2]
    assert found.churn is not None
    assert sum(each.canceled for each in found.churn) > 0


def test_health(push_world: PushWorld) -> None:
    renamed, gone = push_world.sandbox.ids()[:2]
    push_world.sandbox.change(renamed, name="Renamed")
    push_world.sandbox.delete(gone)
    push_world.load()
    with pytest.raises(PipelineStepFailed):
        push_world.load(api_key="dub_of_nobody_at_all")
    found = figures_of(push_world)
    assert found.runs is not None
    assert [(each.ok, each.error) for each in found.runs] == [
        (False, "Unauthorized"),
        (True, None),
        (True, None),
    ]
    assert [(each.created, each.updated, each.deleted) for each in found.runs[1:]] == [(0, 1, 1), (120, 0, 0)]
    assert [each.certified for each in found.runs[1:]] == [True, True]
    assert found.changes is not None
    assert [
        sum(getattr(each, name) for each in found.changes) for name in ("created", "updated", "deleted")
    ] == [
        120,
        1,
        1,
    ]
    assert (found.deleted, found.well) == (1, False)
    assert found.verdict.startswith("ATTENTION: the last run, ")
    assert found.totals is not None
    assert found.totals.customers == 119


@pytest.mark.slow
def test_outcomes_of_plans(push_world: PushWorld) -> None:
    first, second, third = push_world.sandbox.ids()[:3]
    push_world.wish({first: {"name": "One"}, second: {"name": "Two"}, third: {"name": "Three"}})
    made = push_world.plan()
    push_world.sandbox.change(second, name="Somebody else's")
    push_world.apply(made)
    (plan,) = figures_of(push_world).plans
    assert (plan.sync, plan.state, plan.changes) == ("table crm.names", "applied", 3)
    assert plan.results == {"applied": 2, "drifted": 1}


def test_nothing_of_customers_is_in_it(push_world: PushWorld) -> None:
    text = json.dumps(figures_of(push_world).as_json(), ensure_ascii=False)
    people = push_world.sandbox.snapshot().values()
    for field in ("id", "name", "email", "externalId", "stripeCustomerId", "avatar"):
        values = {each[field] for each in people if each[field]}
        assert values
        assert [value for value in values if json.dumps(value, ensure_ascii=False)[1:-1] in text] == [], field


def test_partners_by_id(push_world: PushWorld) -> None:
    found = figures_of(push_world, partner_names=False)
    check_groups(found.partners, groups(living(push_world), "partner", "id"))


def test_a_place_that_nothing_was_loaded_into(make_push_world: MakePushWorld) -> None:
    world = make_push_world(3, form=None)
    found = figures_of(world)
    assert (found.totals, found.runs, found.well) == (None, None, False)
    assert world.warehouse.tables() == [], "a look makes nothing"


def test_a_workspace_without_customers(make_push_world: MakePushWorld) -> None:
    found = figures_of(make_push_world(0))
    assert found.totals is None or found.totals.customers == 0
    assert not found.over_time
    assert found.runs is not None
    assert len(found.runs) == 1


def test_one_customer_who_has_not_bought(make_push_world: MakePushWorld) -> None:
    world = make_push_world(0)
    world.sandbox.insert(external_id="one")
    world.load()
    found = figures_of(world)
    assert found.totals is not None
    assert (found.totals.customers, found.totals.buyers, found.totals.revenue_cents) == (1, 0, 0)
    assert found.first_sales is not None
    assert found.first_sales.median_days() is None
    assert found.churn == ()
    assert found.partners is not None
    assert [each.name for each in found.partners.top] == [None]


def test_who_bought_before_creation(push_world: PushWorld) -> None:
    bought = next(each for each in living(push_world) if each["firstSaleAt"])
    before = datetime.fromisoformat(bought["createdAt"]) - timedelta(days=90)
    push_world.sandbox.change(bought["id"], first_sale_ms=int(before.timestamp() * 1000))
    push_world.load()
    found = figures_of(push_world)
    assert found.first_sales is not None
    assert found.first_sales.by_days[-1] == 1


def test_columns_that_are_not_there(make_push_world: MakePushWorld) -> None:
    world = make_push_world(
        20, form={"include_expanded_fields": False, "exclude_columns": ["country", "first_sale_at"]}
    )
    found = figures_of(world)
    assert (found.countries, found.partners, found.links, found.first_sales) == (None, None, None, None)
    assert "country" in found.absent["countries"]
    assert "partner__id" in found.absent["partners"]
    assert found.totals is None or found.totals.customers == 20
    assert found.changes is not None


def test_columns_that_are_hashed(make_push_world: MakePushWorld) -> None:
    world = make_push_world(20, form={"hash_columns": ["country", "partner"], "hash_key": "0123456789abcdef"})
    found = figures_of(world)
    expected = groups(living(world), "country")
    assert found.countries is not None
    assert len([each for each in found.countries.top if each.name]) == min(10, len(expected.keys() - {None}))
    assert all(len(each.name) == 64 for each in found.countries.top if each.name is not None)


def test_another_table(make_push_world: MakePushWorld) -> None:
    world = make_push_world(10, form={"table_name": "people"})
    found = figures_of(world, table="people")
    assert found.totals is not None
    assert found.totals.customers == 10
    assert found.runs is not None
    assert len(found.runs) == 1
    assert figures_of(world).runs == ()
