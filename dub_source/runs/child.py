"""``python -m dub_source.runs.child``: the load of one workspace, in a process of its own.

The first line of standard input says what to do, its end that whoever asked is gone. Standard output has an
event a line, the last one ``done``. Both are JSON. The key comes that way, too: what stands on
a command line, everybody on the machine can read.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from dub_source.process import sigterm_as_exception, unhurried_garbage_collector


def main() -> None:
    """Do what standard input says."""
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    # What a library prints must not come between the events.
    events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)
    with sigterm_as_exception():
        _run(events)


def _run(events: IO[str]) -> None:
    began = time.monotonic()
    try:
        asked: dict[str, Any] = json.loads(sys.stdin.readline())
        with unhurried_garbage_collector():
            from dub_source.destinations import Target
            from dub_source.events import warnings_as_events
            from dub_source.runs.workspace_run import failed, load_workspace
            from dub_source.workspaces import Workspace
    except KeyboardInterrupt:
        return  # Whoever asked takes that for a load that was not begun.

    def tell(event: Mapping[str, Any]) -> None:
        # If nobody reads any more, the other thread finds that out, too.
        with suppress(BrokenPipeError):
            events.write(f"{json.dumps(event)}\n")

    target = Target(asked["destination"], asked["dataset"], Path(asked["database"]))
    workspace = Workspace(asked["workspace"], target, asked["options"])
    folder = asked["pipelines_dir"]
    threading.Thread(target=_stop_when_alone, name="dub-parent", daemon=True).start()
    try:
        with warnings_as_events(tell):
            run = load_workspace(workspace, tell=tell, pipelines_dir=Path(folder) if folder else None)
    except KeyboardInterrupt as error:
        run = failed(workspace, error, since=began)
    tell({"event": "done", "exit_code": run.exit_code, "error": run.error, "result": run.result})


def _stop_when_alone() -> None:
    """A load whose parent was killed would hold the lock of its place for as long as it takes."""
    # Not sys.stdin, whose lock must be free when the interpreter ends.
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
