"""What the command line does, as plain functions: load, check, status, report, plan, apply and so on.

No module here is called like one of them: once imported, it would stand in the function's place.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dub_source.runs.apply_result import ApplyResult, Trouble
    from dub_source.runs.applying import apply
    from dub_source.runs.checking import Finding, check
    from dub_source.runs.erase_result import EraseResult
    from dub_source.runs.erasing import erase
    from dub_source.runs.loading import load
    from dub_source.runs.looking import Status, status
    from dub_source.runs.planning import PlanResult, plan
    from dub_source.runs.pushing import push_options
    from dub_source.runs.reporting import report
    from dub_source.runs.result import LoadResult, Outcome
    from dub_source.runs.reverting import revert
    from dub_source.runs.showing import show
    from dub_source.runs.steps import run_source
    from dub_source.runs.verdict import Verdict, judge
    from dub_source.runs.views import ViewsResult, create_views, drop_views, view_selects
    from dub_source.runs.workspace_run import WorkspaceRun
    from dub_source.runs.workspaces import WorkspacesObserver, exit_code_of, load_workspaces

__all__ = [
    "ApplyResult",
    "EraseResult",
    "Finding",
    "LoadResult",
    "Outcome",
    "PlanResult",
    "Status",
    "Trouble",
    "Verdict",
    "ViewsResult",
    "WorkspaceRun",
    "WorkspacesObserver",
    "apply",
    "check",
    "create_views",
    "drop_views",
    "erase",
    "exit_code_of",
    "judge",
    "load",
    "load_workspaces",
    "plan",
    "push_options",
    "report",
    "revert",
    "run_source",
    "show",
    "status",
    "view_selects",
]

_HOMES = {
    "apply_result": ("ApplyResult", "Trouble"),
    "applying": ("apply",),
    "checking": ("Finding", "check"),
    "erase_result": ("EraseResult",),
    "erasing": ("erase",),
    "loading": ("load",),
    "looking": ("Status", "status"),
    "planning": ("PlanResult", "plan"),
    "pushing": ("push_options",),
    "reporting": ("report",),
    "result": ("LoadResult", "Outcome"),
    "reverting": ("revert",),
    "showing": ("show",),
    "steps": ("run_source",),
    "verdict": ("Verdict", "judge"),
    "views": ("ViewsResult", "create_views", "drop_views", "view_selects"),
    "workspace_run": ("WorkspaceRun",),
    "workspaces": ("WorkspacesObserver", "exit_code_of", "load_workspaces"),
}
_MODULES = {name: module for module, names in _HOMES.items() for name in names}


def __dir__() -> list[str]:
    """What there is, imported or not."""
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    """Import on first use: a load needs no line of what makes plans, which takes a tenth of a second."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
