"""What an apply came to."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dub_source import telemetry
from dub_source.destinations import Target
from dub_source.errors import DubError
from dub_source.failures import ExitCode, explain
from dub_source.reverse.apply import ApplyReport
from dub_source.reverse.model import IN_EFFECT, Outcome, Plan, Result


@dataclass(frozen=True, slots=True)
class Trouble:
    """Changes that are not in effect, for one and the same reason.

    Attributes:
        result: how they ended.
        reason: why, in words without personal data; None where the result says all.
        status: HTTP status of the last answer.
        code: Dub's error code.
        changes: how many.
        customer_id: one of the customers; None where none is known.
    """

    result: Result
    reason: str | None
    status: int | None
    code: str | None
    changes: int
    customer_id: str | None


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """Where a plan stands after an apply.

    Attributes:
        plan: the plan.
        counts: its changes by what became of them, in this apply or an earlier one.
        troubles: why some are not in effect.
        report: of this apply.
        seconds: from its beginning to its end.
        target: where it is all stored.
    """

    plan: Plan
    counts: Mapping[Result, int]
    troubles: Sequence[Trouble]
    report: ApplyReport
    seconds: float
    target: Target

    @property
    def stopped_by(self) -> DubError | None:
        """What ended it before all changes were attempted; None if nothing did."""
        return self.report.stopped_by

    @property
    def complete(self) -> bool:
        """Whether everything that the plan lists is in effect."""
        return sum(self.counts.get(each, 0) for each in IN_EFFECT) == self.plan.changes

    @property
    def exit_code(self) -> ExitCode:
        """What a process ends with."""
        return exit_code(self.stopped_by, complete=self.complete)

    def measured(self) -> telemetry.Measured:
        """What spans and counters are told."""
        return telemetry.Measured(
            {"dub_source.plan_id": self.plan.plan_id, "dub_source.requests": self.report.requests},
            counter="dub_source.changes",
            by="dub_source.result",
            numbers={result.value: number for result, number in self.report.counts.items()},
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        stopped_by = self.stopped_by
        return {
            "plan_id": self.plan.plan_id,
            "changes": self.plan.changes,
            "complete": self.complete,
            "counts": {result.value: self.counts.get(result, 0) for result in Result},
            "counts_of_this_apply": {result.value: self.report.counts.get(result, 0) for result in Result},
            "troubles": [
                {
                    "result": each.result.value,
                    "reason": each.reason,
                    "status": each.status,
                    "code": each.code,
                    "changes": each.changes,
                    "customer_id": each.customer_id,
                }
                for each in self.troubles
            ],
            "stopped_by": None if stopped_by is None else str(stopped_by),
            "requests": self.report.requests,
            "seconds": round(self.seconds, 3),
            **self.target.as_json(),
        }


def exit_code(stopped_by: DubError | None, *, complete: bool) -> ExitCode:
    """What ended the changes early decides; else whether everything is in effect."""
    if stopped_by is not None:
        return explain(stopped_by).exit_code
    return ExitCode.OK if complete else ExitCode.NOT_ALL


def troubles(outcomes: Iterable[Outcome]) -> list[Trouble]:
    """Why changes are not in effect, the most frequent reasons first."""
    found: dict[tuple[Any, ...], Trouble] = {}
    for each in outcomes:
        if each.result in IN_EFFECT:
            continue
        key = (each.result, each.reason, each.status, each.code)
        first = found.setdefault(key, Trouble(*key, changes=0, customer_id=each.customer_id))
        found[key] = replace(first, changes=first.changes + 1)
    return sorted(found.values(), key=lambda each: -each.changes)
