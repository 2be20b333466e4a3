"""Figures that are made up: believable ones, and hostile ones."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from dub_source.report.figures import (
    Changed,
    Cohort,
    Day,
    Figures,
    FirstSales,
    Group,
    Groups,
    Month,
    Run,
    SyncPlan,
    Totals,
)

AT = datetime(2026, 11, 1, 7, 0, tzinfo=UTC)
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<img src=https://evil.example/x onerror=alert(1)>",
    "\" onload='alert(1)' {{ 7 * 7 }} {% raw %} ${x} `y`",
    "</svg></style><style>body{display:none}</style>",
    "]]>&lt;&#x3c;b&gt;<!--",
    "محمد للتسويق \u202e evil \u2066",
    "😀 Creators & Co\x00\x07\ufffe",
    "' + alert(1) + ' \\ \u2028 datum.value",
    "javascript:alert(1)",
    "x" * 300,
)


def figures(**other: Any) -> Figures:
    """Three years of a workspace that grows; ``other`` replaces parts."""
    made = Figures(
        at=AT,
        workspace="acme",
        location="dub_customers_acme.duckdb",
        dataset="dub_acme",
        well=True,
        verdict="OK: 39,424 customers, loaded 5 min ago, proven complete 3.1 h ago.",
        deleted=12,
        versions=41_000,
        loaded_at=AT - timedelta(minutes=5),
        swept_at=AT - timedelta(hours=3),
        certified=True,
        totals=Totals(39_424, 11_827, 170_351_104, 1_576),
        over_time=_days(1_000),
        countries=groups(["US", "GB", "DE", "FR", "IN", "BR", "CA", "NL", "AU", "JP"], others=15, none=True),
        partners=groups([f"Partner {number}" for number in range(10)], others=31, none=True),
        links=groups([f"https://acme.link/{name}" for name in "abcdefghij"], others=4_990, none=True),
        cohorts=_cohorts(33),
        first_sales=FirstSales({days: 1_000 // (days + 3) for days in range(500)}),
        churn=_churn(32),
        changes=tuple(
            Changed(AT.date() - timedelta(days=ago), 40 + ago % 7, 9 + ago % 5, ago % 3)
            for ago in range(40, 0, -1)
        ),
        runs=tuple(_run(number) for number in range(160)),
        plans=(
            SyncPlan("plan_1", "names", AT, "applied", 100, {"applied": 88, "rejected": 3, "drifted": 9}),
            SyncPlan("plan_2", "erasures", AT, "begun", 10, {"applied": 4}),
        ),
    )
    return replace(made, **other)


def hostile() -> Figures:
    """Whatever somebody else could have named is named so that it would break a careless page."""
    bad = groups(list(HOSTILE), others=3, none=True)
    return figures(
        workspace=HOSTILE[0],
        location=HOSTILE[1],
        dataset=HOSTILE[2],
        well=False,
        verdict=f"ATTENTION: {HOSTILE[3]}",
        countries=bad,
        partners=bad,
        links=bad,
        plans=tuple(SyncPlan(f"plan_{name}", name, AT, "applied", 5, {"applied": 5}) for name in HOSTILE),
        runs=tuple(
            replace(_run(number), mode=name, ok=False, error=name) for number, name in enumerate(HOSTILE)
        ),
        absent={"churn": HOSTILE[0]},
        churn=None,
    )


def nothing() -> Figures:
    """A place that nothing was loaded into."""
    return Figures(
        at=AT,
        workspace=None,
        location="dub_customers.duckdb",
        dataset="dub",
        well=False,
        verdict="ATTENTION: nothing has been loaded here yet.",
    )


def one_customer() -> Figures:
    """Who has not bought anything, and came without a link."""
    alone = Groups((Group(None, 1, 0, 0),))
    return replace(
        nothing(),
        totals=Totals(1, 0, 0, 0),
        over_time=(Day(AT.date(), new_customers=1, total=1),),
        countries=alone,
        partners=alone,
        links=alone,
        cohorts=(Cohort(AT.date().replace(day=1), 1, 0, 0, 0.0, 0, {0: 0.0}),),
        first_sales=FirstSales({}),
        churn=(),
        changes=(Changed(AT.date(), 1, 0, 0),),
        runs=(_run(0),),
    )


def groups(names: list[str], *, others: int, none: bool) -> Groups:
    """The first has the most revenue."""
    top = [
        Group(name, 900 // (place + 1), 300 // (place + 1), 40_000_000 // (place + 1))
        for place, name in enumerate(names)
    ]
    if none:
        top.append(Group(None, 5_000, 1_000, 77_000_000))
    return Groups(tuple(top), others, Group(None, 400, 100, 900_000) if others else None)


def _days(number: int) -> tuple[Day, ...]:
    start, total, days = AT.date() - timedelta(days=number), 0, []
    for count in range(number):
        new = round(18 + count / 25 + 9 * math.sin(count / 20) + (count * 7919) % 11)
        total += new
        days.append(Day(start + timedelta(days=count), new, new // 3, new // 20, count % 2, total))
    return tuple(days)


def _months(number: int) -> list[date]:
    last = AT.year * 12 + AT.month - 1
    return [date(each // 12, each % 12 + 1, 1) for each in range(last - number + 1, last + 1)]


def _cohorts(number: int) -> tuple[Cohort, ...]:
    return tuple(
        Cohort(
            month,
            900 + 10 * place,
            300,
            90_000 * (place + 20),
            11_000 - 180 * place + 900 * math.sin(place),
            20,
            {age: min(0.5, 0.07 * (age + 1) ** 0.5 + place / 900) for age in range(number - place)},
        )
        for place, month in enumerate(_months(number))
    )


def _churn(number: int) -> tuple[Month, ...]:
    months = []
    for place, month in enumerate(_months(number)):
        buyers, canceled = 100 * place, round(2 * place + 8 * abs(math.sin(place)))
        months.append(Month(month, buyers, canceled if buyers else 0, canceled / buyers if buyers else None))
    return tuple(months)


def _run(number: int) -> Run:
    sweep = number % 4 == 0
    return Run(
        started_at=AT - timedelta(hours=6 * number),
        mode="full" if sweep else "incremental",
        ok=number % 37 != 5,
        error="ServerError" if number % 37 == 5 else None,
        certified=True if sweep else None,
        requests=430 if sweep else 4,
        created=11,
        updated=3,
        deleted=1 if sweep else 0,
        seconds=21.4 if sweep else 1.7,
    )
