"""P1, P2, P3 and P5: the warehouse, however it came to be, is what the sandbox is."""

from collections.abc import Iterator

from tests.chaos.workspace import Workspace
from tests.promises.lives import Row
from tests.promises.warehouse import Contents, check_history, fields

_CLOCKS_S = 3.0
"""By so much a moment on Dub's clock may be wrong: it is known to a second, runs may be two apart."""
_WAY_S = 6.0
"""So long a request may have been on its way."""
_SHOWN = 3
"""Examples of a violation."""


def as_in_dub(stored: Contents, workspace: Workspace) -> Iterator[tuple[str, str]]:
    """What differs from the sandbox after a certified sweep over a quiet workspace: promise and words."""
    there = workspace.alive
    missing = sorted(there.keys() - stored.customers.keys())
    if missing:
        yield "P1", f"{len(missing)} customers are missing: {missing[:_SHOWN]}"
    wrongly = sorted(there.keys() & (stored.customers.keys() - stored.living.keys()))
    if wrongly:
        yield "P2", f"{len(wrongly)} are alive and marked as deleted: {wrongly[:_SHOWN]}"
    unmarked = sorted(stored.living.keys() - there.keys())
    if unmarked:
        yield "P2", f"{len(unmarked)} are gone and not marked as deleted: {unmarked[:_SHOWN]}"
    different = [
        (customer_id, _difference(fields(stored.living[customer_id]), there[customer_id].now))
        for customer_id in sorted(there.keys() & stored.living.keys())
        if fields(stored.living[customer_id]) != there[customer_id].now
    ]
    if different:
        yield "P1", f"{len(different)} have other values: {different[:_SHOWN]}"


def _difference(row: Row, real: Row) -> dict[str, tuple[object, object]]:
    """By column what is stored and what is real."""
    return {
        name: (row.get(name), real.get(name))
        for name in sorted(row.keys() | real.keys())
        if row.get(name) != real.get(name)
    }


def no_false_deletes(stored: Contents, workspace: Workspace) -> Iterator[tuple[str, str]]:
    """Of those who are marked as deleted, who was there before, at and after that moment. At any time."""
    for customer_id, row in sorted(stored.customers.items()):
        if row["deleted_at"] is not None:
            at = row["deleted_at"].timestamp()
            if workspace.lives_through(customer_id, at - _CLOCKS_S, at + _CLOCKS_S + _WAY_S):
                yield "P2", f"{customer_id} was there when it was marked as deleted, at {row['deleted_at']}"


def sound_history(stored: Contents) -> Iterator[tuple[str, str]]:
    """What is wrong with the history by itself and in comparison with the rows."""
    try:
        check_history(stored)
    except AssertionError as error:
        yield "P5", f"the history: {str(error)[:600] or 'its customers are not those of the table'}"


def nothing_new(before: Contents, after: Contents, counts: tuple[int, int, int]) -> Iterator[tuple[str, str]]:
    """What a sweep over an unchanged workspace has written."""
    if counts != (0, 0, 0):
        yield "P3", f"a sweep over an unchanged workspace created, updated, deleted {counts}"
    if after.customers != before.customers or after.history != before.history:
        yield "P3", "a sweep over an unchanged workspace has changed rows"
