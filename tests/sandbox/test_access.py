"""Access: keys, plans and roles, word for word, and which refusals tell about the rate limit."""

import pytest

from dub_source.sandbox import Dataset, Sandbox
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect
from tests.sandbox.datasets import customer, workspace
from tests.sandbox.http_api import RATE_HEADERS, Api, Reply

PERSONAL = (
    404,
    "not_found",
    "Workspace ID not found. Did you forget to include a `workspaceId` query parameter? "
    "It looks like you might be using personal API keys, we also recommend refactoring to workspace API keys: https://d.to/keys",
)
NO_BEARER = (
    400,
    "bad_request",
    "Misconfigured authorization header. Did you forget to add 'Bearer '? Learn more: https://d.to/auth",
)
PLAN = (403, "forbidden", "Unauthorized: Need higher plan.")
ROLE = (
    403,
    "forbidden",
    "You don't have the required role to access this endpoint. Required role(s): owner, member.",
)
NO_WORKSPACE = (404, "not_found", "Workspace not found.")
KEY = "dub_seedkeyOWNER0000000000000"


@pytest.fixture
def sandbox(start_sandbox: StartSandbox, seed: Dataset) -> Sandbox:
    """With the limits of the plans."""
    return start_sandbox(seed, rate_limit=None)


@pytest.fixture
def api(sandbox: Sandbox, connect: Connect) -> Api:
    return connect(sandbox, "owner")


def with_header(api: Api, value: str | None, query: str = "pageSize=1") -> Reply:
    """A list with this Authorization header."""
    api.key = None
    headers = {} if value is None else {"authorization": value}
    return api.send("GET", f"/customers?{query}", headers=headers)


def tells_limit(reply: Reply) -> bool:
    told = set(RATE_HEADERS) & set(reply.headers)
    assert told in (set(), set(RATE_HEADERS))
    return bool(told)


@pytest.mark.parametrize(
    "header, error",
    (
        (None, (401, "unauthorized", "Missing Authorization header.")),
        ("", (401, "unauthorized", "Missing Authorization header.")),
        (KEY, NO_BEARER),
        (f"bearer {KEY}", NO_BEARER),
        (f"Basic {KEY}", NO_BEARER),
        ("Bearer", NO_BEARER),
        ("Bearer ", NO_BEARER),
        (f"Bearer  {KEY}", PERSONAL),
        (f"Bearer {KEY.upper()}", PERSONAL),
        ("Bearer sk_live_xyz", PERSONAL),
        ("Bearer legacyPersonalKey000000", PERSONAL),
        ("Bearer dub_unknown", (401, "unauthorized", "Unauthorized: Invalid API key.")),
        (f"Bearer {KEY.lower()}", (401, "unauthorized", "Unauthorized: Invalid API key.")),
        (f"Bearer {KEY}x", (401, "unauthorized", "Unauthorized: Invalid API key.")),
        (
            "Bearer dub_seedkeyEXPIRED00000000000",
            (401, "unauthorized", "Unauthorized: Access token expired."),
        ),
    ),
)
def test_a_bad_key(api: Api, header: str | None, error: tuple[int, str, str]) -> None:
    reply = with_header(api, header)
    assert reply.error == error
    assert not tells_limit(reply)


def test_spaces_after_a_key_make_no_difference(api: Api) -> None:
    assert with_header(api, f"Bearer {KEY} ").status == 200


def test_a_key_in_the_query_is_not_looked_at(api: Api) -> None:
    assert with_header(api, None, f"token={KEY}").error[2] == "Missing Authorization header."


def test_a_personal_key_needs_the_name_of_a_workspace(api: Api) -> None:
    personal = "Bearer legacyPersonalKey000000"
    for query in (
        "workspaceId=main",
        "projectSlug=main",
        "workspaceId=MAIN",
        "workspaceId=ws_1KDZZZZZZZZZZZZZZZZZZMAIN",
    ):
        assert len(with_header(api, personal, query).ids) == 100, query
    for query in ("workspaceId=nowhere", "workspaceId=ws_nowhere", "projectSlug=%20"):
        reply = with_header(api, personal, query)
        assert reply.error == NO_WORKSPACE
        assert reply.headers["x-ratelimit-limit"] == "60"
    assert with_header(api, "Bearer nope", "workspaceId=main").error[2] == "Unauthorized: Invalid API key."
    assert with_header(api, None, "workspaceId=main").error[2] == "Unauthorized: Login required."


def test_a_workspace_key_knows_its_own(api: Api) -> None:
    header = f"Bearer {KEY}"
    assert len(with_header(api, header, "workspaceId=ws_1KDZZZZZZZZZZZZZZZZZOTHER").ids) == 100  # ignored
    assert with_header(api, header, "workspaceId=other").error == NO_WORKSPACE  # a slug must agree
    assert with_header(api, header, "projectSlug=other").error == NO_WORKSPACE
    assert len(with_header(api, header, "workspaceId=Main").ids) == 100


@pytest.mark.parametrize("key", ("free", "pro"))
def test_plans_below_business_are_403(sandbox: Sandbox, connect: Connect, key: str) -> None:
    api = connect(sandbox, key)
    for method, target in (
        ("GET", "/customers"), ("GET", "/customers?pageSize=0"), ("GET", "/customers/ext_u_5"),
        ("PATCH", "/customers/ext_u_5"), ("DELETE", "/customers/ext_u_5"), ("POST", "/customers"),
    ):  # fmt: skip
        reply = api.send(method, target)
        assert reply.error == PLAN
        assert tells_limit(reply)


@pytest.mark.parametrize(
    "plan", ("business", "business plus", "business extra", "business max", "advanced", "enterprise")
)
def test_plans_from_business_up_may(start_sandbox: StartSandbox, connect: Connect, plan: str) -> None:
    api = connect(start_sandbox(workspace(customer(1), plan=plan)))
    assert len(api.listed().ids) == 1
    assert api.patch(customer(1).id, {"name": "x"}).status == 200


@pytest.mark.parametrize("key", ("viewer", "billing"))
def test_viewers_and_billing_read_but_do_not_write(sandbox: Sandbox, connect: Connect, key: str) -> None:
    api = connect(sandbox, key)
    assert len(api.listed().ids) == 100
    assert api.get("ext_u_5").status == 200
    for method, target in (
        ("PATCH", "/customers/ext_u_5?pageSize=0"), ("DELETE", "/customers/nobody"), ("POST", "/customers"),
    ):  # fmt: skip
        reply = api.send(method, target, raw=b"{")
        assert reply.error == ROLE
        assert tells_limit(reply)


@pytest.mark.parametrize("key", ("owner", "owner2", "owner_readonly", "owner_links", "member", "machine"))
def test_owners_members_and_machines_write_whatever_the_scope(
    sandbox: Sandbox, connect: Connect, key: str
) -> None:
    api = connect(sandbox, key)
    assert api.patch("ext_u_5", {"name": key}).row["name"] == key
    new = api.post({"externalId": "new", "country": "US"}).row["id"]
    assert api.delete(new).status == 200


def test_the_role_is_looked_at_before_the_plan(start_sandbox: StartSandbox, connect: Connect) -> None:
    sandbox = start_sandbox(workspace(plan="free"))
    assert connect(sandbox, "viewer").post({}).error == ROLE
    assert connect(sandbox, "viewer").listed().error == PLAN
    assert connect(sandbox, "owner").post({}).error == PLAN


def test_the_key_of_somebody_who_has_left(sandbox: Sandbox, connect: Connect) -> None:
    reply = connect(sandbox, "nonmember").listed()
    assert reply.error == NO_WORKSPACE
    assert tells_limit(reply)


def test_an_expired_key_stops_when_its_time_comes(
    start_sandbox: StartSandbox, seed: Dataset, connect: Connect
) -> None:
    now = [1_735_689_599.0]  # 2024-12-31T23:59:59, a second before
    api = connect(start_sandbox(seed, clock=lambda: now[0]), "expired")
    assert api.listed(pageSize=1).status == 200
    now[0] += 2
    assert api.listed(pageSize=1).error[2] == "Unauthorized: Access token expired."


def test_a_revoked_key_is_unknown(sandbox: Sandbox, api: Api) -> None:
    assert api.listed(pageSize=1).status == 200
    sandbox.revoke(KEY)
    assert api.listed(pageSize=1).error == (401, "unauthorized", "Unauthorized: Invalid API key.")


@pytest.mark.parametrize(
    "method, target, status",
    (
        ("GET", "/customers?pageSize=0", 422),
        ("GET", "/customers?startingAfter=nope", 422),
        ("GET", "/customers/nope", 404),
        ("DELETE", "/customers/nope", 404),
        ("POST", "/customers", 400),
        ("PATCH", "/customers/nope", 400),
        ("GET", "/customers/count?groupBy=x", 422),
    ),
)
def test_every_error_after_the_key_tells_the_limit(api: Api, method: str, target: str, status: int) -> None:
    reply = api.send(method, target)
    assert reply.status == status
    assert tells_limit(reply)
    assert reply.headers["content-type"] == "application/json"


def test_no_success_tells_the_limit(api: Api) -> None:
    replies = [
        api.listed(), api.listed(externalId="none"), api.get("ext_u_5"), api.send("GET", "/customers/count"),
        api.patch("ext_u_5", {}), api.post({"externalId": "new", "country": "US"}), api.delete("ext_new"),
    ]  # fmt: skip
    assert [reply.status for reply in replies] == [200, 200, 200, 200, 200, 201, 200]
    assert not any(tells_limit(reply) for reply in replies)


@pytest.mark.parametrize(
    "code, link",
    (
        ("not_found", "not-found"),
        ("unprocessable_entity", "unprocessable-entity"),
        ("unauthorized", "unauthorized"),
    ),
)
def test_errors_link_to_their_page(sandbox: Sandbox, api: Api, code: str, link: str) -> None:
    targets = {
        "not_found": "/customers/x",
        "unprocessable_entity": "/customers?page=x",
        "unauthorized": "/customers",
    }
    if code == "unauthorized":
        sandbox.revoke(KEY)
    error = api.send("GET", targets[code]).json["error"]
    assert list(error) == ["code", "message", "doc_url"]
    assert (error["code"], error["doc_url"]) == (code, f"https://dub.co/docs/api-reference/errors#{link}")
