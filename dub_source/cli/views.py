"""``views``: the views for analysts, made, dropped or printed; and the sources for dbt."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dub_source.cli.options import EXIT_CODES, some_workspaces, tables_options, target_of
from dub_source.cli.reporting import exit_on_error, say
from dub_source.cli.streams import tell
from dub_source.cli.workspaces import chosen_workspaces
from dub_source.errors import InvalidArgument
from dub_source.failures import ExitCode
from dub_source.process import unhurried_garbage_collector
from dub_source.table_names import CUSTOMERS

if TYPE_CHECKING:
    from dub_source.destinations import Target
    from dub_source.destinations.views import Selects
    from dub_source.runs import ViewsResult


@click.command(epilog=EXIT_CODES)
@click.option("--drop", is_flag=True, help="Drop them instead.")
@click.option("--print-sql", is_flag=True, help="Print what makes them; nothing is changed.")
@click.option("--dialect", help="With --print-sql, the SQL of another engine, such as snowflake.")
@click.option("--dbt", is_flag=True, help="Print a sources.yml for dbt; nothing is changed.")
@some_workspaces
@tables_options
@click.option("--pipelines-dir", type=click.Path(path_type=Path), help="Folder of dlt's working files.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@exit_on_error
def views(
    workspaces: tuple[str, ...],
    all_workspaces: bool,
    database: Path | None,
    dataset: str,
    destination: str,
    drop: bool,
    print_sql: bool,
    dialect: str | None,
    dbt: bool,
    pipelines_dir: Path | None,
    as_json: bool,
) -> int:
    """Make views for analysts in the destination: cohorts, churn, revenue by partner, link and country.

    They are replaced if they are there; something else that has the name of one is left as it is, and the
    exit code is 6 then. Loads keep them right from then on. Dub is not asked, and no key is needed.
    """
    if drop + print_sql + dbt > 1 or (dialect and not print_sql) or (dbt and as_json):
        raise InvalidArgument(
            "Use one of --drop, --print-sql and --dbt at a time, --dialect with --print-sql, and --json not "
            "with --dbt."
        )
    places = _places(workspaces, all_workspaces, database, dataset, destination)
    with unhurried_garbage_collector():
        from dub_source import runs
    if dbt:
        from dub_source.runs.dbt import sources

        say(sources([(target, table) for _, target, table in places]))
        return ExitCode.OK
    found, code = [], ExitCode.OK
    for name, target, table in places:
        whose = {} if name is None else {"workspace": name}
        if print_sql:
            selects = runs.view_selects(target, table=table, dialect=dialect)
            found.append({**whose, "sql": dict(selects.sql), "left_out": dict(selects.left_out)})
            if not as_json:
                _print(selects)
            continue
        change: Callable[..., ViewsResult] = runs.drop_views if drop else runs.create_views
        result = change(target, table=table, pipelines_dir=pipelines_dir)
        found.append(whose | result.as_json())
        if result.in_the_way:
            code = ExitCode.DESTINATION
        if not as_json:
            _tell(name, result)
    if as_json:
        say(json.dumps(found if workspaces or all_workspaces else found[0]))
    return code


def _places(
    workspaces: tuple[str, ...],
    all_workspaces: bool,
    database: Path | None,
    dataset: str,
    destination: str,
) -> list[tuple[str | None, Target, str]]:
    """The workspace, the place and the table of customers of each."""
    from dub_source.runs.pushing import configured_table

    if not (workspaces or all_workspaces):
        return [(None, target_of(database, dataset, destination), configured_table())]
    place = {"database": database, "dataset": dataset, "destination": destination}
    chosen = chosen_workspaces(workspaces, all_workspaces, keys=False, **place)
    return [(each.name, each.target, each.options.get("table_name") or CUSTOMERS) for each in chosen]


def _print(selects: Selects) -> None:
    """What can be run as it stands: what is left out is a comment."""
    for name, why in selects.left_out.items():
        say(f"-- No view {name}: {why}\n")
    for select in selects.statements():
        say(f"{select};\n")


def _tell(workspace: str | None, result: ViewsResult) -> None:
    before = "" if workspace is None else f"{workspace}: "
    where = f"{result.target.location}, dataset {result.target.dataset}"
    for done, names in (("Made", result.created), ("Dropped", result.dropped)):
        if names:
            say(f"{before}{done} in {where}: {', '.join(names)}.")
    if not (result.created or result.dropped):
        say(f"{before}Nothing was changed in {where}.")
    for name, why in result.left_out.items():
        say(f"{before}No view {name}: {why}")
    for name in result.in_the_way:
        tell(
            f"{before}{name} was left as it is, because it is no view of dub-source: rename it, then run the "
            "same again."
        )
