"""What an erasure came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dub_source.destinations import Target
from dub_source.errors import DubError
from dub_source.failures import ExitCode
from dub_source.reverse.model import Result
from dub_source.runs.apply_result import ApplyResult, exit_code
from dub_source.runs.planning import PlanResult


@dataclass(frozen=True, slots=True)
class EraseResult:
    """Who was found, and what became of them. Holds no values, and of people only Dub's ids.

    Attributes:
        target: where.
        plan: the plan of the deletes; None if nobody was found.
        living: persons who are not deleted yet, as far as the warehouse knows.
        deleted_before: persons whom it knows to be deleted.
        formerly: ids of customers who were found only by a value that they had once, and that may be
            somebody else's by now. Without ``include_former`` they are not among the others.
        nobodies: how many of the names are nobody's.
        applies: what the deletes came to: those of earlier erasures that were not done, then these.
        erased: ids of the persons whose values are gone.
        left: ids of those who stay as they were, with the outcome of their delete; None if it waits.
        removed: how many rows of which table held something of those who are erased.
        rewritten: whether the bytes of deleted rows were taken out of the database file.
        waiting: plans of erasures that were begun and are not done; the next one goes on with them.
        notes: what else there is to say.
    """

    target: Target
    plan: PlanResult | None
    living: int
    deleted_before: int
    formerly: tuple[str, ...]
    nobodies: int
    applies: tuple[ApplyResult, ...] = ()
    erased: tuple[str, ...] = ()
    left: Mapping[str, Result | None] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)
    rewritten: bool = False
    waiting: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def stopped_by(self) -> DubError | None:
        """What ended the deletes before all of them were attempted; None if nothing did."""
        return next((each.stopped_by for each in self.applies if each.stopped_by is not None), None)

    @property
    def complete(self) -> bool:
        """Whether nothing is left of anybody who was found."""
        found = self.living + self.deleted_before
        return not (self.left or self.waiting) and (not found or bool(self.applies))

    @property
    def exit_code(self) -> ExitCode:
        """What a process ends with."""
        return exit_code(self.stopped_by, complete=self.complete)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "plan": None if self.plan is None else self.plan.as_json(),
            "living": self.living,
            "deleted_before": self.deleted_before,
            "formerly": list(self.formerly),
            "nobodies": self.nobodies,
            "applies": [each.as_json() for each in self.applies],
            "erased": list(self.erased),
            "left": {each: None if result is None else result.value for each, result in self.left.items()},
            "removed": dict(self.removed),
            "rewritten": self.rewritten,
            "waiting": list(self.waiting),
            "notes": list(self.notes),
            "complete": self.complete,
            "stopped_by": None if self.stopped_by is None else str(self.stopped_by),
            **self.target.as_json(),
        }
