"""``plan``, ``apply`` and ``revert``: from the warehouse to Dub."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from dub_source.cli.options import EXIT_CODES, Where, looked_at, one_workspace, tables_options, where_options
from dub_source.cli.push_reporting import about_apply, about_plan, apply_command, apply_progress
from dub_source.cli.reporting import exit_on_error, progress, say, say_result
from dub_source.failures import ExitCode
from dub_source.process import unhurried_garbage_collector

if TYPE_CHECKING:
    from dub_source.runs import PlanResult


def _files(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[CompletionItem]:
    """For the completion of a shell: a source may be a file."""
    return [CompletionItem(begun, type="file")]


_DELETES = (
    click.option("--max-deletes", type=int, help="Customers that the plan may delete."),
    click.option("--max-delete-share", type=float, help="Share of the customers that it may delete (0.1)."),
)


@click.command(epilog=EXIT_CODES)
@click.argument("source", shell_complete=_files)
@click.option("--key", type=click.Choice(["id", "external_id"]), help="How rows name customers (id).")
@click.option("--map", "mapping", multiple=True, help="email=primary_email: our column, theirs; repeatable.")
@click.option(
    "--mode",
    "sync_mode",
    type=click.Choice(["update", "upsert", "create", "delete", "mirror"]),
    help="What to do with customers (update); mirror also deletes its own who are not in SOURCE any more.",
)
@click.option("--clear-nulls", multiple=True, help="NULL in this column clears it in Dub; repeatable.")
@click.option("--allow-swaps", is_flag=True, default=None, help="Customers may exchange external ids.")
@click.option("--try", "try_ignored", is_flag=True, default=None, help="Send a country, which Dub ignores.")
@_DELETES[0]
@_DELETES[1]
@click.option("--max-mirror-age", "max_mirror_age_h", type=float, help="Hours since the last load (24).")
@click.option("--max-plan-age", "max_plan_age_h", type=float, help="Hours until the plan is too old (24).")
@click.option("--refresh", is_flag=True, help="Load first.")
@click.option("--show-values", is_flag=True, help="Show people's values in the samples.")
@where_options
@exit_on_error
def plan(
    where: Where,
    source: str,
    mapping: tuple[str, ...],
    refresh: bool,
    show_values: bool,
    as_json: bool,
    **declaration: Any,
) -> int:
    """Compare SOURCE with the customers in the warehouse, and store what would have to change in Dub.

    SOURCE is a sync file (.toml), a file of rows (.parquet, .csv, .jsonl), a table such as crm.people, or a
    query that begins with SELECT or WITH. Nothing is written to Dub.
    """
    with progress(quiet=as_json or not refresh) as observer:
        with unhurried_garbage_collector():
            from dub_source import runs
            from dub_source.cli.declaring import declared

        sync, folder = declared(source, mapping=mapping, **declaration)
        target, options = where.found()
        result = runs.plan(target, sync, refresh=refresh, folder=folder, observer=observer, **options)
    return _tell_plan(result, where.workspace, as_json=as_json, show_values=show_values)


@click.command(epilog=EXIT_CODES)
@click.argument("plan_id", metavar="[PLAN]", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "html", "json"]),
    default="text",
    show_default=True,
    help="markdown is for a pull request, html a page of its own.",
)
@click.option("--show-values", is_flag=True, help="Show people's values in the samples.")
@one_workspace
@tables_options
@exit_on_error
def show(
    plan_id: str | None,
    form: str,
    show_values: bool,
    workspace: str | None,
    database: Path | None,
    dataset: str,
    destination: str,
) -> int:
    """Show a stored [PLAN], or the newest one, to whoever is to say yes to it.

    It looks at the warehouse alone: Dub is not asked, no key is needed, nothing is changed.
    """
    with unhurried_garbage_collector():
        from dub_source import runs
    target, table = looked_at(workspace, database, dataset, destination)
    found = runs.show(target, plan_id, table=table)
    shown = replace(found, summary=replace(found.summary, show_values=show_values))
    command = apply_command(found, workspace)
    texts: dict[str, Callable[[], str]] = {
        "text": lambda: about_plan(shown, workspace),
        "markdown": lambda: shown.as_markdown(command).rstrip(),
        "html": lambda: shown.as_html(command).rstrip(),
        "json": lambda: json.dumps(shown.as_json()),
    }
    say(texts[form]())
    return ExitCode.OK


@click.command(epilog=EXIT_CODES)
@click.argument("plan_id", metavar="PLAN")
@click.option("--retry-rejected", is_flag=True, help="Send what was rejected once more, and nothing else.")
@click.option("--max-plan-age", "max_plan_age_h", type=float, help="Hours after which it is too old.")
@click.option("--max-seconds", type=float, help="Begin no further change after so long.")
@where_options
@exit_on_error
def apply(
    where: Where,
    plan_id: str,
    retry_rejected: bool,
    max_plan_age_h: float | None,
    max_seconds: float | None,
    as_json: bool,
) -> int:
    """Send what PLAN lists to Dub, or what is left of it. The first characters of its id are enough."""
    with apply_progress(quiet=as_json) as observer:
        with unhurried_garbage_collector():
            from dub_source import runs

        target, options = where.found()
        result = runs.apply(
            target,
            plan_id,
            retry_rejected=retry_rejected,
            max_plan_age_h=max_plan_age_h,
            max_seconds=max_seconds,
            observer=observer,
            **options,
        )
    code = result.exit_code
    say_result(result.as_json(), lambda: about_apply(result, where.workspace), code, as_json=as_json)
    return code


@click.command(epilog=EXIT_CODES)
@click.argument("plan_id", metavar="PLAN")
@click.option("--delete-created", is_flag=True, help="Delete the customers that it created, for good.")
@_DELETES[0]
@_DELETES[1]
@click.option("--show-values", is_flag=True, help="Show people's values in the samples.")
@where_options
@exit_on_error
def revert(where: Where, plan_id: str, show_values: bool, as_json: bool, **deletes: Any) -> int:
    """Plan the way back from PLAN; apply that as any other plan."""
    with unhurried_garbage_collector():
        from dub_source import runs
    target, options = where.found()
    result = runs.revert(target, plan_id, **options, **deletes)
    return _tell_plan(result, where.workspace, as_json=as_json, show_values=show_values)


def _tell_plan(result: PlanResult, workspace: str | None, *, as_json: bool, show_values: bool) -> int:
    shown = replace(result, summary=replace(result.summary, show_values=show_values))
    say_result(
        shown.as_json(),
        lambda: about_plan(shown, workspace),
        ExitCode.OK,
        as_json=as_json,
        logged=result.as_json(),  # a log is not the place for people's values, whoever asks
    )
    return ExitCode.OK
