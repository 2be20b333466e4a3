"""One run of a sync: decide, read, compare, and have the rows to write. Knows Dub and Arrow, but not dlt.

``run`` is the whole; ``sweeping`` and ``news`` are its two kinds of reading, ``intake`` turns pages into
rows that differ, ``vanished`` finds out who is gone, ``history`` makes versions. ``mirror`` is what a run
must know of a destination.
"""

from dub_source.sync.mirror import KNOWN, Mirror, Nothing
from dub_source.sync.observer import Observer
from dub_source.sync.options import BASELINE_LENGTH, Options
from dub_source.sync.report import RUN_SCHEMA, Report
from dub_source.sync.run import Place, Run

__all__ = [
    "BASELINE_LENGTH",
    "KNOWN",
    "RUN_SCHEMA",
    "Mirror",
    "Nothing",
    "Observer",
    "Options",
    "Place",
    "Report",
    "Run",
]
