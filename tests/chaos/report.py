"""What was done, and what was broken: as values, and in lines."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that did not hold.

    Attributes:
        promise: P1, P2, ..., or "exit": a process ended as none may.
        where: the quiet point or the process.
        what: in words; may name customers by id, and values that the chaos made up.
    """

    promise: str
    where: str
    what: str


@dataclass(slots=True)
class Report:
    """Counts of everything, and the violations.

    Attributes:
        seed: of the run.
        episodes: begun.
        seconds: from the start to the end.
        faults: requests by what the proxy did to them.
        troubles: processes by what happened to them.
        changes: what happened in the workspace, by kind.
        runs: processes by command and exit code.
        kills: kill -9 by where the process was.
        outcomes: changes of plans by what became of them.
        checks: how often a promise was looked at, by promise.
        violations: what did not hold.
        notes: what could not be done here, and why.
    """

    seed: int
    episodes: int = 0
    seconds: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    troubles: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "seed": self.seed,
            "episodes": self.episodes,
            "seconds": round(self.seconds, 1),
            **{name: dict(sorted(getattr(self, name).items())) for name in _COUNTS},
            "violations": [
                {"promise": each.promise, "where": each.where, "what": each.what} for each in self.violations
            ],
            "notes": self.notes,
        }

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"Seed {self.seed}: {self.episodes} episodes in {self.seconds:,.0f} s."]
        for name, title in _COUNTS.items():
            counts: Counter[str] = getattr(self, name)
            lines.append(f"{title}: {sum(counts.values()):,}")
            lines += [f"  {number:7,}  {kind}" for kind, number in sorted(counts.items())]
        lines += [f"Note: {note}" for note in self.notes]
        lines.append(f"Violations: {len(self.violations)}")
        lines += [f"  {each.promise} at {each.where}: {each.what}" for each in self.violations]
        return lines


_COUNTS = {
    "faults": "Requests, by what the proxy did to them",
    "troubles": "Troubles of processes",
    "kills": "Killed with kill -9, by where they were",
    "changes": "Changes in the workspace",
    "runs": "Processes, by command and exit code",
    "outcomes": "Planned changes, by what became of them",
    "checks": "Checks of promises",
}
