"""What happens in an episode: a function of the seed and nothing else, the same whenever it is asked."""

import random
from dataclasses import dataclass, field
from enum import StrEnum

from tests.chaos.weather import CALM, Weather


class Kind(StrEnum):
    """What happens to a process, besides the weather."""

    KILLED_AT_REQUEST = "kill -9 at a request"
    KILLED_AT_ANSWER = "kill -9 before an answer arrives"
    KILLED_AT_WRITE = "kill -9 at a write"
    KILLED_IN_STEP = "kill -9 in a step of the load"
    KILLED_LATER = "kill -9 some time after the start"
    DISK_FULL = "disk full"
    FILE_LIMIT = "files may not grow"
    LOCKED_BEFORE = "database locked before the start"
    LOCKED_MEANWHILE = "database locked meanwhile"
    GONE_BEFORE = "destination gone before the start"
    GONE_MEANWHILE = "destination goes away meanwhile"
    CLOCK = "clock jumps"
    KEY_ROTATED = "key revoked meanwhile"
    SECOND_RUN = "second run at once"
    TERMINATED = "SIGTERM"
    OUT_OF_TIME = "--max-seconds"


class Step(StrEnum):
    """A step of a load: a part of the path of a file that is there then, and not before."""

    SPOOL = "/spool/rows-"
    EXTRACT = "/new_jobs/customers"
    NORMALIZE = "/normalize/extracted/"
    LOAD = "/load/normalized/"
    BETWEEN_TABLES = "/completed_jobs/customers_history"
    MERGE = "/started_jobs/customers."


@dataclass(frozen=True, slots=True)
class Trouble:
    """What happens to one process.

    Attributes:
        kind: what.
        request: at which of its requests, from 1.
        write: at which of its writes, from 1.
        step: in which step of the load.
        seconds: how long after that, or after the start; how far a clock is off.
        jump_after_s: when a clock jumps.
        kilobytes: what is left of a disk, or how large a file may be.
        other: what the second run does: load or apply.
        elsewhere: whether the second run is on another machine.
    """

    kind: Kind
    request: int = 1
    write: int = 1
    step: Step = Step.LOAD
    seconds: float = 0.0
    jump_after_s: float = 0.0
    kilobytes: int = 0
    other: str = "load"
    elsewhere: bool = False

    def __str__(self) -> str:
        names = _WHAT_COUNTS.get(self.kind, ())
        facts = ", ".join(f"{name} {getattr(self, name)}" for name in names)
        return f"{self.kind.value} ({facts})" if facts else self.kind.value


_WHAT_COUNTS: dict[Kind, tuple[str, ...]] = {
    Kind.KILLED_AT_REQUEST: ("request",),
    Kind.KILLED_AT_ANSWER: ("request", "write"),
    Kind.KILLED_AT_WRITE: ("write",),
    Kind.KILLED_IN_STEP: ("step", "seconds"),
    Kind.KILLED_LATER: ("seconds",),
    Kind.DISK_FULL: ("request", "kilobytes"),
    Kind.FILE_LIMIT: ("kilobytes",),
    Kind.LOCKED_MEANWHILE: ("request",),
    Kind.GONE_MEANWHILE: ("request",),
    Kind.CLOCK: ("seconds", "jump_after_s"),
    Kind.KEY_ROTATED: ("request",),
    Kind.SECOND_RUN: ("request", "other", "elsewhere"),
    Kind.TERMINATED: ("seconds",),
    Kind.OUT_OF_TIME: ("seconds",),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """A process, and what goes on around it.

    Attributes:
        name: of the process; unique in the run.
        command: load, or push: a plan, if none is open, and an apply.
        mode: of a load.
        machine: home or away: which folder of working files.
        disk_lost: the working files of that machine are deleted before.
        weather: between program and sandbox.
        changes: seed of what happens in the workspace meanwhile.
        change_share: how likely something happens before a request.
        trouble: what happens to the process.
        debug: whether details are asked for (DUB_SOURCE_DEBUG).
        log_json: whether it logs as JSON.
    """

    name: str
    command: str
    mode: str
    machine: str
    disk_lost: bool
    weather: Weather
    changes: str
    change_share: float
    trouble: Trouble | None
    debug: bool
    log_json: bool

    def __str__(self) -> str:
        what = self.command if self.command == "push" else f"load {self.mode}"
        weather = f"weather {self.weather.share:.2f}"
        if self.weather.outage_from is not None:
            weather += f", outage {self.weather.outage_from}+{self.weather.outage_requests}"
        lost = ", files lost before" if self.disk_lost else ""
        return f"{self.name}: {what} at {self.machine}{lost}; {weather}; {self.trouble or 'no trouble'}"


@dataclass(frozen=True, slots=True)
class Round:
    """From one quiet point to the next.

    Attributes:
        name: of the round; unique in the run.
        changes: how many things happen in the workspace before.
        operations: one after the other.
        wish: seed of what people want.
    """

    name: str
    changes: int
    wish: str
    operations: tuple[Operation, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """An episode.

    Attributes:
        name: of the episode.
        seed: of all that chance decides in it besides.
        customers: at the beginning.
        unreadable: of these, how many have no external id.
        rounds: one after the other.
    """

    name: str
    seed: str
    customers: int
    unreadable: int
    rounds: tuple[Round, ...] = field(repr=False)


_LOAD_TROUBLES: dict[Kind, int] = {
    Kind.KILLED_AT_REQUEST: 3,
    Kind.KILLED_AT_ANSWER: 1,
    Kind.KILLED_IN_STEP: 8,
    Kind.KILLED_LATER: 2,
    Kind.DISK_FULL: 3,
    Kind.FILE_LIMIT: 1,
    Kind.LOCKED_BEFORE: 1,
    Kind.LOCKED_MEANWHILE: 1,
    Kind.GONE_BEFORE: 1,
    Kind.GONE_MEANWHILE: 2,
    Kind.CLOCK: 3,
    Kind.KEY_ROTATED: 1,
    Kind.SECOND_RUN: 3,
    Kind.TERMINATED: 1,
    Kind.OUT_OF_TIME: 1,
}
_PUSH_TROUBLES: dict[Kind, int] = {
    Kind.KILLED_AT_REQUEST: 2,
    Kind.KILLED_AT_WRITE: 6,
    Kind.KILLED_AT_ANSWER: 4,
    Kind.KILLED_LATER: 3,
    Kind.DISK_FULL: 2,
    Kind.FILE_LIMIT: 1,
    Kind.LOCKED_MEANWHILE: 1,
    Kind.GONE_MEANWHILE: 2,
    Kind.CLOCK: 2,
    Kind.KEY_ROTATED: 2,
    Kind.SECOND_RUN: 2,
    Kind.TERMINATED: 1,
    Kind.OUT_OF_TIME: 1,
}


def script_of(seed: int, episode: int, *, rounds: int = 5) -> Script:
    """The episode of this number, from 0."""
    name = f"e{episode}"
    base = f"{seed}/{name}"
    source = random.Random(base)
    return Script(
        name=name,
        seed=base,
        customers=source.choice((60, 250, 250, 600)),
        unreadable=source.choice((0, 0, 0, 2)),
        rounds=tuple(_round(f"{name}r{number}", f"{base}/{number}") for number in range(rounds)),
    )


def _round(name: str, seed: str) -> Round:
    source = random.Random(seed)
    count = source.choice((2, 3, 3, 4))
    return Round(
        name=name,
        changes=source.choice((0, 5, 20, 60)),
        wish=f"{seed}/wish",
        operations=tuple(
            _operation(f"{name}o{number}", f"{seed}/{number}", random.Random(f"{seed}/{number}"))
            for number in range(count)
        ),
    )


def _operation(name: str, seed: str, source: random.Random) -> Operation:
    command = source.choice(("load", "push"))
    troubles = _LOAD_TROUBLES if command == "load" else _PUSH_TROUBLES
    kind = source.choices(list(troubles), weights=list(troubles.values()))[0]
    trouble = _trouble(kind, source)
    return Operation(
        name=name,
        command=command,
        mode=source.choice(("auto", "incremental", "full", "full")),
        machine=source.choice(("home", "home", "home", "away")),
        disk_lost=source.random() < 0.15,
        weather=_weather(f"{seed}/weather", source),
        changes=f"{seed}/changes",
        change_share=source.choice((0.0, 0.05, 0.3)),
        trouble=trouble if source.random() < 0.75 else None,
        debug=source.random() < 0.3,
        log_json=source.random() < 0.3,
    )


def _weather(seed: str, source: random.Random) -> Weather:
    kind = source.choice(("calm", "calm", "rough", "rough", "storm", "outage"))
    begins, lasts = source.randrange(1, 25), source.choice((3, 12, 400))
    return {
        "calm": CALM,
        "rough": Weather(seed, 0.1),
        "storm": Weather(seed, 0.35),
        "outage": Weather(seed, 0.05, begins, lasts),
    }[kind]


def _trouble(kind: Kind, source: random.Random) -> Trouble:
    return Trouble(
        kind=kind,
        request=source.choice((1, 2, 3, 5, 8, 13, 21)),
        write=source.choice((1, 2, 3, 5, 8, 13, 21)),
        step=source.choice(tuple(Step)),
        seconds=_seconds(kind, source),
        jump_after_s=source.choice((0.0, 0.0, 1.5, 2.5)),
        kilobytes=source.choice((0, 8, 64, 400)),
        other=source.choice(("load", "load", "apply")),
        elsewhere=source.random() < 0.5,
    )


def _seconds(kind: Kind, source: random.Random) -> float:
    if kind is Kind.CLOCK:
        return source.choice((-86_400.0, -3_600.0, -90.0, -20.0, 20.0, 90.0, 3_600.0, 86_400.0))
    if kind is Kind.KILLED_IN_STEP:
        return source.choice((0.0, 0.0, 0.005, 0.01, 0.02, 0.04, 0.08))
    return source.uniform(0.4, 2.0)
