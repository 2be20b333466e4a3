"""What is made of a status: a function of values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dub_source.failures import ExitCode
from dub_source.reverse.model import Plan, Result
from dub_source.reverse.progress import Rejection, StoredPlan
from dub_source.runs.looking import Status
from dub_source.runs.past_runs import PastRun
from dub_source.runs.verdict import judge

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def before(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


GOOD = Status(
    at=NOW,
    rows=1_200,
    ids=1_200,
    living=1_190,
    versions=1_300,
    loaded_at=before(0.1),
    incremental_at=before(0.1),
    swept_at=before(20),
    certified=True,
    last_run=PastRun("incremental", "ok", None, before(0.1), before(0.1)),
)


def stored(
    plan_id: str,
    results: dict[Result, int],
    *,
    sync: str = "names",
    mode: str = "update",
    changes: int = 3,
) -> StoredPlan:
    plan = Plan(plan_id, sync, mode, "customers", before(1), changes, {}, 3, 0, 0, "b", 4)
    return StoredPlan(plan, results)


def test_all_is_well() -> None:
    verdict = judge(GOOD)
    assert verdict.line == "OK: 1,190 customers, loaded 6 min ago, proven complete 20.0 h ago."
    assert (verdict.exit_code, verdict.problems) == (ExitCode.OK, ())


@pytest.mark.parametrize(
    "changed, text, command",
    (
        (
            {"loaded_at": before(26)},
            "the last load that went well began 26.0 h ago, and 25 h are allowed",
            "dub-source load",
        ),
        (
            {"swept_at": before(50)},
            "the last sweep began 50.0 h ago, and 49 h are allowed",
            "dub-source load --mode full",
        ),
        ({"swept_at": None}, "no sweep has read everybody yet", "dub-source load --mode full"),
        (
            {"certified": False, "unread": 3},
            "the last sweep was complete except 3",
            "dub-source load --mode full",
        ),
        ({"certified": False}, "the last sweep was not proven complete", "dub-source load --mode full"),
        ({"ids": 1_198}, "2 rows of customers are there twice", "dub-source load --mode full"),
        (
            {"last_run": PastRun("full", "failed", "Unauthorized", before(2), before(2))},
            "the last run, 2.0 h ago, failed (Unauthorized)",
            "dub-source check",
        ),
        (
            {"last_run": PastRun("full", "failed", "WalkIncomplete", before(2), before(2))},
            "the last run, 2.0 h ago, failed (WalkIncomplete)",
            "dub-source load",
        ),
        (
            {"plans": (stored("plan_a", {Result.APPLIED: 1}),)},
            "plan_a was begun and has not come to its end",
            "dub-source apply plan_a",
        ),
        (
            {
                "plans": (stored("plan_a", {Result.NOT_ATTEMPTED: 3}, mode="erase"),),
                "erasures": {"plan_a": "cus_1"},
            },
            "the erasure plan_a was begun and is not done",
            "dub-source erase --id cus_1 --yes",
        ),
        (
            {
                "plans": (stored("plan_a", {Result.REJECTED: 1}, mode="erase"),),
                "rejections": (Rejection("plan_a", "Bad.", 422, "unprocessable_entity", 1, "cus_2"),),
            },
            "1 change was rejected of plan_a",
            "dub-source erase --id cus_2 --yes",
        ),
        (
            {
                "plans": (stored("plan_a", {Result.REJECTED: 3}),),
                "rejections": (
                    Rejection("plan_a", "Taken.", 409, "conflict", 2, "cus_1"),
                    Rejection("plan_a", "Bad.", 422, "unprocessable_entity", 1, "cus_2"),
                ),
            },
            "3 changes were rejected of plan_a",
            "dub-source apply plan_a --retry-rejected",
        ),
    ),
)
def test_what_somebody_should_look_at(changed: dict[str, Any], text: str, command: str) -> None:
    verdict = judge(replace(GOOD, **changed))
    assert [(each.text, each.command) for each in verdict.problems] == [(text, command)]
    assert verdict.line == f"ATTENTION: {text}."
    assert verdict.exit_code == ExitCode.ATTENTION


def test_the_limits_are_those_that_are_given() -> None:
    there = replace(GOOD, loaded_at=before(3), swept_at=before(60))
    assert judge(there, max_age_h=3, max_sweep_age_h=60).problems == ()
    assert len(judge(there, max_age_h=2.9, max_sweep_age_h=59.9).problems) == 2


def test_several_problems_are_one_line() -> None:
    verdict = judge(replace(GOOD, ids=1_199, certified=False, unread=1))
    assert verdict.line == (
        "ATTENTION: 1 row of a customer is there twice; the last sweep was complete except 1."
    )


def test_plans_that_wait_or_were_followed_by_another_are_no_problem() -> None:
    plans = (
        stored("plan_open", {}),
        stored("plan_left", {Result.APPLIED: 1}),
        stored("plan_done", {Result.APPLIED: 2, Result.DRIFTED: 1}, sync="ids"),
    )
    assert judge(replace(GOOD, plans=plans)).problems == ()


def test_nothing_was_loaded_yet() -> None:
    verdict = judge(Status(at=NOW))
    assert verdict.line == "ATTENTION: nothing has been loaded here yet."
    assert [each.command for each in verdict.problems] == ["dub-source load"]
    failed = Status(at=NOW, last_run=PastRun("full", "failed", "PlanTooLow", before(1), None))
    verdict = judge(failed)
    assert "and the last run failed (PlanTooLow)" in verdict.line
    assert [(each.command, each.of_place) for each in verdict.problems] == [("dub-source check", False)]
