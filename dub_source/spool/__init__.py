"""What a sweep has read, on this machine's disk, so that a killed sweep goes on instead of starting again.

``files``: private files, written for good or not at all. ``parts``: the bytes of a part and how damage in
them is found. ``spool``: which parts count.
"""

from dub_source.spool.spool import Spool

__all__ = ["Spool"]
