"""Carries out what a script says: processes that load, plan and apply, in trouble."""

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dub_source.failures import ExitCode
from dub_source.sandbox import Sandbox, Token
from tests.chaos.child import Circumstances
from tests.chaos.place import Place
from tests.chaos.processes import Ended, Process
from tests.chaos.proxy import FaultProxy
from tests.chaos.pushes import Pushed
from tests.chaos.quiet import Words, said
from tests.chaos.report import Report, Violation
from tests.chaos.script import Operation, Trouble
from tests.chaos.troubles import Stage, arguments_of, around, circumstances_of, meanwhile
from tests.chaos.weather import CALM, Weather
from tests.chaos.wishes import Wish, write_wish
from tests.chaos.workspace import Workspace, kinds_of

_EVERYBODY = "1000000"
_NEVER = (ExitCode.UNEXPECTED, ExitCode.SETTINGS)
"""What no run may end with, whatever happens to it: nobody has made a mistake in an argument."""


class Operations:
    """Runs processes of one episode, and keeps what must be known of them later.

    Attributes:
        pushed: all plans that were made and have changes, in their order.
        key: that of now.
        words: what must not be said.
    """

    def __init__(
        self, place: Place, sandbox: Sandbox, workspace: Workspace, proxy: FaultProxy, report: Report
    ) -> None:
        self._place = place
        self._sandbox = sandbox
        self._workspace = workspace
        self._proxy = proxy
        self._report = report
        self._seconds: list[threading.Thread] = []
        self._keys = 0
        self.pushed: list[Pushed] = []
        self.key = sandbox.key("owner")
        self.words = Words()
        self.words.add([self.key])

    @property
    def open_plan(self) -> Pushed | None:
        """The plan that is not finished yet."""
        return self.pushed[-1] if self.pushed and not self.pushed[-1].finished else None

    def carry_out(self, operation: Operation, wish_seed: str) -> None:
        """What a script says."""
        machine = self._place.disk.machine(operation.machine)
        if operation.disk_lost and machine.exists():
            shutil.rmtree(machine)
            self._report.troubles["working files lost"] += 1
            if self.open_plan is not None:
                self.open_plan.disk_lost = True
        self._workspace.change_between_requests(
            operation.changes,
            kinds_of(plan_is_open=self.open_plan is not None or operation.command == "push"),
            probability=operation.change_share,
            most=40,
        )
        if operation.command == "load":
            self._load(operation)
        else:
            self._push(operation, wish_seed)
        for thread in self._seconds:
            thread.join()
        self._seconds.clear()
        self._proxy.settle()

    def load(self, name: str, mode: str, *arguments: str) -> Ended:
        """A load as people start it, through a calm network."""
        return self._run(name, ["load", "--mode", mode, "--accept-vanished", _EVERYBODY, *arguments])

    def apply(self, name: str, pushed: Pushed) -> Ended:
        """The same for an apply."""
        pushed.processes.add(name)
        pushed.machines.add("home")
        return self._run(name, ["apply", pushed.plan_id])

    def _run(self, name: str, arguments: list[str]) -> Ended:
        with self._way(name, CALM) as environment:
            process = Process(
                name,
                [*arguments, *self._here("home")],
                folder=self._place.disk.folder,
                environment=environment,
                circumstances=None,
                debug=False,
            )
            return self._ended(process)

    # In trouble

    def _load(self, operation: Operation) -> None:
        arguments = ["load", "--mode", operation.mode, "--accept-vanished", _EVERYBODY]
        self._in_trouble(operation, operation.name, arguments, operation.trouble)

    def _push(self, operation: Operation, wish_seed: str) -> None:
        pushed = self.open_plan
        if pushed is None:
            wish = self._wish(operation.name, wish_seed)
            planned = replace(operation, change_share=0.0)
            ended = self._in_trouble(planned, f"{operation.name}p", ["plan", *wish.arguments], None)
            result = ended.result() if ended.code == ExitCode.OK else None
            if result is None or not result["changes"]:
                return
            pushed = Pushed(result["plan_id"])
            self.pushed.append(pushed)
        pushed.processes.add(operation.name)
        pushed.machines.add(operation.machine)
        ended = self._in_trouble(operation, operation.name, ["apply", pushed.plan_id], operation.trouble)
        result = ended.result() if ended.code in (ExitCode.OK, ExitCode.NOT_ALL) else None
        if result is not None:
            pushed.finished = not result["counts"]["not_attempted"]

    def _wish(self, name: str, seed: str) -> Wish:
        with self._sandbox.still():
            self._workspace.adopt()
            living = [self._workspace.alive[each] for each in sorted(self._workspace.alive)]
        wish = write_wish(seed, name, self._place.disk.folder, living)
        self.words.add(wish.words)
        return wish

    def _in_trouble(
        self, operation: Operation, name: str, arguments: list[str], trouble: Trouble | None
    ) -> Ended:
        with self._way(name, operation.weather) as environment:
            stage = Stage(
                place=self._place,
                line=self._line,
                report=self._report,
                machine=self._place.disk.machine(operation.machine),
                rotate_key=self._rotate_key,
                second=lambda trouble: self._start_second(name, operation, trouble),
            )
            with around(trouble, stage):
                process = Process(
                    name,
                    [
                        *arguments,
                        *arguments_of(trouble),
                        *self._here(operation.machine),
                        *(["--log-json"] if operation.log_json else []),
                    ],
                    folder=self._place.disk.folder,
                    environment=environment,
                    circumstances=circumstances_of(trouble),
                    debug=operation.debug,
                )
                meanwhile(trouble, stage, process)
                return self._ended(process, by_us=stage.struck.is_set)

    def _start_second(self, name: str, operation: Operation, trouble: Trouble) -> None:
        """Another process at the same time: the same plan if one is open, else a load."""
        other = f"{name}second"
        machine = (
            ("away" if operation.machine == "home" else "home") if trouble.elsewhere else operation.machine
        )
        plan = self.open_plan
        arguments = ["load", "--mode", operation.mode, "--accept-vanished", _EVERYBODY]
        if plan is not None and trouble.other == "apply":
            arguments = ["apply", plan.plan_id]
            plan.processes.add(other)
            plan.machines.add(machine)

        def run() -> None:
            line = self._proxy.open(other)
            process = Process(
                other,
                [*arguments, *self._here(machine)],
                folder=self._place.disk.folder,
                environment=self._environment(line.url),
                circumstances=Circumstances(),
                debug=False,
            )
            self._ended(process)
            self._proxy.close(line)

        thread = threading.Thread(target=run, name=other)
        thread.start()
        self._seconds.append(thread)

    # What every process needs

    @contextmanager
    def _way(self, name: str, weather: Weather) -> Iterator[Mapping[str, str]]:
        self._line = self._proxy.open(name, weather)
        try:
            yield self._environment(self._line.url)
        finally:
            self._proxy.close(self._line)

    def _environment(self, url: str) -> Mapping[str, str]:
        asked = {"SOURCES__DUB__API_KEY": self.key, "SOURCES__DUB__BASE_URL": url}
        return {**self._place.environment, **asked}

    def _here(self, machine: str) -> list[str | Path]:
        place = self._place
        return [*place.warehouse.arguments, "--pipelines-dir", place.disk.machine(machine), "--json"]

    def _rotate_key(self) -> None:
        self._keys += 1
        old, self.key = self.key, f"dub_chaosKey{self._keys:012d}"
        owner = next(each for each in self._sandbox.store.dataset.tokens if each.name == "owner")
        self._sandbox.admit(Token("owner", self.key, owner.user_id, owner.workspace_id))
        self._sandbox.revoke(old)
        self.words.add([self.key])

    def _ended(self, process: Process, *, by_us: Callable[[], bool] = lambda: False) -> Ended:
        ended = process.end()
        self._report.runs[f"{ended.arguments[0]}: {_meaning(ended.code)}"] += 1
        self._report.checks["exit"] += 1
        for trouble in _wrong(ended, by_us=by_us()):
            self._violation("exit", ended, trouble)
        self._workspace_words()
        self._report.checks["P7"] += 1
        for trouble in said(self.words, (ended.out, ended.told)):
            self._violation("P7", ended, trouble)
        return ended

    def _workspace_words(self) -> None:
        with self._sandbox.still():
            self._workspace.adopt()
            self.words.add(self._workspace.words())

    def _violation(self, promise: str, ended: Ended, what: str) -> None:
        self._report.violations.append(Violation(promise, ended.name, what))


def _meaning(code: int) -> str:
    if code < 0:
        return f"signal {-code}"
    return f"{code} {_CODES[code]}" if code in _CODES else str(code)


_CODES = {each.value: each.name for each in ExitCode}


def _wrong(ended: Ended, *, by_us: bool) -> Iterator[str]:
    """In what way a process must not end."""
    called = " ".join(ended.arguments[:3])
    if ended.hung:
        yield f"{called} did not end"
    elif ended.code < 0 and not by_us:
        yield f"{called} was ended by signal {-ended.code}"
    elif ended.code >= 0 and (ended.code not in _CODES or ended.code in _NEVER):
        yield f"{called} ended with {ended.code}: {ended.last_words()}"
    if "Traceback (most recent call last)" in ended.told.read_text(encoding="utf-8", errors="replace"):
        yield f"{called} showed a traceback: {ended.last_words()}"
