"""Several workspaces in one configuration, each with its own key and its own dataset.

A workspace has a section ``[sources.dub.workspaces.<name>]`` in dlt's configuration, or environment variables
such as ``SOURCES__DUB__WORKSPACES__<NAME>__API_KEY``. One dataset holds one workspace, rather than a column
``workspace`` in shared tables, because whatever keeps the promises belongs to a dataset: the frontier and the
time of the last sweep in dlt's state, the sample of known ids that recognises the workspace, the guards'
shares, the lock of a run, the plans, and the right to be forgotten. A dataset can be granted, moved and
dropped by itself, too. A view with UNION ALL joins what shall be read together.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dub_source.workspaces.names import workspace_names

if TYPE_CHECKING:
    from dub_source.workspaces.configured import Workspace, select

__all__ = ["Workspace", "select", "workspace_names"]


def __getattr__(name: str) -> Any:
    """Import on first use: :func:`workspace_names` is for programs that cannot wait for dlt."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("dub_source.workspaces.configured"), name)
