"""How a customer, as it is now, stands to a change that was planned some time ago: functions of values."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from dub_source.reverse.fields import same, stands
from dub_source.reverse.model import Change


class Standing(Enum):
    """Of all planned fields together."""

    AS_ASKED = "every planned field has the value that is asked for"
    AS_PLANNED = "none has a value that the plan does not know, and something is left to do"
    OTHERWISE = "somebody has changed a planned field since the plan"


@dataclass(frozen=True, slots=True)
class Step:
    """A change, and what else is known about it when it is its turn.

    Attributes:
        change: the change.
        sent: an earlier request of ours, whose answer is not known, may have made it.
        attempts: requests of earlier applies that could have changed something.
        temporaries: the temporary halves of swaps that come before it and concern the same customer.
        other_half: of a temporary half, the change that ends the swap.
    """

    change: Change
    sent: bool = False
    attempts: int = 0
    temporaries: tuple[Change, ...] = ()
    other_half: Change | None = None


def standing(step: Step, row: Mapping[str, Any], *, sent: bool) -> tuple[Standing, tuple[str, ...]]:
    """How things stand, and the columns with a value that the plan does not know.

    Only planned fields are looked at. A name that Dub makes up is another one in every reading: ``row`` says
    by ``name_generated`` whether it is.

    Args:
        step: an update.
        row: the customer as Dub shows it now, by columns.
        sent: whether a request of ours may have come through. Only then is an avatar of Dub's own the foreign
            one that was asked for: nobody could tell it from any other picture.
    """
    change = step.change
    open_columns = {column for column in change.asked if not _has(step, column, row, sent=sent)}
    if not open_columns:
        return Standing.AS_ASKED, ()
    columns = [column for column in change.asked if column in open_columns and not _had(step, column, row)]
    if step.other_half is not None:
        # A swap that could not be ended must not begin.
        rest = Step(step.other_half, temporaries=(change,))
        columns += [
            column
            for column in rest.change.asked
            if not (column in change.asked or _has(rest, column, row, sent=sent) or _had(rest, column, row))
        ]
    return (Standing.OTHERWISE if columns else Standing.AS_PLANNED), tuple(columns)


def not_as_asked(change: Change, row: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns in which Dub's answer to a write differs from what was asked."""
    return tuple(
        column
        for column, wanted in change.asked.items()
        if not same(column, wanted, row.get(column), row=row)
    )


def other_than_asked(change: Change, row: Mapping[str, Any], *, sent: bool) -> tuple[str, ...]:
    """The columns in which an existing customer differs from one that is to be created."""
    is_so = same if sent else stands
    return tuple(
        column
        for column, wanted in change.asked.items()
        if not is_so(column, wanted, row.get(column), row=row)
    )


def holds_temporary(temporaries: tuple[Change, ...], row: Mapping[str, Any]) -> Change | None:
    """The half of a swap whose made-up value the customer has now."""
    for half in reversed(temporaries):
        if half.asked and all(row.get(column) == value for column, value in half.asked.items()):
            return half
    return None


def _has(step: Step, column: str, row: Mapping[str, Any], *, sent: bool) -> bool:
    """Whether a column is as asked."""
    wanted, current = step.change.asked[column], row.get(column)
    if stands(column, wanted, current, row=row):
        return True
    if step.other_half is not None and current == step.other_half.asked.get(column, wanted):
        return True  # The swap is over: its temporary half has nothing to do any more.
    # An avatar that is still the one of before was not made from the one that is asked for.
    return sent and current != step.change.before.get(column) and same(column, wanted, current, row=row)


def _had(step: Step, column: str, row: Mapping[str, Any]) -> bool:
    """Whether a column is as it was when this was planned, or as a swap has left it."""
    current = row.get(column)
    halves = [half for half in step.temporaries if column in half.asked]
    if any(current in (half.asked[column], half.before.get(column)) for half in halves):
        return True
    if column not in step.change.before:
        return True  # The mirror does not have this column: nothing is known that could have changed.
    return stands(column, step.change.before[column], current, row=row)
