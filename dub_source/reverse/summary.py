"""A plan as a person wants to see it before saying yes, and the same for programs.

Values are hidden unless somebody asks for them: what a plan prints ends up in the logs of whatever ran it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dub_source.reverse.model import KINDS, Change, Op, Plan, Values
from dub_source.reverse.remarks import Remarks, final, first_ids, warnings

SAMPLES = 3
"""Changes of each kind that are shown."""

_HIDDEN = "***"
_NOT_KEPT = (
    "An earlier version made this plan, and has not kept which guards it passed and what it costs in time."
)
_PUBLIC = frozenset({"country"})


@dataclass(frozen=True, slots=True)
class Summary:
    """What a plan does.

    Attributes:
        plan: the plan.
        samples: the first changes of each kind.
        warnings: sentences.
        remarks: what else there is to say.
        show_values: whether people's values are shown.
    """

    plan: Plan
    samples: tuple[Change, ...] = field(repr=False)
    warnings: tuple[str, ...]
    remarks: Remarks
    show_values: bool

    @property
    def seconds(self) -> float | None:
        """How long an apply takes, about; None if the key's limit is not known."""
        rate = self.remarks.requests_per_s
        return None if rate is None else self.plan.requests / rate

    def lines(self) -> list[str]:
        """For people."""
        plan = self.plan
        lines = [f"{plan.plan_id}: {plan.sync} ({plan.sync_mode}), compared with {plan.table}"]
        lines += [f"  {name:<9} {text}" for name, text in self.facts()]
        for title, texts in (
            ("Guards passed:", self.remarks.passed),
            ("Left out:", self.remarks.notes),
            ("Cannot be undone:", self.remarks.final),
            ("Mind:", self.warnings),
            (f"The first changes{'' if self.show_values else ' (values hidden)'}:", self._shown()),
        ):
            if texts:
                lines += [title, *(f"  {each}" for each in texts)]
        return lines

    def as_dict(self) -> dict[str, Any]:
        """For programs: what JSON knows, moments in ISO 8601."""
        plan = self.plan
        return {
            "plan_id": plan.plan_id,
            "sync": plan.sync,
            "sync_mode": plan.sync_mode,
            "table": plan.table,
            "created_at": plan.created_at.isoformat(),
            "reverts": plan.reverts,
            "desired": plan.desired,
            "unchanged": plan.unchanged,
            "unmatched": plan.unmatched,
            "changes": plan.changes,
            "counts": dict(plan.counts),
            "requests": plan.requests,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "guards_passed": list(self.remarks.passed),
            "ignored_columns": list(self.remarks.ignored),
            "notes": list(self.remarks.notes),
            "cannot_be_undone": list(self.remarks.final),
            "warnings": list(self.warnings),
            "values_shown": self.show_values,
            "samples": [
                {
                    "number": each.number,
                    "op": each.op.value,
                    "customer_id": each.customer_id,
                    "temporary": each.temporary,
                    "asked": self.values(each, each.asked),
                    "before": self.values(each, each.before),
                }
                for each in self.samples
            ],
        }

    def facts(self) -> list[tuple[str, str]]:
        """Its numbers, each with its name."""
        plan = self.plan
        facts = []
        if plan.reverts is not None:
            facts.append(("reverts", plan.reverts))
        if plan.desired:
            facts.append(
                (
                    "desired",
                    f"{plan.desired:,} rows; {plan.unchanged:,} need nothing, {plan.unmatched:,} name nobody "
                    "in the mirror",
                )
            )
        facts += [(op.value, self._count(op)) for op in Op]
        facts.append(("requests", f"{plan.requests:,}{self._duration()}"))
        if self.remarks.ignored:
            facts.append(("ignored", f"the columns {', '.join(self.remarks.ignored)}"))
        return facts

    def _count(self, op: Op) -> str:
        counts = self.plan.counts
        columns = [
            f"{name.removeprefix('update.')} {number:,}"
            for name, number in counts.items()
            if op is Op.UPDATE and name.startswith("update.")
        ]
        return f"{counts.get(op.value, 0):,}" + (f" ({', '.join(columns)})" if columns else "")

    def _duration(self) -> str:
        if self.seconds is None or not self.plan.requests:
            return ""
        return f", about {spoken(self.seconds)} at {self.remarks.requests_per_s:,.3g} a second"

    def _shown(self) -> list[str]:
        return [
            f"{each.op} {each.customer_id or 'a new customer'}{self._detail(each)}" for each in self.samples
        ]

    def _detail(self, change: Change) -> str:
        asked, before = self.values(change, change.asked), self.values(change, change.before)
        if change.op is Op.UPDATE:
            parts = [f"{column} {_text(before.get(column))} -> {_text(asked[column])}" for column in asked]
        else:
            values = asked if change.op is Op.CREATE else before
            parts = [f"{column} {_text(value)}" for column, value in values.items() if value is not None]
        half = " (first half of a swap)" if change.temporary else ""
        return f"{half}: {', '.join(parts)}" if parts else half

    def values(self, change: Change, values: Values) -> dict[str, str | None]:
        """Values of a change as they are shown: hidden, unless they are to be shown."""
        return {
            column: value if value is None or self.show_values or column in _PUBLIC else _HIDDEN
            for column, value in values.items()
        }


def summarize(
    plan: Plan,
    changes: Sequence[Change],
    *,
    requests_per_s: float | None = None,
    passed: Sequence[str] = (),
    ignored: Sequence[str] = (),
    notes: Sequence[str] = (),
    show_values: bool = False,
) -> Summary:
    """Put together what there is to say about a plan.

    Args:
        plan: the plan.
        changes: all of it.
        requests_per_s: that an apply may send; None if the key's limit is not known.
        passed: guards that it passed, in words.
        ignored: columns of the desired state that are left out.
        notes: what else there is to say.
        show_values: whether to show people's values.
    """
    return summary_of(
        plan,
        [each for some in _first_of_each_kind(changes) for each in some],
        Remarks(
            tuple(passed),
            tuple(ignored),
            tuple(notes),
            tuple(final(plan.counts, first_ids(changes))),
            requests_per_s,
        ),
        show_values=show_values,
    )


def summary_of(
    plan: Plan, samples: Sequence[Change], remarks: Remarks | None, *, show_values: bool = False
) -> Summary:
    """The same of a plan that is stored.

    Args:
        plan: the plan.
        samples: the first changes of each kind.
        remarks: that were made when it was planned; None of a plan that an earlier version made.
        show_values: whether to show people's values.
    """
    if remarks is None:
        remarks = Remarks(notes=(_NOT_KEPT,), final=tuple(final(plan.counts)))
    return Summary(plan, tuple(samples), tuple(warnings(plan.counts)), remarks, show_values)


def _first_of_each_kind(changes: Sequence[Change]) -> Iterator[list[Change]]:
    for kind in KINDS:
        matching = (each for each in changes if (each.op, each.temporary) == kind)
        yield [each for each, _ in zip(matching, range(SAMPLES), strict=False)]


def _text(value: str | None) -> str:
    if value is None:
        return "null"
    return value if value == _HIDDEN else repr(value)


def spoken(duration: float) -> str:
    """Seconds in words: ``12 s``, ``5 min``, ``3.2 h``."""
    if duration < 60:
        return f"{max(duration, 1):.0f} s"
    if duration < 3600:
        return f"{duration / 60:.0f} min"
    return f"{duration / 3600:.1f} h"
