"""What the command line does, as plain functions: load, check, status, report, plan, apply and so on."""

from dub_source.runs.apply import apply
from dub_source.runs.apply_result import ApplyResult, Trouble
from dub_source.runs.check import Finding, check
from dub_source.runs.erase import EraseResult, erase
from dub_source.runs.load import load
from dub_source.runs.plan import PlanResult, plan
from dub_source.runs.pushing import push_options
from dub_source.runs.report import report
from dub_source.runs.result import LoadResult, Outcome
from dub_source.runs.revert import revert
from dub_source.runs.show import show
from dub_source.runs.status import Status, status
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
