"""Commands about several workspaces: which, how they get on, how each has ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dub_source.cli.json_log import log, logs_json
from dub_source.cli.load_words import in_one_line
from dub_source.cli.reporting import event_in_words, say
from dub_source.cli.streams import tell
from dub_source.errors import SettingsError
from dub_source.process import unhurried_garbage_collector

if TYPE_CHECKING:
    from dub_source.runs import WorkspaceRun
    from dub_source.workspaces import Workspace


def chosen_workspaces(names: Sequence[str], every: bool, **place: Any) -> list[Workspace]:
    """The workspaces that the options name; ``place`` as of :func:`dub_source.workspaces.select`.

    Raises:
        SettingsError: if they cannot be used.
    """
    if names and every:
        raise SettingsError("Both --workspace and --all-workspaces were given: use one of them.")
    with unhurried_garbage_collector():
        from dub_source.workspaces import select

        return select(None if every else names, **place)


def load_some(
    workspaces: Sequence[Workspace],
    parallel: int | None,
    *,
    quiet: bool,
    as_json: bool,
    pipelines_dir: Path | None,
    **options: Any,
) -> int:
    """Load them and print how each has ended; the highest of their exit codes."""
    with unhurried_garbage_collector():
        from dub_source import runs

    done = runs.load_workspaces(
        workspaces,
        parallel=parallel,
        pipelines_dir=pipelines_dir,
        observer=_Logged() if logs_json() else _Told(quiet=quiet or as_json, lines=not as_json),
        **options,
    )
    if as_json:
        say(json.dumps([run.as_json() for run in done]))
    return runs.exit_code_of(done)


class _Told:
    """Says it in words."""

    def __init__(self, *, quiet: bool, lines: bool) -> None:
        self._quiet = quiet
        self._lines = lines

    def told(self, workspace: str, event: Mapping[str, Any]) -> None:
        if event["event"] == "warning":
            tell(f"{workspace}: {event['text']}")
        elif not self._quiet and (words := event_in_words(event)):
            tell(f"{workspace}: {words}")

    def ended(self, run: WorkspaceRun) -> None:
        if run.error is not None:
            tell(f"{run.workspace}: Error: {run.error} (exit code {run.exit_code})")
        elif self._lines and run.result is not None:
            say(f"{run.workspace}: {in_one_line(run.result)}")


class _Logged:
    """Logs it."""

    def told(self, workspace: str, event: Mapping[str, Any]) -> None:
        log({"workspace": workspace, **event})

    def ended(self, run: WorkspaceRun) -> None:
        log({"event": "done" if run.error is None else "failed", **run.as_json()})
