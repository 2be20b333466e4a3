"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from dub_source.cli.json_log import log_json_option
from dub_source.failures import ExitCode

if TYPE_CHECKING:
    from dub_source.destinations import Target

F = TypeVar("F", bound=Callable[..., Any])

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:<3}  {code.meaning}" for code in ExitCode)

_PLACE = (
    click.option(
        "--database", type=click.Path(path_type=Path), help="DuckDB file to work with (dub_customers.duckdb)."
    ),
    click.option("--dataset", default="dub", show_default=True, help="Dataset (schema) of the customers."),
    click.option(
        "--destination", default="duckdb", show_default=True, help="Any dlt destination that can merge."
    ),
    click.option("--pipelines-dir", type=click.Path(path_type=Path), help="Folder of dlt's working files."),
    click.option("--base-url", help="Address of the API, such as that of a sandbox."),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    log_json_option,
)
_SOME_WORKSPACES = (
    click.option(
        "--workspace", "workspaces", multiple=True, help="This workspace of the settings; repeatable."
    ),
    click.option("--all-workspaces", is_flag=True, help="All workspaces of the settings."),
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


def place_options(command: F) -> F:
    """Where the customers are, and how to print: ``database``, ``dataset``, ..., ``as_json``."""
    return _with(command, _PLACE)


def one_workspace(command: F) -> F:
    """Which of several workspaces: ``workspace``."""
    return click.option("--workspace", help="This workspace of the settings, in its own place.")(command)


def some_workspaces(command: F) -> F:
    """Which of several workspaces: ``workspaces``, ``all_workspaces``."""
    return _with(command, _SOME_WORKSPACES)


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


def place_of(
    workspace: str | None, database: Path | None, dataset: str, destination: str
) -> tuple[Target, dict[str, Any]]:
    """The place of a workspace, and what its settings have for plans; without one what the options name.

    Raises:
        SettingsError: if there is no such workspace, or it cannot be used.
    """
    if workspace is None:
        return target_of(database, dataset, destination), {}
    from dub_source.runs import push_options
    from dub_source.workspaces import select

    (one,) = select([workspace], destination=destination, dataset=dataset, database=database)
    return one.target, push_options(one.options)


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
