"""What Dub takes and what it makes of it, held against the sandbox and the recordings."""

import json
from pathlib import Path
from typing import Any

import pytest
import requests

from dub_source.reverse import fields
from dub_source.sandbox import Sandbox
from tests.conftest import StartSandbox

REFUSED: dict[str, list[str | None]] = {
    "email": [
        "", " ", "nope", " a@b.co ", "a@b", "é@example.test", "a..b@example.test", ".a@example.test",
        "a.@example.test", "a@example.test\n", "a@-x.test", "a b@c.test", "a@b.c", f"{'a' * 190}@b.co",
        "a@b..co", '"a"@b.co', "a@[127.0.0.1]", "a@b.co,c@d.co",
    ],
    "avatar": [
        "", "nope", "https://?x", "//img.example.test/a.png", "https://a b.test/x", "https://a.test:99999/x",
        "https://a.test:x/", "https:///", "https://%41.test/", "https://[::1/x",
    ],
    "name": ["x" * 192],
    "external_id": [None, "x" * 192],
    "stripe_customer_id": ["x" * 192],
    "country": [None],
}  # fmt: skip
ACCEPTED: dict[str, list[str | None]] = {
    "email": [None, "MiXed@Example.TEST", "a+b@example.test", "o'hara@example.co.uk", "_@b.co", "a-@b-c.co"],
    "avatar": [
        None, "https://img.example.test/a.png", "HTTP://a.test", "https://u:p@a.test:443/x?y#z",
        "https://dubassets.com/customers/x/avatar_y", "https://api.dub.co/og/avatar/abc",
        "data:image/png;base64,iVBORw0KGgo=", "https://[::1]:80/x", "https://bücher.test/ä b.png",
        f"https://a.test/{'x' * 500}",
    ],
    "name": [None, "  padded  ", "🦊 Zoë 李雷", "x" * 191, "🦊" * 191, "two\nlines"],
    "external_id": ["0012", "ext_zzz", "s/l", "ü%+?#", "x" * 191],
    "stripe_customer_id": [None, "not-a-stripe-id"],
    "country": ["US", "Atlantis"],
}  # fmt: skip
UNWANTED = [
    ("name", ""), ("name", " \t"), ("name", "a\x00b"), ("name", "a\x1bb"), ("external_id", ""),
    ("external_id", " "), ("external_id", "a\tb"), ("external_id", "a\x7f"), ("stripe_customer_id", ""),
    ("country", ""), ("avatar", " https://a.test/x"), ("avatar", "c:\\pictures\\me.png"),
    ("avatar", "javascript:alert(1)"), ("name", "half \ud83e"),
]  # fmt: skip


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(3)


def send(sandbox: Sandbox, method: str, path: str, values: dict[str, str | None]) -> requests.Response:
    body = json.dumps(fields.wire_body(values))
    headers = {"Authorization": f"Bearer {sandbox.key()}"}
    return requests.request(method, sandbox.url + path, data=body, headers=headers, timeout=10)


def write(sandbox: Sandbox, values: dict[str, str | None]) -> requests.Response:
    """An update, or a creation where the values hold a country."""
    if "country" in values:
        return send(sandbox, "POST", "/customers", {"external_id": "new", **values})
    return send(sandbox, "PATCH", f"/customers/{next(iter(sandbox.snapshot()))}", values)


@pytest.mark.parametrize("column", fields.PLANNED)
def test_what_dub_refuses_is_refused_before(sandbox: Sandbox, column: str) -> None:
    for value in REFUSED[column]:
        sentence = fields.check_value(column, value)
        assert sentence, value
        assert not value or len(value) < 3 or value not in sentence
        assert write(sandbox, {column: value}).status_code == 422, value


@pytest.mark.parametrize("column", fields.PLANNED)
def test_what_dub_takes_is_sent_and_is_as_asked(sandbox: Sandbox, column: str) -> None:
    for number, value in enumerate(ACCEPTED[column]):
        assert fields.check_value(column, value) is None, value
        key = {"external_id": f"new-{number}"} if column == "country" else {}
        answer = write(sandbox, {**key, column: value})
        assert answer.status_code in (200, 201), value
        row = fields.from_wire(answer.json())
        assert fields.same(column, value, row[column], row=row), value


@pytest.mark.parametrize("column, value", UNWANTED)
def test_what_dub_takes_and_nobody_wants_is_refused(column: str, value: str) -> None:
    assert fields.check_value(column, value)


def test_recorded_answers_agree(recordings: Path) -> None:
    """Every recorded write of known fields: what was refused is refused, and what was taken is as asked."""
    names = {
        wire: column for column, wire in ((c, next(iter(fields.wire_body({c: ""})))) for c in fields.PLANNED)
    }
    seen = 0
    for file in ("f_patch", "h_create"):
        for line in (recordings / "golden" / f"{file}.jsonl").read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            body, answer = entry["request"].get("body"), entry["response"]
            if not isinstance(body, dict) or not all(isinstance(v, str | None) for v in body.values()):
                continue
            asked = {names[name]: value for name, value in body.items() if name in names}
            faults = [c for c, value in asked.items() if fields.check_value(c, value)]
            if answer["status"] in (200, 201):
                row = fields.from_wire(answer["body"])
                ignored = {"country"} if entry["request"]["method"] == "PATCH" else set()
                wrong = {c for c in asked if not fields.same(c, asked[c], row[c], row=row)}
                assert wrong == ignored & asked.keys(), entry["case"]
                # Only what Dub takes and nobody wants.
                assert all(asked[c] == "" for c in faults), entry["case"]
            elif answer["status"] == 422 and "too_small" not in str(answer["body"]):
                missing = (
                    entry["request"]["method"] == "POST" and not {"externalId", "country"} <= body.keys()
                )
                assert faults or missing or "externalId null" in entry["case"], entry["case"]
            seen += len(asked)
    assert seen > 50


def test_a_cleared_name_reads_as_the_email() -> None:
    row = {"id": "cus_1", "email": "a@b.co"}
    for asked in (None, ""):
        assert fields.same("name", asked, "a@b.co", row=row)
        assert not fields.same("name", asked, "Ann", row=row)
        assert fields.same("name", asked, None, row=row)
    assert not fields.same("name", "Ann", "a@b.co", row=row)


def test_a_cleared_name_without_email_is_made_up() -> None:
    answered: dict[str, Any] = {"id": "cus_1", "email": None}
    assert fields.same("name", None, "Used Fuchsia Bee", row=answered)
    # The mirror knows more: a name that was read twice is a name.
    assert fields.same("name", None, None, row=answered | {"name_generated": True})
    assert not fields.same("name", None, "Ann", row=answered | {"name_generated": False})
    assert not fields.same("name", "Ann", "Used Fuchsia Bee", row=answered)


def test_a_foreign_avatar_is_as_asked_once_it_is_stored_and_not_before() -> None:
    row = {"id": "cus_1", "email": None}
    stored = "https://dubassets.com/customers/cus_1/avatar_aGivAzs"
    foreign = "https://img.example.test/a.png"
    assert fields.same("avatar", foreign, stored, row=row)
    assert not fields.stands("avatar", foreign, stored, row=row)
    assert not fields.same("avatar", foreign, None, row=row)
    assert not fields.same("avatar", foreign, stored, row=row | {"id": "cus_2"})
    assert not fields.same("avatar", foreign, "https://elsewhere.test/b.png", row=row)
    # What Dub keeps must be kept.
    assert not fields.same("avatar", "https://dubassets.com/other", stored, row=row)
    assert not fields.same("avatar", None, stored, row=row)
    assert fields.stands("avatar", stored, stored, row=row)


@pytest.mark.parametrize(
    "column, asked, answered",
    (
        ("country", "ZZ", "GB"), ("country", None, "GB"), ("external_id", "A", "a"),
        ("email", "A@b.co", "a@b.co"),
        ("name", "Ann", "Ann "), ("name", "Zoë", "Zoe\u0308"), ("stripe_customer_id", None, ""),
    ),
)  # fmt: skip
def test_all_else_is_equal_or_not(column: str, asked: str | None, answered: str | None) -> None:
    row = {"id": "cus_1", "email": None}
    assert not fields.same(column, asked, answered, row=row)
    assert fields.same(column, asked, asked, row=row)
    assert fields.stands(column, answered, answered, row=row)


def test_every_column_is_writable_or_read_only(sandbox: Sandbox) -> None:
    customer = next(iter(sandbox.snapshot().values()))
    assert {"sales", "sale_amount", "created_at", "link__id", "deleted_at", "row_hash"} <= fields.READ_ONLY
    assert not fields.READ_ONLY & {"id", *fields.PLANNED}
    assert set(fields.wire_body(dict.fromkeys(fields.PLANNED, ""))) <= customer.keys()
