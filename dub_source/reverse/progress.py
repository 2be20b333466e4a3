"""How far plans are, as the destination has it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from dub_source.reverse.model import Plan, Result

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
