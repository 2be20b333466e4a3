"""What one run leaves for the next: stored, read, of other versions."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dub_source.errors import SettingsError
from dub_source.incremental import Frontier
from dub_source.state import VERSION, State

NOW = datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC)
STATE = State(
    run="run-1",
    baseline="0123abcd",
    frontier=Frontier.from_state({}),
    swept_at=NOW,
    sweep_tried_at=NOW + timedelta(days=1),
    sweep_failures=2,
    doubt=True,
    unread=3,
    hinted_until=NOW + timedelta(days=2),
    hashed=("email", "partner"),
    refreshed="cus_1KAV9Z2K4T8Q0V7Y3N5M6P8R1",
)


def stored(state: State) -> dict[str, Any]:
    target: dict[str, Any] = {"something": "old"}
    state.write(target)
    return target


@pytest.mark.parametrize("state", (STATE, State()))
def test_it_survives_being_stored_as_json(state: State) -> None:
    assert State.read(json.loads(json.dumps(stored(state)))) == state


def test_what_was_stored_before_is_gone() -> None:
    assert "something" not in stored(STATE)


def test_no_state_is_that_of_the_first_run() -> None:
    assert State.read({}) == State()


@pytest.mark.parametrize("version", (VERSION + 1, 99, "2", None))
def test_the_state_of_a_newer_version_is_refused_with_a_sentence(version: object) -> None:
    with pytest.raises(SettingsError, match=r"newer version of dub-source .* update dub-source"):
        State.read(stored(STATE) | {"version": version})


def test_failed_sweeps_are_counted() -> None:
    later = NOW + timedelta(hours=5)
    once = STATE.after_failed_sweep(later)
    assert (once.sweep_tried_at, once.sweep_failures, once.swept_at) == (later, 3, NOW)
