"""Several workspaces loaded side by side, each in a process of its own and each failing alone.

Processes, not threads: a sweep keeps one interpreter busy at 1,500 requests a second; dlt's log and the
signals belong to a process, and with them what keeps a load quiet about people and ends it in good order; and
what kills one load, such as a lack of memory, leaves the others alone. DuckDB lets one process at a time
write a file. So each workspace has its own by default, and those that share one take turns.
"""

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Protocol

from dub_source.deadline import Deadline
from dub_source.destinations import Target
from dub_source.errors import InvalidArgument, OutOfTime, SettingsError
from dub_source.failures import ExitCode, Terminated
from dub_source.runs.arguments import given
from dub_source.runs.workspace_run import WorkspaceRun, failed, load_workspace
from dub_source.workspaces import Workspace

_MOST_AT_ONCE = 4
"""Unless the caller says otherwise: a first load of a large workspace takes half a gigabyte."""
_CHILD = (sys.executable, "-P", "-m", "dub_source.runs.child")
"""-P: a file in the current folder that is called like a library must not be taken for it."""


class WorkspacesObserver(Protocol):
    """Is told how loads get on, by several threads."""

    def told(self, workspace: str, event: Mapping[str, Any]) -> None:
        """Called with what a load tells: see :mod:`dub_source.events`."""

    def ended(self, run: WorkspaceRun) -> None:
        """Called when a load has ended, however."""


def load_workspaces(
    workspaces: Sequence[Workspace],
    *,
    parallel: int | None = None,
    pipelines_dir: Path | None = None,
    observer: WorkspacesObserver | None = None,
    max_seconds: float | None = None,
    **options: Any,
) -> list[WorkspaceRun]:
    """Load workspaces, several at once; one that fails stops none of the others.

    A single one is loaded in this process.

    Args:
        workspaces: of :func:`dub_source.workspaces.select`.
        parallel: how many at once; None: as many as there are cores, four at most.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        observer: is told how they get on.
        max_seconds: after which none of them reads on, as of :func:`~dub_source.source.dub`, from now on for
            all of them together.
        options: arguments of :func:`~dub_source.source.dub` that win over those of the workspaces; plain
            values that JSON can hold.

    Returns:
        How each has ended, in their order.

    Raises:
        InvalidArgument: if ``parallel`` is below 1.
        SettingsError: for other arguments that cannot be right.
        KeyboardInterrupt: after all have ended in good order.
    """
    at_once = min(_MOST_AT_ONCE, os.cpu_count() or 1) if parallel is None else parallel
    if at_once < 1:
        raise InvalidArgument("The number of loads at once (parallel) must be a whole number from 1 up.")
    arguments = given(options)
    if "accept_vanished" in arguments and len(workspaces) > 1:
        raise SettingsError(
            "The number of accept_vanished comes from a look at one workspace, and several are to be loaded: "
            "load that one by itself."
        )
    crew = _Crew(arguments, pipelines_dir, observer, max_seconds)
    if len(workspaces) == 1:
        return [crew.alone(workspaces[0])]
    with ThreadPoolExecutor(at_once, thread_name_prefix="dub-workspace") as pool:
        lanes = [pool.submit(crew.one_after_the_other, lane) for lane in _lanes(workspaces)]
        try:
            wait(lanes)
        except KeyboardInterrupt as interrupt:
            crew.stop(interrupt)
            raise
    runs = {run.workspace: run for lane in lanes for run in lane.result()}
    return [runs[each.name] for each in workspaces]


def exit_code_of(runs: Sequence[WorkspaceRun]) -> int:
    """The highest of their codes, so 0 only if all of them are done."""
    return max((run.exit_code for run in runs), default=int(ExitCode.OK))


def _lanes(workspaces: Sequence[Workspace]) -> list[list[Workspace]]:
    """Those that must not run at the same time together: they write one file."""
    lanes: dict[object, list[Workspace]] = {}
    for each in workspaces:
        in_file = each.target.destination == "duckdb"
        lanes.setdefault(each.target.database.resolve() if in_file else each.name, []).append(each)
    return list(lanes.values())


class _Crew:
    """Starts loads, hears them out, and stops them."""

    def __init__(
        self,
        options: Mapping[str, Any],
        pipelines_dir: Path | None,
        observer: WorkspacesObserver | None,
        max_seconds: float | None,
    ) -> None:
        self._options = options
        self._pipelines_dir = pipelines_dir
        self._observer = observer
        self._deadline = Deadline.after(max_seconds)
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._interrupt: KeyboardInterrupt | None = None

    def alone(self, workspace: Workspace) -> WorkspaceRun:
        """Load one in this process."""
        run = load_workspace(
            workspace,
            tell=lambda event: self._tell(workspace, event),
            pipelines_dir=self._pipelines_dir,
            **self._options_now(),
        )
        return self._ended(run)

    def one_after_the_other(self, lane: Sequence[Workspace]) -> list[WorkspaceRun]:
        """Load some in turns, each in a process of its own."""
        return [self._ended(self._run(each)) for each in lane]

    def stop(self, interrupt: KeyboardInterrupt) -> None:
        """Let all that are running end in good order, and begin none."""
        number = signal.SIGTERM if isinstance(interrupt, Terminated) else signal.SIGINT
        with self._lock:
            self._interrupt = interrupt
            for process in self._running:
                process.send_signal(number)

    def _run(self, workspace: Workspace) -> WorkspaceRun:
        began = time.monotonic()
        options = self._options_now()
        if self._deadline.is_over:
            return failed(workspace, OutOfTime(), since=began)
        try:
            process = self._start()
        except OSError as error:
            return failed(workspace, error, since=began)
        if process is None:
            return failed(workspace, self._interrupt or KeyboardInterrupt(), since=began)
        with process:
            done = self._hear(process, workspace, options)
            process.wait()
            with self._lock:
                self._running.discard(process)
        if done is None and self._interrupt is not None:
            return failed(workspace, self._interrupt, since=began)
        return WorkspaceRun(
            workspace.name,
            workspace.target,
            ExitCode.UNEXPECTED if done is None else done["exit_code"],
            error=_died(process.returncode) if done is None else done["error"],
            result=None if done is None else done["result"],
            seconds=time.monotonic() - began,
        )

    def _start(self) -> "subprocess.Popen[str] | None":
        """A process; None if no more are to be started."""
        with self._lock:
            if self._interrupt is not None:
                return None
            process = subprocess.Popen(  # noqa: S603 - our own module, and nothing of anybody's in the arguments
                _CHILD,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                # Ctrl-C in a terminal is for us: each of them shall get one signal, not two.
                start_new_session=True,
            )
            self._running.add(process)
        return process

    def _hear(
        self, process: "subprocess.Popen[str]", workspace: Workspace, options: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Say what to do, pass on what is told; the last event, None if there was none."""
        done = None
        try:
            self._ask(process, workspace, options)
            for line in process.stdout or ():
                event: dict[str, Any] = json.loads(line)
                if event["event"] == "done":
                    done = event
                else:
                    self._tell(workspace, event)
        except (BrokenPipeError, ValueError):
            # It was killed, in the middle of a line even.
            return None
        return done

    def _ask(
        self, process: "subprocess.Popen[str]", workspace: Workspace, options: Mapping[str, Any]
    ) -> None:
        target: Target = workspace.target
        asked = {
            "workspace": workspace.name,
            "destination": target.destination,
            "dataset": target.dataset,
            "database": str(target.database),
            "pipelines_dir": None if self._pipelines_dir is None else str(self._pipelines_dir),
            "options": {**workspace.options, **options},
        }
        if process.stdin is not None:
            # Stays open: its end would say that we are gone.
            process.stdin.write(f"{json.dumps(asked)}\n")
            process.stdin.flush()

    def _options_now(self) -> dict[str, Any]:
        deadline = self._deadline
        left = {} if deadline.at == math.inf else {"max_seconds": deadline.at - deadline.clock()}
        return {**self._options, **left}

    def _tell(self, workspace: Workspace, event: Mapping[str, Any]) -> None:
        if self._observer is not None:
            self._observer.told(workspace.name, event)

    def _ended(self, run: WorkspaceRun) -> WorkspaceRun:
        if self._observer is not None:
            self._observer.ended(run)
        return run


def _died(code: int) -> str:
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
    return f"The process of this load {how} and left no result: nothing is half-written; run it again."
