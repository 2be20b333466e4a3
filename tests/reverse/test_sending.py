"""One change and everything that can happen to it: what is sent, and which outcome it comes to."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dub_source.reverse.journal import Journal
from dub_source.reverse.model import Change, Op, Result
from dub_source.sandbox import Sandbox
from dub_source.sandbox.faults import Fault
from tests.conftest import StartSandbox
from tests.reverse.fleet import PLAN, Fleet, after, once_written

LOST = ("after_commit", "not_json", "truncated")
"""Faults after which the change is in effect, and nobody knows."""
NOT_DONE = (
    Fault("reset", "PATCH"),
    Fault("status", "PATCH", status=500),
    Fault("status", "PATCH", status=503),
    Fault("status", "PATCH", status=429, code="rate_limit_exceeded"),
)


@pytest.fixture
def fleet(start_sandbox: StartSandbox, tmp_path: Path) -> Fleet:
    """Five customers with all fields, nobody's name made up."""
    fleet = Fleet(start_sandbox(5, rate_window_s=1.0), tmp_path)
    for number, each in enumerate(fleet.ids):
        fleet.sandbox.change(each, name=f"Name {number}", email=f"c{number}@example.com", avatar=None)
    return fleet


@pytest.fixture
def somebody(fleet: Fleet) -> str:
    return fleet.ids[0]


def fault(sandbox: Sandbox, kind: Any, method: str, **options: Any) -> None:
    sandbox.inject(Fault(kind, method, **options))


def meant_to_send(fleet: Fleet, number: int = 0) -> None:
    """A killed apply had noted that it was about to send this."""
    with Journal(fleet.folder / "journal", PLAN) as journal:
        journal.sending(number)


# Updates


def test_an_update_is_sent_and_its_answer_kept(fleet: Fleet, somebody: str) -> None:
    change = fleet.update(0, somebody, name="New", email=None)
    before = datetime.now(UTC)
    outcome = fleet.one(change)
    assert (outcome.result, outcome.status, outcome.attempts) == (Result.APPLIED, 200, 1)
    assert (outcome.code, outcome.reason, outcome.customer_id) == (None, None, somebody)
    assert outcome.answered == {"name": "New", "email": None}
    assert outcome.requested_at is not None
    assert abs((outcome.requested_at - before).total_seconds()) < 5.0
    assert fleet.shown()[somebody] | {"name": "New", "email": None} == fleet.shown()[somebody]
    assert fleet.log.rows[somebody]["name"] == "New"
    assert fleet.log.rows[somebody] == fleet.sandbox.snapshot()[somebody]
    assert fleet.writes() == [("PATCH", somebody, 200)]


def test_what_is_so_already_is_not_sent(fleet: Fleet, somebody: str) -> None:
    change = fleet.update(0, somebody, name="New")
    fleet.sandbox.change(somebody, name="New")
    outcome = fleet.one(change)
    assert (outcome.result, outcome.attempts) == (Result.ALREADY_APPLIED, 0)
    assert fleet.writes() == []
    assert fleet.log.rows[somebody]["name"] == "New"


@pytest.mark.parametrize("column", ("name", "email", "external_id", "stripe_customer_id"))
def test_what_somebody_else_has_changed_is_left_alone(fleet: Fleet, somebody: str, column: str) -> None:
    value = "new@example.com" if column == "email" else "new"
    change = fleet.update(0, somebody, avatar=None, **{column: value})
    fleet.sandbox.change(somebody, None, **{column: f"{value}.other.org"})
    outcome = fleet.one(change)
    assert outcome.result is Result.DRIFTED
    assert outcome.reason == f"Changed in Dub since the plan: {column}."
    assert outcome.answered[column] == f"{value}.other.org"
    assert fleet.writes() == []


def test_only_planned_fields_count_for_drift(fleet: Fleet, somebody: str) -> None:
    change = fleet.update(0, somebody, name="New")
    fleet.sandbox.change(somebody, email="else@example.com", country="FR", sales=7)
    assert fleet.one(change).result is Result.APPLIED
    assert fleet.shown()[somebody]["email"] == "else@example.com"


def test_who_was_deleted_is_drifted(fleet: Fleet, somebody: str) -> None:
    change = fleet.update(0, somebody, name="New")
    fleet.sandbox.delete(somebody)
    outcome = fleet.one(change)
    assert (outcome.result, outcome.status, outcome.code) == (Result.DRIFTED, 404, "not_found")
    assert outcome.reason == "The customer has been deleted in Dub since the plan."
    assert fleet.writes() == []


def test_who_is_deleted_between_look_and_patch_is_drifted(fleet: Fleet, somebody: str) -> None:
    change = fleet.update(0, somebody, name="New")
    fleet.sandbox.before_request(after(1, lambda: fleet.sandbox.delete(somebody), "PATCH"))
    outcome = fleet.one(change)
    assert (outcome.result, outcome.status, outcome.attempts) == (Result.DRIFTED, 404, 1)


def test_the_ignored_country_is_accepted_not_applied(fleet: Fleet, somebody: str) -> None:
    fleet.sandbox.change(somebody, country="FR")
    outcome = fleet.one(fleet.update(0, somebody, name="New", country="US"))
    assert (outcome.result, outcome.status) == (Result.ACCEPTED_NOT_APPLIED, 200)
    assert outcome.reason == "Dub accepted the change and answered other values: country."
    assert outcome.answered == {"name": "New", "country": "FR"}


def test_a_value_that_dub_refuses_is_rejected(fleet: Fleet, somebody: str) -> None:
    outcome = fleet.one(fleet.update(0, somebody, email="nobody at home"))
    assert (outcome.result, outcome.status, outcome.code) == (Result.REJECTED, 422, "unprocessable_entity")
    assert "email" in (outcome.reason or "")
    assert "nobody at home" not in (outcome.reason or "")


@pytest.mark.parametrize("column", ("external_id", "stripe_customer_id"))
def test_a_taken_value_is_rejected(fleet: Fleet, somebody: str, column: str) -> None:
    other = fleet.ids[1]
    fleet.sandbox.change(other, None, **{column: "taken"})
    outcome = fleet.one(fleet.update(0, somebody, **{column: "taken"}))
    assert (outcome.result, outcome.status, outcome.code) == (Result.REJECTED, 409, "conflict")
    assert outcome.reason == f"Another customer has this {column} already."
    assert fleet.shown()[other][column] == "taken"


def test_an_avatar_from_elsewhere_is_applied_though_it_gets_another_address(
    fleet: Fleet, somebody: str
) -> None:
    outcome = fleet.one(fleet.update(0, somebody, avatar="https://example.com/face.png"))
    assert outcome.result is Result.APPLIED
    assert str(outcome.answered["avatar"]).startswith("https://dubassets.com/")


@pytest.mark.parametrize("kind", LOST)
def test_a_lost_answer_is_looked_up_not_sent_again(fleet: Fleet, somebody: str, kind: str) -> None:
    fault(fleet.sandbox, kind, "PATCH")
    outcome = fleet.one(fleet.update(0, somebody, name="New", avatar="https://example.com/face.png"))
    assert (outcome.result, outcome.attempts) == (Result.APPLIED, 1)
    assert len(fleet.writes()) == 1
    assert fleet.log.rows[somebody]["avatar"] == fleet.shown()[somebody]["avatar"]


@pytest.mark.parametrize("trouble", NOT_DONE, ids=lambda each: f"{each.kind}-{each.status}")
def test_what_had_no_effect_is_sent_again(fleet: Fleet, somebody: str, trouble: Fault) -> None:
    again = Fault(trouble.kind, "PATCH", times=2, status=trouble.status, code=trouble.code)
    fleet.sandbox.inject(again)
    outcome = fleet.one(fleet.update(0, somebody, name="New"))
    # A 429 could not have changed anything; of the others nobody knew.
    assert outcome.attempts == (1 if trouble.status == 429 else 3)
    assert outcome.result is Result.APPLIED
    assert len(fleet.writes()) == 3


def test_a_change_by_somebody_else_after_a_lost_answer_is_not_overwritten(
    fleet: Fleet, somebody: str
) -> None:
    fault(fleet.sandbox, "reset", "PATCH")
    change = fleet.update(0, somebody, name="New")
    fleet.sandbox.before_request(once_written(fleet, lambda: fleet.sandbox.change(somebody, name="Theirs")))
    outcome = fleet.one(change)
    assert outcome.result is Result.DRIFTED
    assert fleet.shown()[somebody]["name"] == "Theirs"
    assert len(fleet.writes()) == 1


def test_trouble_without_end_is_not_attempted_and_says_that_nothing_is_in_effect(
    fleet: Fleet, somebody: str
) -> None:
    fault(fleet.sandbox, "status", "PATCH", status=500, times=100)
    change = fleet.update(0, somebody, name="New")
    outcome = fleet.one(change)
    assert (outcome.result, outcome.status, outcome.attempts) == (Result.NOT_ATTEMPTED, 500, 4)
    assert "as far as Dub shows, the change is not in effect" in (outcome.reason or "")
    fleet.sandbox.clear_faults()
    again = fleet.one(change)
    assert (again.result, again.attempts) == (Result.APPLIED, 5)


def test_when_even_the_look_fails_the_doubt_is_told_and_resolved_by_the_next_apply(
    fleet: Fleet, somebody: str
) -> None:
    change = fleet.update(0, somebody, name="New")
    fault(fleet.sandbox, "after_commit", "PATCH")
    fleet.sandbox.before_request(
        after(1, lambda: fault(fleet.sandbox, "status", "GET", status=503, times=100), "PATCH")
    )
    outcome = fleet.one(change)
    assert (outcome.result, outcome.attempts) == (Result.NOT_ATTEMPTED, 1)
    assert "whether the change is in effect is not known" in (outcome.reason or "")
    assert not fleet.journal.exists(), "all of it is in the log"
    fleet.sandbox.clear_faults()
    fleet.sandbox.before_request(None)
    outcome = fleet.one(change, fresh=True)
    assert (outcome.result, outcome.attempts) == (Result.APPLIED, 1)
    assert len(fleet.writes()) == 1


def test_nobody_there_is_not_attempted_and_nothing_was_sent(fleet: Fleet, somebody: str) -> None:
    change = fleet.update(0, somebody, name="New")
    fault(fleet.sandbox, "reset", "GET", containing="customerIds", times=100)
    fault(fleet.sandbox, "reset", "GET", containing=f"/customers/{somebody}", times=100)
    outcome = fleet.one(change)
    assert (outcome.result, outcome.attempts) == (Result.NOT_ATTEMPTED, 0)
    assert (outcome.reason or "").endswith("nothing was sent.")
    assert fleet.writes() == []


# Names that Dub makes up, and customers that it cannot show


def test_a_made_up_name_is_no_drift(fleet: Fleet, somebody: str) -> None:
    fleet.sandbox.change(somebody, name=None, email=None)
    change = fleet.update(0, somebody, name="New")
    assert change.before == {"name": None}
    assert fleet.one(change).result is Result.APPLIED


def test_a_name_that_somebody_has_set_is_not_taken_for_a_made_up_one(fleet: Fleet, somebody: str) -> None:
    fleet.sandbox.change(somebody, name=None, email=None)
    change = fleet.update(0, somebody, name="New")
    fleet.sandbox.change(somebody, name="Theirs")
    assert fleet.one(change).result is Result.DRIFTED
    assert fleet.shown()[somebody]["name"] == "Theirs"


@pytest.mark.parametrize("email", (None, "c@example.com"))
def test_a_name_is_taken_away_and_that_is_recognised(fleet: Fleet, somebody: str, email: str | None) -> None:
    fleet.sandbox.change(somebody, email=email)
    change = fleet.update(0, somebody, name=None)
    assert fleet.one(change).result is Result.APPLIED
    assert len(fleet.writes()) == 1
    fleet.log.outcomes.clear()
    assert fleet.one(change).result is Result.ALREADY_APPLIED
    assert len(fleet.writes()) == 1


def test_a_customer_that_dub_cannot_show_is_not_written_to(fleet: Fleet, somebody: str) -> None:
    change = fleet.update(0, somebody, name="New")
    fleet.sandbox.change(somebody, external_id=None)
    others = fleet.update(1, fleet.ids[1], name="New")
    fleet.apply([change, others])
    outcome = fleet.log.outcomes[0]
    assert (outcome.result, outcome.status) == (Result.REJECTED, 422)
    assert "give it an external id" in (outcome.reason or "")
    assert fleet.log.outcomes[1].result is Result.APPLIED
    assert fleet.writes(customer_id=somebody) == []


@pytest.mark.parametrize("heals", (False, True))
def test_a_patch_answered_422_for_want_of_an_external_id_is_in_effect(
    fleet: Fleet, somebody: str, heals: bool
) -> None:
    change = fleet.update(0, somebody, name="New")

    def hook(method: str, target: str) -> None:
        if method == "PATCH":
            fleet.sandbox.change(somebody, external_id=None)
        elif heals and fleet.writes():
            fleet.sandbox.change(somebody, external_id="healed")

    fleet.sandbox.before_request(hook)
    outcome = fleet.one(change)
    assert fleet.shown()[somebody]["name"] == "New"
    assert len(fleet.writes()) == 1
    if heals:
        assert (outcome.result, outcome.answered) == (Result.APPLIED, {"name": "New"})
    else:
        assert (outcome.result, outcome.status) == (Result.ACCEPTED_NOT_APPLIED, 422)
        assert "could not show the customer afterwards" in (outcome.reason or "")


# Going on after a kill


@pytest.mark.parametrize("committed", (True, False))
def test_what_a_killed_apply_meant_to_send_is_looked_up(fleet: Fleet, somebody: str, committed: bool) -> None:
    change = fleet.update(0, somebody, name="New")
    meant_to_send(fleet)
    if committed:
        fleet.sandbox.change(somebody, name="New")
    outcome = fleet.one(change)
    assert outcome.result is Result.APPLIED
    assert len(fleet.writes()) == (not committed)
    assert outcome.attempts == (1 if committed else 2)


def test_an_avatar_of_unknown_origin_counts_only_if_we_had_meant_to_send_it(
    fleet: Fleet, somebody: str
) -> None:
    change = fleet.update(0, somebody, avatar="https://example.com/face.png")
    fleet.sandbox.change(somebody, avatar=f"https://dubassets.com/customers/{somebody}/avatar_abcdefg")
    assert fleet.one(change).result is Result.DRIFTED
    fleet.log.outcomes.clear()
    meant_to_send(fleet)
    assert fleet.one(change).result is Result.APPLIED
    assert fleet.writes() == []


def test_an_avatar_that_is_still_the_one_of_before_was_not_changed_by_us(fleet: Fleet, somebody: str) -> None:
    old = f"https://dubassets.com/customers/{somebody}/avatar_abcdefg"
    fleet.sandbox.change(somebody, avatar=old)
    fault(fleet.sandbox, "reset", "PATCH")
    outcome = fleet.one(fleet.update(0, somebody, avatar="https://example.com/face.png"))
    assert (outcome.result, outcome.attempts) == (Result.APPLIED, 2)
    assert fleet.shown()[somebody]["avatar"] not in (None, old)


# Creations


def test_a_customer_is_created_with_one_request(fleet: Fleet) -> None:
    outcome = fleet.one(fleet.create(0, "new-1", name="Ada", email="ada@example.com"))
    assert (outcome.result, outcome.status, outcome.attempts) == (Result.APPLIED, 201, 1)
    assert outcome.customer_id in fleet.ids
    row = fleet.shown()[outcome.customer_id or ""]
    assert (row["external_id"], row["country"], row["name"]) == ("new-1", "DE", "Ada")
    assert fleet.reads() == 0
    assert fleet.log.rows[outcome.customer_id or ""]["externalId"] == "new-1"


def test_who_exists_exactly_as_asked_is_already_applied(fleet: Fleet) -> None:
    row = fleet.sandbox.insert(external_id="new-1", name="Ada", email="a@b.org", country="DE")
    outcome = fleet.one(fleet.create(0, "new-1", name="Ada"))
    assert (outcome.result, outcome.customer_id) == (Result.ALREADY_APPLIED, row.id)
    assert fleet.writes() == [("POST", "customers", 409)]


@pytest.mark.parametrize(
    "theirs",
    ({"name": "Eve"}, {"country": "FR"}, {"external_id": "NEW-1"}),
    ids=lambda each: next(iter(each)),
)
def test_who_exists_otherwise_is_a_conflict(fleet: Fleet, theirs: dict[str, str]) -> None:
    row = fleet.sandbox.insert(**{"external_id": "new-1", "name": "Ada", "country": "DE", **theirs})
    outcome = fleet.one(fleet.create(0, "new-1", name="Ada"))
    assert (outcome.result, outcome.status, outcome.code) == (Result.REJECTED, 409, "conflict")
    assert outcome.customer_id is None, "it is not ours"
    assert f"({', '.join(theirs)})" in (outcome.reason or "")
    assert fleet.shown()[row.id]["external_id"] == row.external_id


def test_a_taken_stripe_id_of_a_new_customer_is_rejected(fleet: Fleet, somebody: str) -> None:
    fleet.sandbox.change(somebody, stripe_customer_id="cus_S")
    outcome = fleet.one(fleet.create(0, "new-1", stripe_customer_id="cus_S"))
    assert (outcome.result, outcome.status) == (Result.REJECTED, 409)
    assert len(fleet.ids) == 5


@pytest.mark.parametrize("kind", LOST)
def test_a_created_customer_whose_answer_was_lost_is_found(fleet: Fleet, kind: str) -> None:
    fault(fleet.sandbox, kind, "POST")
    outcome = fleet.one(fleet.create(0, "new-1", name="Ada", avatar="https://example.com/face.png"))
    assert (outcome.result, outcome.attempts) == (Result.APPLIED, 1)
    assert outcome.customer_id in fleet.ids
    assert len(fleet.writes("POST")) == 1
    assert len(fleet.ids) == 6


def test_a_post_that_came_to_nothing_is_sent_again_after_a_look(fleet: Fleet) -> None:
    fault(fleet.sandbox, "status", "POST", status=502, times=2)
    outcome = fleet.one(fleet.create(0, "new-1"))
    assert (outcome.result, outcome.attempts) == (Result.APPLIED, 3)
    methods = [each.method for each in fleet.sandbox.requests if each.query != "pageSize=0"]
    assert methods == ["POST", "GET", "POST", "GET", "POST"]


def test_a_post_that_commits_after_the_look_is_still_ours(fleet: Fleet) -> None:
    """The look finds nobody, and before the second request arrives the first goes through after all."""
    fault(fleet.sandbox, "reset", "POST")
    fleet.sandbox.before_request(
        after(2, lambda: fleet.sandbox.insert(external_id="new-1", name="Ada", country="DE"), "POST")
    )
    outcome = fleet.one(fleet.create(0, "new-1", name="Ada"))
    assert (outcome.result, outcome.attempts) == (Result.APPLIED, 2)
    assert fleet.writes() == [("POST", "customers", 0), ("POST", "customers", 409)]
    assert len(fleet.ids) == 6


def test_an_external_id_that_is_freed_at_once_is_taken_then(fleet: Fleet, somebody: str) -> None:
    """409, and then nobody has it: so it is sent again."""
    fleet.sandbox.change(somebody, external_id="new-1")
    fleet.sandbox.before_request(
        once_written(fleet, lambda: fleet.sandbox.change(somebody, external_id="x"), "GET")
    )
    outcome = fleet.one(fleet.create(0, "new-1"))
    assert (outcome.result, outcome.attempts) == (Result.APPLIED, 2)


@pytest.mark.parametrize("committed", (True, False))
def test_a_creation_of_a_killed_apply_is_looked_up_first(fleet: Fleet, committed: bool) -> None:
    change = fleet.create(0, "new-1", name="Ada")
    meant_to_send(fleet)
    if committed:
        fleet.sandbox.insert(external_id="new-1", name="Ada", country="DE")
    assert fleet.one(change).result is Result.APPLIED
    assert len(fleet.writes("POST")) == (not committed)
    assert len(fleet.ids) == 6


def test_who_made_it_cannot_be_told(fleet: Fleet) -> None:
    change = fleet.create(0, "new-1", name="Ada")
    meant_to_send(fleet)
    fleet.sandbox.insert(external_id="new-1", name="Eve", country="DE")
    outcome = fleet.one(change)
    assert outcome.result is Result.REJECTED
    assert "cannot be told" in (outcome.reason or "")


# Deletes


def test_a_delete_goes_by_id(fleet: Fleet, somebody: str) -> None:
    outcome = fleet.one(fleet.delete(0, somebody))
    assert (outcome.result, outcome.status, outcome.customer_id) == (Result.APPLIED, 200, somebody)
    assert fleet.writes() == [("DELETE", somebody, 200)]
    assert somebody not in fleet.ids


def test_who_is_gone_needs_no_delete(fleet: Fleet, somebody: str) -> None:
    change = fleet.delete(0, somebody)
    fleet.sandbox.delete(somebody)
    outcome = fleet.one(change)
    assert (outcome.result, outcome.status) == (Result.ALREADY_APPLIED, 404)
    assert fleet.writes() == []


def test_who_is_deleted_between_look_and_delete_is_already_applied(fleet: Fleet, somebody: str) -> None:
    change = fleet.delete(0, somebody)
    fleet.sandbox.before_request(after(1, lambda: fleet.sandbox.delete(somebody), "DELETE"))
    outcome = fleet.one(change)
    assert (outcome.result, outcome.status, outcome.attempts) == (Result.ALREADY_APPLIED, 404, 1)


@pytest.mark.parametrize("kind", LOST)
def test_a_delete_whose_answer_was_lost_was_ours(fleet: Fleet, somebody: str, kind: str) -> None:
    fault(fleet.sandbox, kind, "DELETE")
    outcome = fleet.one(fleet.delete(0, somebody))
    assert (outcome.result, outcome.attempts) == (Result.APPLIED, 1)
    assert len(fleet.writes()) == 1


def test_whoever_took_the_external_id_meanwhile_is_not_deleted(fleet: Fleet, somebody: str) -> None:
    change = fleet.delete(0, somebody)
    external_id = change.external_id
    fault(fleet.sandbox, "after_commit", "DELETE")
    fleet.sandbox.before_request(
        after(2, lambda: somebody in fleet.ids or fleet.sandbox.insert(external_id=external_id), "GET")
    )
    outcome = fleet.one(change)
    assert outcome.result is Result.APPLIED
    assert [what for _, what, _ in fleet.writes("DELETE")] == [somebody]


def test_a_customer_with_another_external_id_than_planned_is_not_deleted(fleet: Fleet, somebody: str) -> None:
    change = fleet.delete(0, somebody)
    fleet.sandbox.change(somebody, external_id="somebody-else")
    outcome = fleet.one(change)
    assert (outcome.result, fleet.writes()) == (Result.DRIFTED, [])
    assert "may be somebody else" in (outcome.reason or "")


@pytest.mark.parametrize("reference", ("ext_user_1", "ext_"))
def test_no_delete_goes_by_external_id(fleet: Fleet, reference: str) -> None:
    fleet.sandbox.change(fleet.ids[0], external_id="user_1")
    outcome = fleet.one(Change(0, Op.DELETE, reference))
    assert outcome.result is not Result.APPLIED
    assert fleet.writes() == []
    assert len(fleet.ids) == 5


# Troubles that concern all


def test_a_status_that_dub_does_not_know_is_a_rejection(fleet: Fleet, somebody: str) -> None:
    fault(fleet.sandbox, "status", "PATCH", status=413, code="payload_too_large")
    outcome = fleet.one(fleet.update(0, somebody, name="New"))
    assert (outcome.result, outcome.status, outcome.code) == (Result.REJECTED, 413, None)


def test_a_refused_key_stops_before_anything_is_sent(fleet: Fleet, somebody: str) -> None:
    change = fleet.update(0, somebody, name="New")
    fleet.sandbox.revoke(fleet.sandbox.key())
    outcome = fleet.one(change)
    assert (outcome.result, outcome.attempts) == (Result.NOT_ATTEMPTED, 0)
    assert outcome.reason == "The apply ended before it was sent: Dub does not know this API key."
    assert fleet.writes() == []


def test_what_dub_refused_for_the_key_was_not_ours(fleet: Fleet, somebody: str) -> None:
    change = fleet.update(0, somebody, avatar="https://example.com/face.png")
    fault(fleet.sandbox, "status", "PATCH", status=401, code="unauthorized")
    outcome = fleet.one(change)
    assert (outcome.result, outcome.attempts) == (Result.NOT_ATTEMPTED, 0)
    # Somebody else's picture is not taken for the one that was asked for.
    fleet.sandbox.change(somebody, avatar=f"https://dubassets.com/customers/{somebody}/avatar_abcdefg")
    assert fleet.one(change).result is Result.DRIFTED
