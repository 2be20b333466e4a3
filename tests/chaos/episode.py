"""One workspace and one warehouse, through rounds of trouble; after each, a quiet point."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from dub_source.failures import ExitCode
from dub_source.sandbox import Sandbox
from dub_source.sandbox.generate import generate
from tests.chaos.operations import Operations
from tests.chaos.place import Disk, FilePlace, Place, ServerPlace
from tests.chaos.processes import Ended
from tests.chaos.promises import as_in_dub, no_false_deletes, nothing_new, sound_history
from tests.chaos.proxy import FaultProxy
from tests.chaos.pushes import Plans
from tests.chaos.quiet import kept, left_behind, stored
from tests.chaos.report import Report, Violation
from tests.chaos.script import Round, Script
from tests.chaos.workspace import Workspace, kinds_of
from tests.promises.warehouse import Contents, contents
from tests.warehouses.postgres_server import PostgresServer

_APPLIES = 3
"""So many quiet applies finish any plan."""


class Episode:
    """A script, carried out. A context manager; what it made is left when something was broken.

    Args:
        script: what happens.
        folder: for everything; must not exist.
        report: counts what happens, and takes the violations.
        tell: is told what goes on.
        server: where the warehouse is; None: in a file of DuckDB.
    """

    def __init__(
        self,
        script: Script,
        folder: Path,
        report: Report,
        tell: Callable[[str], object],
        server: PostgresServer | None = None,
    ) -> None:
        self._server = server
        self._script = script
        self._report = report
        self._tell = tell
        self._folder = folder
        self._stack = ExitStack()
        self._outcomes: Counter[str] = Counter()

    def __enter__(self) -> "Episode":
        script, stack = self._script, self._stack
        disk = stack.enter_context(Disk(self._folder))
        if not disk.is_own:
            note = "no file system could be mounted, so no disk was full: files that may not grow only"
            if note not in self._report.notes:
                self._report.notes.append(note)
        self._place: Place = FilePlace(disk)
        if self._server is not None:
            self._place = server = ServerPlace(disk, self._server)
            stack.callback(server.warehouse.remove)
        number = int.from_bytes(script.seed.encode()[:8])
        dataset = generate(script.customers, random_seed=number, unreadable=script.unreadable)
        self._sandbox = stack.enter_context(Sandbox(dataset, rate_limit=0, random_seed=number))
        self._workspace = Workspace(self._sandbox, self._report.changes)
        self._proxy = stack.enter_context(FaultProxy(self._sandbox.port, self._workspace.written_to))
        self._operations = Operations(self._place, self._sandbox, self._workspace, self._proxy, self._report)
        return self

    def __exit__(self, *_: object) -> None:
        self._report.faults.update(self._proxy.injected)
        self._report.outcomes.update(self._outcomes)
        self._stack.close()

    def run(self, goes_on: Callable[[], bool]) -> None:
        """All rounds, until something is broken or it must not go on."""
        self._report.episodes += 1
        self._quiet_point(f"{self._script.name}start")
        for each in self._script.rounds:
            if not goes_on():
                return
            self._round(each)

    def _round(self, played: Round) -> None:
        source = random.Random(played.wish)
        self._workspace.change(source, kinds_of(plan_is_open=False), played.changes)
        for operation in played.operations:
            self._tell(f"  {operation}")
            self._operations.carry_out(operation, f"{played.wish}/{operation.name}")
            self._look()
        self._quiet_point(played.name)

    def _look(self) -> None:
        """What must hold at any time."""
        self._report.checks["P2, in between"] += 1
        self._note(self._script.name, no_false_deletes(self._stored(), self._workspace))

    # The quiet point

    def _quiet_point(self, name: str) -> None:
        """Nothing happens any more; plans are finished, everybody is read; then everything must be true."""
        self._workspace.settle()
        self._finish_plan(name)
        self._workspace.settle()
        if self._certified_sweep(name) is None:
            return
        before = self._stored()
        self._count("P1", "P2", "P5", "P6", "P7")
        self._note(name, as_in_dub(before, self._workspace))
        self._note(name, no_false_deletes(before, self._workspace))
        self._note(name, sound_history(before))
        again = self._operations.load(f"{name}again", "full")
        result = again.result()
        if again.code == ExitCode.OK and result is not None:
            self._count("P3")
            counts = (result["created"], result["updated"], result["deleted"])
            self._note(name, nothing_new(before, self._stored(), counts))
        else:
            self._broken("P5", name, f"the second quiet sweep ended with {again.code}: {again.last_words()}")
        plans = Plans(self._place.warehouse, self._proxy.ledger, self._workspace, self._operations.pushed)
        self._note(name, (("P6", what) for what in plans.violations()))
        self._outcomes = plans.outcomes()
        self._check_quiet(name)

    def _finish_plan(self, name: str) -> None:
        plan = self._operations.open_plan
        for number in range(_APPLIES if plan is not None else 0):
            assert plan is not None
            ended = self._operations.apply(f"{name}apply{number}", plan)
            result = ended.result() if ended.code in (ExitCode.OK, ExitCode.NOT_ALL) else None
            if result is not None and not result["counts"]["not_attempted"]:
                plan.finished = True
                return
        if plan is not None:
            self._broken("P6", name, f"{plan.plan_id} is not finished after {_APPLIES} quiet applies")

    def _certified_sweep(self, name: str) -> Ended | None:
        """One that has read everybody after everything became quiet, not before."""
        for number in range(3):
            ended = self._operations.load(f"{name}sweep{number}", "full")
            result = ended.result()
            if ended.code != ExitCode.OK or result is None:
                self._broken("P5", name, f"a quiet sweep ended with {ended.code}: {ended.last_words()}")
                return None
            if not result["resumed"]:
                return ended
        self._broken("P5", name, "quiet sweeps go on with old ones again and again")
        return None

    def _check_quiet(self, name: str) -> None:
        words, home = self._operations.words, self._place.disk.machine("home")
        self._note(name, (("P7", what) for what in left_behind(home)))
        self._note(name, (("P7", what) for what in kept(words, home)))
        self._note(name, (("P7", what) for what in stored(words, self._place.warehouse)))

    def _stored(self) -> Contents:
        return contents(self._place.warehouse)

    def _count(self, *promises: str) -> None:
        self._report.checks.update(promises)

    def _note(self, where: str, found: Iterator[tuple[str, str]]) -> None:
        for promise, what in found:
            self._broken(promise, where, what)

    def _broken(self, promise: str, where: str, what: str) -> None:
        self._report.violations.append(Violation(promise, where, what))
