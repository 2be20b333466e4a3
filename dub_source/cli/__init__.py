"""The command line. Heavy imports wait inside the commands, so that ``--help`` answers at once."""

import os
import sys

from dub_source.cli.commands import dub_source
from dub_source.cli.streams import prepare_streams, silence

__all__ = ["main"]


def main() -> None:
    """Entry point of the console script."""
    # dlt sends telemetry unless it is told not to; in a folder of this project's .dlt/config.toml tells it.
    os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
    prepare_streams()
    try:
        dub_source(prog_name="dub-source", standalone_mode=True)
    except BrokenPipeError:
        # The reader of our output (head, less) has had enough.
        silence(sys.stdout)
        sys.exit(0)
