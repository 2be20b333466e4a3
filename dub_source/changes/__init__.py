"""Changes, not copies: which rows are new to the warehouse, what of them changed, and who is gone.

:class:`Diff` finds the rows that differ from what the destination knows, :func:`versions` makes history of
them, :func:`deleted_rows` marks those that are gone, :class:`VanishLimit` stops when it is too many.
"""

from dub_source.changes.columns import HISTORY_COLUMNS, SYSTEM_COLUMNS
from dub_source.changes.diff import Diff
from dub_source.changes.row_hash import row_hashes
from dub_source.changes.vanished import DEFAULT_SHARE, VanishLimit
from dub_source.changes.versions import deleted_rows, versions

__all__ = [
    "DEFAULT_SHARE",
    "HISTORY_COLUMNS",
    "SYSTEM_COLUMNS",
    "Diff",
    "VanishLimit",
    "deleted_rows",
    "row_hashes",
    "versions",
]
