"""Full or incremental: decided from values alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dub_source.errors import SettingsError
from dub_source.incremental import Frontier
from dub_source.schedule import checked_mode, decide
from dub_source.state import State

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY_H = 24.0
SETTLED = State(
    run="r1",
    baseline="form",
    frontier=Frontier.from_state({}),
    swept_at=NOW - 2 * HOUR,
    sweep_tried_at=NOW - 2 * HOUR,
)


def kind(mode: str, state: State, *, baseline: str = "form", sweep_every_h: float = DAY_H) -> str:
    return decide(checked_mode(mode), state, baseline=baseline, sweep_every_h=sweep_every_h, now=NOW).kind


@pytest.mark.parametrize("mode", ("auto", "incremental", "full"))
def test_the_first_run_is_a_sweep_in_every_mode(mode: str) -> None:
    assert kind(mode, State()) == "full"


@pytest.mark.parametrize("mode", ("auto", "incremental", "full"))
def test_rows_in_another_form_need_a_sweep_in_every_mode(mode: str) -> None:
    assert kind(mode, SETTLED, baseline="another") == "full"


def test_modes_mean_what_they_say() -> None:
    assert kind("full", SETTLED) == "full"
    assert kind("incremental", SETTLED) == "incremental"
    assert kind("incremental", replace(SETTLED, sweep_tried_at=NOW - 100 * 24 * HOUR)) == "incremental"


@pytest.mark.parametrize("age, expected", ((23.9, "incremental"), (24.0, "full"), (500, "full")))
def test_auto_sweeps_when_the_last_attempt_is_old_enough(age: float, expected: str) -> None:
    assert kind("auto", replace(SETTLED, sweep_tried_at=NOW - age * HOUR)) == expected


def test_an_uncertified_sweep_is_not_repeated_in_every_run() -> None:
    unread = replace(SETTLED, swept_at=None, sweep_tried_at=NOW - HOUR, unread=3)
    assert kind("auto", unread) == "incremental"
    assert kind("auto", replace(unread, sweep_tried_at=NOW - 25 * HOUR)) == "full"


@pytest.mark.parametrize(
    "failures, age, expected",
    (
        (1, 0.9, "incremental"),
        (1, 1.0, "full"),
        (2, 1.9, "incremental"),
        (2, 2.0, "full"),
        (5, 15.9, "incremental"),
        (5, 16.0, "full"),
        (50, 23.9, "incremental"),
        (50, 24.0, "full"),
        (5_000, 24.0, "full"),
    ),
)
def test_a_failed_sweep_is_tried_again_after_longer_and_longer_pauses(
    failures: int, age: float, expected: str
) -> None:
    state = replace(SETTLED, sweep_tried_at=NOW - age * HOUR, sweep_failures=failures)
    assert kind("auto", state) == expected


def test_after_a_run_that_may_have_missed_somebody_a_sweep_comes_soon_but_not_at_once() -> None:
    doubtful = replace(SETTLED, doubt=True)
    assert kind("auto", replace(doubtful, sweep_tried_at=NOW - 0.9 * HOUR)) == "incremental"
    assert kind("auto", replace(doubtful, sweep_tried_at=NOW - 1.0 * HOUR)) == "full"


def test_a_clock_that_was_wrong_does_not_put_the_sweep_off_for_years() -> None:
    assert kind("auto", replace(SETTLED, sweep_tried_at=NOW + 400 * 24 * HOUR)) == "full"
    assert kind("auto", replace(SETTLED, sweep_tried_at=NOW + HOUR / 2)) == "incremental"


def test_sweep_every_zero_sweeps_in_every_run() -> None:
    assert kind("auto", replace(SETTLED, sweep_tried_at=NOW), sweep_every_h=0) == "full"


@pytest.mark.parametrize("mode", ("", "FULL", "append", None, 1))
def test_other_modes_are_refused(mode: object) -> None:
    with pytest.raises(SettingsError, match="auto, incremental, full"):
        checked_mode(mode)


def test_the_reason_is_said() -> None:
    state = replace(SETTLED, sweep_tried_at=NOW - HOUR)
    decision = decide("auto", state, baseline="form", sweep_every_h=DAY_H, now=NOW)
    assert decision.reason == "the next sweep is due at 2026-11-23 11:00 UTC"
