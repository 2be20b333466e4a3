"""The load of one of several workspaces: whatever happens is its own result."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dub_source.destinations import Target
from dub_source.events import Events, Tell
from dub_source.failures import ExitCode, explain
from dub_source.runs.loading import load
from dub_source.workspaces import Workspace


@dataclass(frozen=True, slots=True)
class WorkspaceRun:
    """How the load of a workspace ended.

    Attributes:
        workspace: its name.
        target: where its customers are.
        exit_code: of :class:`~dub_source.failures.ExitCode`: what ``dub-source load`` alone would end with.
        error: one sentence if it failed, else None.
        result: of a load that did not, as :meth:`LoadResult.as_json`.
        seconds: from its beginning to its end.
    """

    workspace: str
    target: Target
    exit_code: int
    error: str | None = None
    result: Mapping[str, Any] | None = None
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether everything is done."""
        return self.exit_code == ExitCode.OK

    def as_json(self) -> dict[str, Any]:
        """The same as plain values; of a load that did not fail, with all that its result has."""
        return {
            "workspace": self.workspace,
            "exit_code": self.exit_code,
            "error": self.error,
            "seconds": round(self.seconds, 3),
            **self.target.as_json(),
            **(self.result or {}),
        }


def load_workspace(
    workspace: Workspace, *, tell: Tell, pipelines_dir: Path | None = None, **options: Any
) -> WorkspaceRun:
    """Load one workspace in this process.

    Args:
        workspace: which, and where to.
        tell: is told how it gets on.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        options: arguments of :func:`~dub_source.source.dub` that win over the workspace's own.

    Raises:
        KeyboardInterrupt: nothing else.
    """
    began = time.monotonic()
    given = {name: value for name, value in options.items() if value is not None}
    try:
        result = load(
            workspace.target,
            pipelines_dir=pipelines_dir,
            observer=Events(tell),
            **{**workspace.options, **given},
        )
    except Exception as error:  # noqa: BLE001 - it fails alone, whatever it is
        return failed(workspace, error, since=began)
    return WorkspaceRun(
        workspace.name,
        workspace.target,
        result.exit_code,
        result=result.as_json(),
        seconds=time.monotonic() - began,
    )


def failed(workspace: Workspace, error: BaseException, *, since: float) -> WorkspaceRun:
    """The outcome of a load that ended with an error; ``since`` is when it began, of the monotonic clock."""
    failure = explain(error)
    return WorkspaceRun(
        workspace.name,
        workspace.target,
        int(failure.exit_code),
        error=failure.sentence,
        seconds=time.monotonic() - since,
    )
