"""Reading, traps 9 and 10: customerIds, filters, and what a parameter may look like."""

import pytest

from tests.sandbox.conftest import Serve
from tests.sandbox.datasets import customer
from tests.sandbox.http_api import Api

ANCHOR = "cus_1JXTT3F0WH0CNTNMEKSTGKSWK"
FOREIGN = "cus_1KJKEHJM0QCW0GHTQ87R9B837"  # of the workspace `other`
NEWEST, SECOND = "cus_1M6A7MDW0DAK4R0YPHSRGBKKE", "cus_1M6A7JK908501TP00CBRFRY9H"


def test_9_customer_ids_are_answered_100_a_page_and_300_fit_into_one_url(recorded: Api) -> None:
    wanted = [each for page in (1, 2, 3) for each in recorded.listed(page=page).ids]
    assert len(set(wanted)) == 300
    joined = ",".join(wanted)
    assert len(joined) > 8_000
    pages = [recorded.listed(customerIds=joined, page=page).ids for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [100, 100, 100, 0]
    assert [each for page in pages for each in page] == wanted  # by createdAt, as any list


def test_9_foreign_unknown_and_repeated_ids_are_dropped_silently(recorded: Api) -> None:
    assert recorded.listed(customerIds=f"{FOREIGN},nope,,{ANCHOR},{ANCHOR.lower()}").ids == [ANCHOR]
    assert recorded.listed(customerIds=FOREIGN).json == []
    assert recorded.listed(customerIds="").json == []
    assert recorded.listed(customerIds=f" {ANCHOR}").json == []  # only spaces at the end make no difference


def test_9_customer_ids_go_with_filters(recorded: Api) -> None:
    rows = recorded.listed(pageSize=100, page=5).json
    american = [row["id"] for row in rows if row["country"] == "US"]
    assert 0 < len(american) < 100
    assert recorded.listed(customerIds=",".join(row["id"] for row in rows), country="US").ids == american


def test_10_email_beats_external_id_beats_search(serve: Serve) -> None:
    api = serve(customer(1, email="one@example.test"), customer(2), customer(3, name="Third Person"))
    everything = {"email": "one@example.test", "externalId": "user-2", "search": "Third"}
    assert api.listed(**everything).ids == [customer(1).id]
    del everything["email"]
    assert api.listed(**everything).ids == [customer(2).id]
    del everything["externalId"]
    assert api.listed(**everything).ids == [customer(3).id]
    assert len(api.listed(email="", externalId="", search="").ids) == 3


def test_10_filters_compare_as_the_database_does(serve: Serve) -> None:
    api = serve(customer(1, email="Zoë@Example.test", external_id="Müller", country="de"), customer(2))
    for query in (
        "email=ZOE@example.TEST",
        "externalId=muller%20",
        "country=DE",
        "country=De%20",
        "search=zoe@EXAMPLE.test",
    ):
        assert api.query(query).ids == [customer(1).id], query
    for query in ("email=zoe", "externalId=mull", "country=D", "externalId=%20muller", "country=DE,US"):
        assert api.query(query).json == [], query


def test_10_an_empty_country_is_no_filter_and_is_matched_by_none(serve: Serve) -> None:
    api = serve(customer(1, country=""), customer(2, country=None), customer(3))
    assert len(api.listed(country="").ids) == 3
    assert api.listed(country=" ").ids == [customer(1).id]  # spaces at the end make no difference
    assert api.listed(country="US").ids == [customer(3).id]


def test_10_the_value_of_program_id_is_ignored(recorded: Api) -> None:
    in_program = recorded.listed(programId="prog_1KSEEDPROGRAM0000000000001", sortOrder="asc").ids
    assert recorded.listed(programId="whatever", sortOrder="asc").ids == in_program
    assert 0 < len(in_program) < 100
    assert len(recorded.listed(programId="").ids) == 100
    assert recorded.listed(partnerId="pn_nope").json == []


def test_10_without_a_program_partner_filters_are_404(serve: Serve) -> None:
    api = serve(customer(1))
    api.key = "dub_test_other"
    for query in ("programId=x", "partnerId=x", "partnerId=x&page=1&startingAfter=y"):
        assert api.query(query).error == (404, "not_found", "Program not found")
    assert api.query("programId=&partnerId=").json == []


def test_10_search_finds_words_of_names_and_emails(serve: Serve) -> None:
    api = serve(
        customer(1, name="Chloé Fernández", email="chloe@first.test"),
        customer(2, name="Patrick O'Brien", email=None),
        customer(3, name=None, email="under_score@second.test"),
    )
    found = {
        "chloe": [1],
        "CHLOÉ": [1],
        "first": [1],
        "fernandez brien": [2, 1],
        "O'Brien": [2],
        "under_score": [3],
        "test": [3, 1],
        "(chloe)*": [1],
        "chlo": [],
        "ab": [],
        "+-*": [],
        " ": [],
        "the": [],
        "user-1": [],  # not externalId
        '"chloé fernández"': [1],
        '"fernandez chloe"': [],  # a phrase is in order
        '"fernandez first"': [],  # and within one field
        '"no such" brien': [2],
        '""': [],
    }
    for words, numbers in found.items():
        assert api.listed(search=words).ids == [customer(number).id for number in numbers], words


def test_10_a_search_that_mysql_cannot_parse_is_500(recorded: Api) -> None:
    assert recorded.listed(search='half "a phrase').error == (
        500,
        "internal_server_error",
        "An internal server error occurred. Please contact our support if the problem persists.",
    )


def test_10_unknown_parameters_are_ignored(recorded: Api) -> None:
    plain = recorded.listed(pageSize=2).body
    for query in (
        "limit=7",
        "offset=3",
        "cursor=x",
        "PageSize=5",
        "fields=id",
        "sort=asc",
        "externalIds=x",
        "&&=&x",
    ):
        assert recorded.query(f"pageSize=2&{query}").body == plain, query


def test_of_a_repeated_parameter_the_last_counts(recorded: Api) -> None:
    assert len(recorded.query("pageSize=0&pageSize=3").ids) == 3
    assert recorded.query("pageSize=3&pageSize=").status == 422


@pytest.mark.parametrize(
    "text",
    (
        "2",
        "2.0",
        "02",
        "0x2",
        "0X2",
        "0b10",
        "0o2",
        "2e0",
        "0.2e1",
        "200e-2",
        "%2B2",
        "2.",
        "%202%20",
        "+2+",
        "%0A2%09",
        "%C2%A02",
        "%EF%BB%BF2",
    ),
)
def test_numbers_are_read_as_javascript_reads_them(recorded: Api, text: str) -> None:
    assert recorded.query(f"pageSize=1&page={text}").ids == [SECOND]


@pytest.mark.parametrize(
    "text",
    ("abc", "1_0", "1,0", "2px", "--2", "0x", "-0x2", "0xg", "1e", "e1", ".", "Infinity", "-Infinity", "NaN",
     "null", "1e400", "%D9%A2", "%C2%852", "%1C2", "0x" + "f" * 300),
)  # fmt: skip
def test_what_is_no_finite_number(recorded: Api, text: str) -> None:
    assert recorded.query(f"page={text}").invalid == "invalid_type: page: Page must be a number."
    assert recorded.query(f"pageSize={text}").invalid == "invalid_type: pageSize: Page size must be a number."


@pytest.mark.parametrize(
    "text, code, rule",
    (
        ("1.5", "invalid_type", "an integer"),
        ("-1.5", "invalid_type", "an integer"),
        ("9007199254740992", "too_big", "an integer"),
        ("99999999999999999999", "too_big", "an integer"),
        ("1e300", "too_big", "an integer"),
        ("-1e300", "too_small", "an integer"),
        ("", "too_small", "greater than 0"),
        ("0", "too_small", "greater than 0"),
        ("-0", "too_small", "greater than 0"),
        ("%20", "too_small", "greater than 0"),
        ("-3", "too_small", "greater than 0"),
    ),
)
def test_what_is_no_page_number(recorded: Api, text: str, code: str, rule: str) -> None:
    assert recorded.query(f"page={text}").invalid == f"{code}: page: Page must be {rule}."
    assert recorded.query(f"pageSize={text}").invalid == f"{code}: pageSize: Page size must be {rule}."


def test_page_sizes_go_to_100(recorded: Api) -> None:
    assert len(recorded.listed(pageSize="1e2").ids) == 100
    assert recorded.listed(pageSize=101).invalid == "too_big: pageSize: Max page size is 100."
    assert recorded.listed(pageSize=9007199254740991).invalid == "too_big: pageSize: Max page size is 100."
    assert recorded.listed(page=9007199254740991).invalid.startswith("Page is too big")


@pytest.mark.parametrize("text", ("", "1", "0", "yes", "tru", " true", "true "))
def test_a_flag_is_true_or_false_in_any_case(recorded: Api, text: str) -> None:
    assert recorded.listed(includeExpandedFields=text).invalid == (
        'invalid_value: includeExpandedFields: Invalid option: expected one of "true"|"false"'
    )
    assert "link" in recorded.listed(includeExpandedFields="TrUe", pageSize=1).json[0]
    assert "link" not in recorded.listed(includeExpandedFields="FALSE", pageSize=1).json[0]


@pytest.mark.parametrize("text", ("", "DESC", "Asc", "ascending", "asc "))
def test_options_are_exact(recorded: Api, text: str) -> None:
    assert recorded.listed(sortOrder=text).invalid == (
        'invalid_value: sortOrder: Invalid option: expected one of "asc"|"desc"'
    )
    assert recorded.listed(sortBy=text).invalid == (
        "invalid_value: sortBy: Invalid option: expected one of "
        '"createdAt"|"saleAmount"|"firstSaleAt"|"subscriptionCanceledAt"'
    )


def test_only_the_first_error_is_reported_in_the_order_of_the_schema(recorded: Api) -> None:
    wrong = ["includeExpandedFields=x", "sortBy=x", "sortOrder=x", "page=x", "pageSize=x"]
    for number, parameter in enumerate(wrong):
        name = parameter.removesuffix("=x")
        query = "&".join(reversed(wrong[number:]))
        assert recorded.query(query).invalid.split(": ")[1] == name


def test_checks_come_in_the_order_schema_program_paging_cursor(recorded: Api) -> None:
    both = "startingAfter=nope&endingBefore=nope"
    assert "Page size" in recorded.query(f"{both}&sortBy=saleAmount&page=1&pageSize=0").invalid
    assert recorded.query(f"{both}&sortBy=saleAmount&page=1").invalid == (
        "You cannot use both startingAfter and endingBefore at the same time."
    )
    assert recorded.query("startingAfter=nope&sortBy=saleAmount&page=1").invalid.startswith("Cursor-based")
    assert recorded.query("startingAfter=nope&page=1").invalid.startswith("You cannot use both page")
    assert recorded.query("startingAfter=nope").invalid.startswith("Invalid cursor")


def test_an_empty_cursor_is_none(recorded: Api) -> None:
    assert recorded.query("startingAfter=&endingBefore=&page=2&pageSize=1").ids == [SECOND]
    assert recorded.query("startingAfter=&sortBy=saleAmount&pageSize=1").status == 200
    assert recorded.query(f"endingBefore=&startingAfter={NEWEST}&pageSize=1").ids == [SECOND]


@pytest.mark.parametrize("reference", (ANCHOR, "ext_u_5"))
def test_10_a_bad_list_parameter_fails_get_and_patch_of_one_customer(writable: Api, reference: str) -> None:
    for query in ("pageSize=0", "page=x", "sortBy=x", "sortOrder=", "includeExpandedFields=1"):
        assert writable.get(f"{reference}?{query}").status == 422
        assert writable.patch(f"{reference}?{query}", {"name": "x"}).status == 422
    # The rules between parameters are not checked there, nor does anything but the schema matter.
    fine = "page=1001&startingAfter=nope&endingBefore=nope&sortBy=saleAmount&programId=x&customerIds=&email=x"
    assert writable.get(f"{reference}?{fine}").row["name"] != "x"
    assert writable.send("DELETE", f"/customers/{reference}?pageSize=0").status == 200
