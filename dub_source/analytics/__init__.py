"""What analysts ask of the tables, as views; the same SQL in every dialect that sqlglot writes.

:data:`VIEWS` has them, :func:`query` gives the SELECT of one, :func:`left_out` says which cannot be.
"""

from dub_source.analytics.definitions import VIEWS
from dub_source.analytics.query import MARK, left_out, query, view_name
from dub_source.analytics.view import View

__all__ = ["MARK", "VIEWS", "View", "left_out", "query", "view_name"]
