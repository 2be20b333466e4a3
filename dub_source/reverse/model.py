"""What a plan consists of, as values.

    Plan ── Change (what to do with one customer) ── Outcome (what became of it)

Columns are named as in the table of customers (``external_id``), never as on the wire.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

Values = Mapping[str, str | None]
"""Columns of a customer and their values; all that can be written are texts."""


class Op(StrEnum):
    """What a change does."""

    UPDATE = "update"
    CREATE = "create"
    DELETE = "delete"


KINDS = ((Op.UPDATE, False), (Op.UPDATE, True), (Op.CREATE, False), (Op.DELETE, False))
"""Kinds of changes: what they do, and whether they are the first half of a swap."""


class Result(StrEnum):
    """What became of a change; each ends in exactly one of them.

    ``applied``: Dub answered what was asked. ``already_applied``: it was so before. ``accepted_not_applied``:
    Dub accepted it and answered something else. ``drifted``: somebody has changed it in Dub since the plan:
    it was left alone. ``rejected``: Dub, or a check before it, refused. ``not_attempted``: the apply ended
    before it, and the next one goes on with it.
    """

    APPLIED = "applied"
    ALREADY_APPLIED = "already_applied"
    ACCEPTED_NOT_APPLIED = "accepted_not_applied"
    DRIFTED = "drifted"
    REJECTED = "rejected"
    NOT_ATTEMPTED = "not_attempted"


IN_EFFECT = (Result.APPLIED, Result.ALREADY_APPLIED)
"""How changes have ended that are in effect as was asked for; of a delete, the customer is gone then."""

_NOT_FOUND = 404


def shows_gone(op: Op, result: Result, status: int | None) -> bool:
    """Whether a change has ended in a way that says that its customer does not exist any more."""
    if op is Op.DELETE:
        return result in IN_EFFECT
    return result is Result.DRIFTED and status == _NOT_FOUND


@dataclass(frozen=True, slots=True)
class Change:
    """One step of a plan.

    Attributes:
        number: place in the plan, from 0; with the plan's id its key.
        op: what it does.
        customer_id: whom it concerns; None where it creates one.
        external_id: as far as the plan knows: that of the mirror, or of the customer to create.
        asked: values to be in Dub afterwards; nothing for a delete.
        before: values of the same columns in the mirror; for a delete, all that could be written again.
        observed_at: which observation of the mirror it was planned on; None for a customer to create.
        chain: changes with the same chain go one after the other, by number, because one frees an external id
            or Stripe id that a later one takes; None: in any order. Deletes go when all others are done.
        temporary: the first half of a swap: ``asked`` holds a made-up external id, which the customer has
            until the other half is done.
    """

    number: int
    op: Op
    customer_id: str | None
    # People's values: a change that is printed by accident shows none.
    external_id: str | None = field(default=None, repr=False)
    asked: Values = field(default_factory=dict, repr=False)
    before: Values = field(default_factory=dict, repr=False)
    observed_at: datetime | None = None
    chain: int | None = None
    temporary: bool = False


ERASE = "erase"
"""The ``sync_mode`` of erasures."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What an apply does, all of it, and nothing else.

    Attributes:
        plan_id: ``plan_`` and 24 hexadecimal digits, a digest of all that decides what the plan does.
        sync: name of the sync that it belongs to (who owns the customers that it creates).
        sync_mode: update, upsert, create, delete, mirror; revert or erase.
        table: the table of customers that it was compared with.
        created_at: UTC; when it was made, the last time as long as it is not finished.
        changes: how many.
        counts: changes by ``op``, and for updates by column (``update.email``).
        desired: rows of the desired state.
        unchanged: of these, how many need nothing.
        unmatched: of these, how many name a customer that the mirror does not have.
        baseline: the form of the mirror's rows (see :mod:`dub_source.changes.row_hash`).
        requests: requests that it takes to apply, reading included.
        reverts: the plan that it takes back.
        max_age_h: hours after which it is not begun any more.
    """

    plan_id: str
    sync: str
    sync_mode: str
    table: str
    created_at: datetime
    changes: int
    counts: Mapping[str, int]
    desired: int
    unchanged: int
    unmatched: int
    baseline: str
    requests: int
    reverts: str | None = None
    max_age_h: float = 24.0

    @property
    def erases(self) -> bool:
        """Whether it is an erasure, which is not over when Dub has deleted."""
        return self.sync_mode == ERASE


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change.

    Attributes:
        number: of the change in its plan.
        result: which of the outcomes.
        customer_id: whom it concerned; of a created customer the new id.
        status: HTTP status of the last answer; None without one.
        code: Dub's error code, or None.
        reason: a sentence without personal data; None where the result says all.
        attempts: requests sent for it that could have changed something.
        answered: values of the columns that were asked for, as Dub answered last; nothing after a delete.
        requested_at: start of the request that decided it, on Dub's clock (UTC).
    """

    number: int
    result: Result
    customer_id: str | None = None
    status: int | None = None
    code: str | None = None
    reason: str | None = None
    attempts: int = 0
    answered: Values = field(default_factory=dict, repr=False)
    requested_at: datetime | None = None
