"""What happens to one process, made to happen."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.child import Circumstances
from tests.chaos.place import Place
from tests.chaos.processes import Process
from tests.chaos.proxy import Line
from tests.chaos.report import Report
from tests.chaos.script import Kind, Trouble

_WRITES = ("POST", "PATCH", "DELETE")


@dataclass(slots=True)
class Stage:
    """What a trouble can get hold of.

    Attributes:
        place: folders, warehouse, disk.
        line: the way of the process through the proxy.
        report: counts what happens.
        machine: folder of working files of the process.
        rotate_key: makes the key of now unknown, and another one known.
        second: starts another process at the same time.
        process: the process itself, as soon as it runs.
        struck: whether the trouble has happened.
    """

    place: Place
    line: Line
    report: Report
    machine: Path
    rotate_key: Callable[[], object]
    second: Callable[[Trouble], object]
    process: Process | None = None
    struck: threading.Event = field(default_factory=threading.Event)

    def strike(self, trouble: Trouble, act: Callable[[], object]) -> None:
        """Do it, once."""
        if not self.struck.is_set():
            self.struck.set()
            self.report.troubles[trouble.kind.value] += 1
            act()

    def kill(self, trouble: Trouble, where: str) -> None:
        """Kill -9, if there is still something to kill."""

        def act() -> None:
            if self.process is not None and self.process.running:
                self.process.kill()
                self.report.kills[where] += 1

        self.strike(trouble, act)


def circumstances_of(trouble: Trouble | None) -> Circumstances:
    """In which a process is to be started."""
    match trouble:
        case Trouble(kind=Kind.CLOCK):
            return Circumstances(clock_s=trouble.seconds, jump_after_s=trouble.jump_after_s)
        case Trouble(kind=Kind.FILE_LIMIT):
            return Circumstances(file_kb=trouble.kilobytes)
    return Circumstances()


def arguments_of(trouble: Trouble | None) -> list[str]:
    """What a process is called with besides."""
    if trouble is not None and trouble.kind is Kind.OUT_OF_TIME:
        return ["--max-seconds", f"{trouble.seconds:.2f}"]
    return []


@contextmanager
def around(trouble: Trouble | None, stage: Stage) -> Iterator[None]:
    """Let it happen while a process runs in the block, and put everything right afterwards."""
    if trouble is None:
        yield
        return
    place = stage.place
    if trouble.kind in (Kind.CLOCK, Kind.FILE_LIMIT, Kind.OUT_OF_TIME):
        stage.strike(trouble, lambda: None)
    _arrange_kills(trouble, stage)
    _arrange_rest(trouble, stage)
    try:
        if trouble.kind is Kind.LOCKED_BEFORE:
            with place.held():
                stage.strike(trouble, lambda: None)
                yield
        elif trouble.kind is Kind.LOCKED_MEANWHILE:
            with _held_meanwhile(trouble, stage):
                yield
        else:
            yield
    finally:
        place.disk.empty()
        place.give_back()


def meanwhile(trouble: Trouble | None, stage: Stage, process: Process) -> None:
    """What has to be done by whoever waits for the process."""
    stage.process = process
    match trouble:
        case Trouble(kind=Kind.KILLED_LATER | Kind.TERMINATED):
            _after(trouble.seconds, process)
            if trouble.kind is Kind.TERMINATED:
                stage.strike(trouble, process.terminate)
            else:
                stage.kill(trouble, f"{trouble.seconds:.1f} s after the start"[:3] + " s after the start")
        case Trouble(kind=Kind.KILLED_IN_STEP):
            process.watch(lambda: _has_come(stage.machine, trouble.step.value))
            if process.running:
                time.sleep(trouble.seconds)
                stage.kill(trouble, f"step {trouble.step.name.lower()}")


def _after(seconds: float, process: Process) -> None:
    until = time.monotonic() + seconds
    process.watch(lambda: time.monotonic() >= until)


def _has_come(machine: Path, part: str) -> bool:
    # Not glob, which stumbles over folders that go away meanwhile.
    return any(part in f"{folder}/{file}" for folder, _, files in os.walk(machine) for file in files)


def _arrange_kills(trouble: Trouble, stage: Stage) -> None:
    writes = 0

    def at_request(number: int, method: str) -> None:
        nonlocal writes
        writes += method in _WRITES
        if trouble.kind is Kind.KILLED_AT_REQUEST and number >= trouble.request:
            stage.kill(trouble, "a request was sent")
        elif trouble.kind is Kind.KILLED_AT_WRITE and writes >= trouble.write:
            stage.kill(trouble, "a write was sent")

    def at_answer(number: int, method: str) -> None:
        enough = writes >= trouble.write if writes else number >= trouble.request
        if trouble.kind is Kind.KILLED_AT_ANSWER and enough:
            stage.kill(trouble, f"Dub had dealt with a {method}")

    stage.line.on_request, stage.line.on_answered = at_request, at_answer


_AT_A_REQUEST = (Kind.DISK_FULL, Kind.GONE_MEANWHILE, Kind.KEY_ROTATED, Kind.SECOND_RUN)


def _arrange_rest(trouble: Trouble, stage: Stage) -> None:
    """What happens when the process sends a request, or before it starts."""
    disk = stage.place.disk
    acts: dict[Kind, Callable[[], object]] = {
        Kind.DISK_FULL: lambda: disk.fill(trouble.kilobytes) if disk.is_own else None,
        Kind.GONE_MEANWHILE: stage.place.take_away,
        Kind.KEY_ROTATED: stage.rotate_key,
        Kind.SECOND_RUN: lambda: stage.second(trouble),
    }
    if trouble.kind is Kind.GONE_BEFORE:
        stage.strike(trouble, stage.place.take_away)
    if trouble.kind in acts and not (trouble.kind is Kind.DISK_FULL and not disk.is_own):
        act = acts[trouble.kind]

        def at_request(number: int, _method: str) -> None:
            if number >= trouble.request:
                stage.strike(trouble, act)

        stage.line.on_request = at_request


@contextmanager
def _held_meanwhile(trouble: Trouble, stage: Stage) -> Iterator[None]:
    """Somebody opens the database as soon as a request is sent, and has it until the process has ended."""
    wanted, over = threading.Event(), threading.Event()

    def hold() -> None:
        wanted.wait()
        if not over.is_set():
            with stage.place.held():
                over.wait()

    thread = threading.Thread(target=hold)
    thread.start()

    def at_request(number: int, _method: str) -> None:
        if number >= trouble.request:
            stage.strike(trouble, wanted.set)

    stage.line.on_request = at_request
    try:
        yield
    finally:
        over.set()
        wanted.set()
        thread.join()
