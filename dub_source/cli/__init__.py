"""The command line. Heavy imports wait inside the commands, so that ``--help`` answers at once."""

import os
import sys

from dub_source.cli.commands import dub_source

__all__ = ["main"]


def main() -> None:
    """Entry point of the console script."""
    # dlt sends telemetry unless it is told not to; in a folder of this project's .dlt/config.toml tells it.
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    try:
        dub_source(prog_name="dub-source", standalone_mode=True)
    except BrokenPipeError:
        # The reader of our output (head, less) has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
