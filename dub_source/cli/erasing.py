"""``erase``: people who want to be forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dub_source.cli.options import EXIT_CODES, Where, where_options
from dub_source.cli.push_reporting import apply_progress
from dub_source.cli.reporting import exit_on_error, say_result
from dub_source.failures import ExitCode
from dub_source.process import unhurried_garbage_collector

if TYPE_CHECKING:
    from dub_source.runs import EraseResult


@click.command(epilog=EXIT_CODES)
@click.option("--id", "ids", multiple=True, help="Dub's id of a person; repeatable.")
@click.option("--external-id", "external_ids", multiple=True, help="A person's external id; repeatable.")
@click.option("--email", "emails", multiple=True, help="A person's email address; repeatable.")
@click.option(
    "--from",
    "file",
    type=click.Path(path_type=Path),
    help="File (.parquet, .csv, .jsonl) with columns id, external_id, email: persons, too.",
)
@click.option("--yes", is_flag=True, help="Do it. Without this, it is only shown.")
@click.option("--include-former", is_flag=True, help="Also who had such a value once, and has it no more.")
@click.option("--max-persons", type=click.IntRange(0), help="So many customers at most (100).")
@where_options
@exit_on_error
def erase(
    where: Where,
    ids: tuple[str, ...],
    external_ids: tuple[str, ...],
    emails: tuple[str, ...],
    file: Path | None,
    yes: bool,
    as_json: bool,
    **bounds: Any,
) -> int:
    """Delete persons in Dub, and remove their values from the warehouse and from this tool's files.

    That is final. Without --yes it says whom it would erase, and nothing happens.
    """
    with apply_progress(quiet=as_json or not yes) as observer:
        with unhurried_garbage_collector():
            from dub_source import runs
            from dub_source.reverse.named import named_in

        named = named_in(file) if file is not None else None
        target, options = where.found()
        result = runs.erase(
            target,
            ids=[*ids, *(named.ids if named else ())],
            external_ids=[*external_ids, *(named.external_ids if named else ())],
            emails=[*emails, *(named.emails if named else ())],
            apply=yes,
            observer=observer,
            **options,
            **bounds,
        )
    code = result.exit_code if yes else ExitCode.OK
    say_result(result.as_json(), lambda: about_erasure(result, done=yes), code, as_json=as_json)
    return code


def about_erasure(result: EraseResult, *, done: bool) -> str:
    """An erasure in some lines, and how to go on. It names people by Dub's ids alone."""
    found = result.living + result.deleted_before
    lines = [
        f"{found:,} customers found: {result.living:,} to delete in Dub, {result.deleted_before:,} deleted "
        "before."
    ]
    if result.nobodies:
        lines.append(f"Nobody has {result.nobodies:,} of the ids and addresses that were given.")
    if result.formerly:
        lines += [
            f"{len(result.formerly):,} had one of these values only formerly: it may be somebody else's by "
            "now, so look at them. They are erased only with --include-former:",
            *(f"  {each}" for each in result.formerly),
        ]
    lines += _what_was_done(result) if done else _what_would_be_done(result)
    return "\n".join([*lines, *result.notes])


def _what_would_be_done(result: EraseResult) -> list[str]:
    lines = []
    if result.waiting:
        lines.append(f"{len(result.waiting):,} earlier erasures are not done yet, and come first.")
    if result.living + result.deleted_before or result.waiting:
        lines.append("Nothing has been changed. Erase for good, in Dub and here: the same again with --yes.")
    return lines


def _what_was_done(result: EraseResult) -> list[str]:
    lines = [f"Erased: {len(result.erased):,}."]
    if result.removed:
        held = ", ".join(f"{number:,} in {table}" for table, number in result.removed.items())
        lines.append(f"Rows that held something of them: {held}.")
    if result.rewritten:
        lines.append("The database file was written anew, without the bytes of what was deleted.")
    for customer_id, outcome in result.left.items():
        lines.append(f"Not erased: {customer_id} ({outcome.value if outcome is not None else 'waits'}).")
    if result.stopped_by is not None:
        lines.append(f"Stopped: {result.stopped_by}")
    if result.waiting:
        lines.append("It is not done: run the same again to go on.")
    return lines
