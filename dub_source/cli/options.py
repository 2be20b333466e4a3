"""Options that several commands have."""

from __future__ import annotations

import functools
import math
import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dub_source.cli.json_log import log_json_option
from dub_source.failures import ExitCode
from dub_source.table_names import CUSTOMERS

if TYPE_CHECKING:
    from dub_source.destinations import Target

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R")

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:<3}  {code.meaning}" for code in ExitCode)

_TABLES = (
    click.option(
        "--database", type=click.Path(path_type=Path), help="DuckDB file to work with (dub_customers.duckdb)."
    ),
    click.option("--dataset", default="dub", show_default=True, help="Dataset (schema) of the customers."),
    click.option(
        "--destination", default="duckdb", show_default=True, help="Any dlt destination that can merge."
    ),
)
_PLACE = (
    *_TABLES,
    click.option("--pipelines-dir", type=click.Path(path_type=Path), help="Folder of dlt's working files."),
    click.option("--base-url", help="Address of the API, such as that of a sandbox."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    log_json_option,
)


def _known_workspaces(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """For the completion of a shell."""
    from dub_source.errors import SettingsError
    from dub_source.workspaces import workspace_names

    try:
        return [name for name in workspace_names() if name.startswith(begun)]
    except SettingsError:
        return []


_SOME_WORKSPACES = (
    click.option(
        "--workspace",
        "workspaces",
        multiple=True,
        shell_complete=_known_workspaces,
        help="This workspace of the settings; repeatable.",
    ),
    click.option("--all-workspaces", is_flag=True, help="All workspaces of the settings."),
)
_ONE_WORKSPACE = (
    click.option(
        "--workspace",
        shell_complete=_known_workspaces,
        help="This workspace of the settings, in its own place.",
    ),
)
_FORM = (
    click.option(
        "--expanded/--no-expanded", default=None, help="Load link, partner, program, discount (default)."
    ),
    click.option(
        "--exclude-column", "exclude_columns", multiple=True, help="Leave this column out; repeatable."
    ),
    click.option(
        "--hash-column", "hash_columns", multiple=True, help="Hash this column with hash_key; repeatable."
    ),
)


def finite(_context: click.Context, _parameter: click.Parameter, value: float | None) -> float | None:
    """A number that is one: nan and inf pass click's ranges."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter("nan and inf are no durations.")
    return value


def tables_options(command: F) -> F:
    """Where the customers are, for commands that only look: ``database``, ``dataset``, ``destination``."""
    return _with(command, _TABLES)


def place_options(command: F) -> F:
    """Where the customers are, and how to print: ``database``, ``dataset``, ..., ``as_json``."""
    return _with(command, _PLACE)


def some_workspaces(command: F) -> F:
    """Which of several workspaces: ``workspaces``, ``all_workspaces``."""
    return _with(command, _SOME_WORKSPACES)


def one_workspace(command: F) -> F:
    """Which of several workspaces: ``workspace``."""
    return _with(command, _ONE_WORKSPACE)


def here(command: str, workspace: str | None, target: Target | None) -> str:
    """A command with the options that it needs to be about this workspace or this place."""
    if workspace is not None:
        return f"{command} --workspace {workspace}"
    if target is None:
        return command
    from dub_source.destinations import Target

    usual = Target()
    options = [
        f"--{name} {shlex.quote(str(getattr(target, name)))}"
        for name in ("destination", "dataset", "database")
        if getattr(target, name) != getattr(usual, name)
    ]
    return " ".join([command, *options])


def looked_at(
    workspace: str | None, database: Path | None, dataset: str, destination: str
) -> tuple[Target, str]:
    """The place that the options of a command name that only looks, and its table of customers; no key.

    Raises:
        SettingsError: if there is no such workspace, or it cannot be used.
    """
    from dub_source.runs.pushing import configured_table

    if workspace is None:
        return target_of(database, dataset, destination), configured_table()
    from dub_source.workspaces import select

    (one,) = select([workspace], destination=destination, dataset=dataset, database=database, keys=False)
    return one.target, one.options.get("table_name") or CUSTOMERS


def form_options(command: F) -> F:
    """In which form they are there: ``expanded``, ``exclude_columns``, ``hash_columns``."""
    return _with(command, _FORM)


def _with(command: F, options: tuple[Callable[[F], F], ...]) -> F:
    for option in reversed(options):
        command = option(command)
    return command


def target_of(database: Path | None, dataset: str, destination: str) -> Target:
    """The place that the options name."""
    from dub_source.destinations import DEFAULT_DATABASE, Target

    return Target(destination, dataset, database or DEFAULT_DATABASE)


@dataclass(frozen=True, slots=True)
class Where:
    """What the options of a command say about the customers in the warehouse: whose, where, in which form."""

    workspace: str | None
    database: Path | None
    dataset: str
    destination: str
    pipelines_dir: Path | None
    base_url: str | None
    expanded: bool | None
    exclude_columns: tuple[str, ...]
    hash_columns: tuple[str, ...]

    def found(self) -> tuple[Target, dict[str, Any]]:
        """The place, and arguments of runs: what the options say wins over the settings of the workspace.

        Raises:
            SettingsError: if there is no such workspace, or it cannot be used.
        """
        form = form_of(self.expanded, self.exclude_columns, self.hash_columns)
        options = given(pipelines_dir=self.pipelines_dir, base_url=self.base_url, **form)
        if self.workspace is None:
            return target_of(self.database, self.dataset, self.destination), options
        from dub_source.runs import push_options
        from dub_source.workspaces import select

        (one,) = select(
            [self.workspace], destination=self.destination, dataset=self.dataset, database=self.database
        )
        return one.target, push_options(one.options) | options


def where_options(command: Callable[..., R]) -> Callable[..., R]:
    """Options of the commands that carry something back into Dub: a ``where``, and ``as_json``."""

    @functools.wraps(command)
    def wrapped(**options: Any) -> R:
        where: dict[str, Any] = {each.name: options.pop(each.name) for each in fields(Where)}
        return command(where=Where(**where), **options)

    return _with(wrapped, _FORM + _ONE_WORKSPACE + _PLACE)


def given(**options: Any) -> dict[str, Any]:
    """Those that were given: they win over the settings of a workspace."""
    return {name: value for name, value in options.items() if value is not None}


def form_of(
    expanded: bool | None, exclude_columns: tuple[str, ...], hash_columns: tuple[str, ...]
) -> dict[str, Any]:
    """The form as arguments of runs; None is what the configuration says."""
    return {
        "include_expanded_fields": expanded,
        "exclude_columns": list(exclude_columns) or None,
        "hash_columns": list(hash_columns) or None,
    }
