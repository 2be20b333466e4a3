"""GET /customers/count: a bare number, tables by country and by link, and what it does not look at."""

from collections import Counter
from typing import Any

import pytest

from dub_source.sandbox import Dataset
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect, Serve
from tests.sandbox.datasets import MAIN, OTHER, customer, workspace
from tests.sandbox.http_api import Api

LINK = {"domain": "d.test", "key": "k", "url": "https://example.test", "programId": None}


def rows_of(seed: Dataset, workspace_slug: str = "main") -> list[Any]:
    workspace_id = next(each.id for each in seed.workspaces if each.slug == workspace_slug)
    return [row for row in seed.customers if row.workspace_id == workspace_id]


def test_9_it_is_a_bare_number(recorded: Api) -> None:
    reply = recorded.send("GET", "/customers/count")
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"1000", "application/json")


@pytest.mark.parametrize(
    "key, number",
    (
        ("free", 0),
        ("pro", 0),
        ("adv", 0),
        ("other", 5),
        ("lateimport", 300),
        ("viewer", 1000),
        ("billing", 1000),
    ),
)
def test_9_any_key_may_count(recorded_sandbox: Any, connect: Connect, key: str, number: int) -> None:
    assert connect(recorded_sandbox, key).count() == number


def test_9_keys_that_may_not_read_at_all_may_not_count(recorded_sandbox: Any, connect: Connect) -> None:
    assert connect(recorded_sandbox, "expired").send("GET", "/customers/count").status == 401
    assert connect(recorded_sandbox, "nonmember").send("GET", "/customers/count").status == 404


def test_9_a_filter_counts_what_it_lists(recorded: Api) -> None:
    for query in (
        {"country": "fr"},
        {"country": "ZZ"},
        {"search": "Special"},
        {"search": "SPECIAL990@example.test"},
        {"email": "user5@example.test"},
        {"externalId": "u_6", "search": "Special"},
        {"linkId": "link_1KSEEDLINK000000000000001"},
        {"partnerId": "pn_1KSEEDPARTNER000000000001"},
        {"partnerId": "pn_1KSEEDPARTNER000000000001", "country": "US"},
        {"programId": "whatever"},
    ):
        listed = sum(len(recorded.listed(page=page, **query).ids) for page in range(1, 12))
        assert recorded.count(**query) == listed, query


def test_9_what_only_a_list_knows_is_ignored(recorded: Api) -> None:
    for query in (
        "page=abc", "pageSize=0", "sortBy=x", "sortOrder=x", "includeExpandedFields=x", "startingAfter=nope",
        "endingBefore=nope&startingAfter=nope", "customerIds=nope", "customerIds=", "unknown=x",
        "country=", "email=",
    ):  # fmt: skip
        assert recorded.send("GET", f"/customers/count?{query}").json == 1000, query


@pytest.mark.parametrize("text", ("", "Country", "email", "countryId"))
def test_9_group_by_is_one_of_three(recorded: Api, text: str) -> None:
    assert recorded.send("GET", f"/customers/count?groupBy={text}").invalid == (
        'invalid_value: groupBy: Invalid option: expected one of "country"|"linkId"|"partnerId"'
    )


def test_9_by_country_the_unset_one_comes_last(recorded: Api, seed: Dataset) -> None:
    table = recorded.count(groupBy="country")
    expected = Counter(row.country for row in rows_of(seed))
    assert {entry["country"]: entry["_count"] for entry in table} == dict(expected)
    assert table[-1] == {"_count": 179, "country": None}
    counts = [entry["_count"] for entry in table[:-1]]
    assert counts == sorted(counts, reverse=True)


def test_9_countries_are_grouped_as_the_database_compares_them(serve: Serve) -> None:
    countries = ["US", "us", "Us ", "", " ", None, "DE"]
    api = serve(*(customer(number, country=country) for number, country in enumerate(countries)))
    assert api.count(groupBy="country") == [
        {"_count": 3, "country": "US"},
        {"_count": 2, "country": ""},
        {"_count": 1, "country": "DE"},
        {"_count": 1, "country": None},
    ]
    assert api.count(country="us") == 3


def test_9_grouping_drops_the_filter_of_its_own_field_only(serve: Serve) -> None:
    api = serve(customer(1, country="DE"), customer(2), customer(3, email="x@example.test"))
    assert len(api.count(groupBy="country", country="DE")) == 2
    assert api.count(groupBy="country", email="x@example.test") == [{"_count": 1, "country": "US"}]
    assert api.count(groupBy="partnerId", country="DE") == 1


def test_9_by_link_those_without_one_do_not_count(start_sandbox: StartSandbox, connect: Connect) -> None:
    links = ["link_1", "link_2", "link_2", None, "link_gone"]
    dataset = workspace(*(customer(number, link_id=link) for number, link in enumerate(links)))
    for number in (1, 2):
        dataset.links[f"link_{number}"] = {
            "id": f"link_{number}",
            "shortLink": f"https://d.test/{number}",
            **LINK,
        }
    api = connect(start_sandbox(dataset))
    expected = [
        {"_count": 2, "linkId": "link_2", "shortLink": "https://d.test/2", "url": "https://example.test"},
        {"_count": 1, "linkId": "link_1", "shortLink": "https://d.test/1", "url": "https://example.test"},
    ]
    assert api.count(groupBy="linkId") == expected
    assert api.count(groupBy="linkId", linkId="link_1") == expected
    assert api.count(linkId="link_1") == 1


def test_9_by_partner_it_falls_through_to_the_plain_number(recorded: Api) -> None:
    assert recorded.count(groupBy="partnerId") == 1000
    assert recorded.count(groupBy="partnerId", country="FR") == 101


def test_9_without_a_program_partner_filters_are_404(serve: Serve) -> None:
    api = serve(customer(1, workspace_id=OTHER))
    api.key = "dub_test_other"
    for query in ("partnerId=x", "programId=x&groupBy=country"):
        assert api.send("GET", f"/customers/count?{query}").error == (404, "not_found", "Program not found")
    assert api.count() == 1


def test_9_an_empty_workspace_has_0_and_an_empty_table(serve: Serve) -> None:
    api = serve()
    assert api.count() == 0
    assert api.count(groupBy="country") == []
    assert api.count(groupBy="linkId") == []


def test_9_it_follows_every_write(start_sandbox: StartSandbox, connect: Connect) -> None:
    sandbox = start_sandbox(workspace(customer(1)))
    api = connect(sandbox)
    new = api.post({"externalId": "new", "country": "ZZ"}).row["id"]
    assert (api.count(), api.count(country="zz")) == (2, 1)
    api.delete(new)
    assert (api.count(), api.count(country="zz")) == (1, 0)
    sandbox.insert(external_id="imported")
    sandbox.insert(OTHER, external_id="elsewhere")
    assert (api.count(), len(sandbox.ids(MAIN))) == (2, 2)
