"""How far plans are, as the destination has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import pyarrow as pa

from dub_source.reverse.model import Plan, Result


class PlanState(StrEnum):
    """How far a plan is."""

    OPEN = "open"  # nothing of it has been sent
    EXPIRED = "expired"  # the same, and it is too old to be applied
    BEGUN = "begun"  # an apply was stopped, and the rest waits
    APPLIED = "applied"  # every change has its outcome
    EMPTY = "empty"  # there was nothing to do


REJECTIONS = pa.schema(
    [
        ("plan_id", pa.string()),
        ("reason", pa.string()),
        ("status", pa.int64()),
        ("code", pa.string()),
        ("changes", pa.int64()),
        ("customer_id", pa.string()),
    ]
)
"""The columns of a :class:`Rejection`."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """Changes of a plan that Dub has rejected for one and the same reason.

    Attributes:
        plan_id: of the plan.
        reason: why, in words without personal data; None where the status says all.
        status: HTTP status of the answer.
        code: Dub's error code.
        changes: how many.
        customer_id: one of the customers; None where none is known.
    """

    plan_id: str
    reason: str | None
    status: int | None
    code: str | None
    changes: int
    customer_id: str | None


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """A plan and how far it is.

    Attributes:
        plan: the plan.
        results: how many of its changes ended so.
    """

    plan: Plan
    results: Mapping[Result, int]

    @property
    def finished(self) -> bool:
        """Whether every change has its final outcome."""
        final = sum(count for result, count in self.results.items() if result != Result.NOT_ATTEMPTED)
        return final == self.plan.changes

    def state(self, at: datetime) -> PlanState:
        """How far it is at a moment (UTC)."""
        if not self.plan.changes:
            return PlanState.EMPTY
        if self.finished:
            return PlanState.APPLIED
        old = at - self.plan.created_at > timedelta(hours=self.plan.max_age_h)
        if old and not self.results.keys() - {Result.NOT_ATTEMPTED}:
            return PlanState.EXPIRED
        return PlanState.BEGUN if self.results else PlanState.OPEN
