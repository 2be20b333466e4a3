"""``load`` and ``check``: from Dub into the warehouse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from dub_source.cli.load_words import in_one_line, summary
from dub_source.cli.options import (
    EXIT_CODES,
    form_of,
    form_options,
    given,
    place_options,
    some_workspaces,
    target_of,
)
from dub_source.cli.reporting import exit_on_error, progress, say, say_result
from dub_source.cli.workspaces import chosen_workspaces, load_some
from dub_source.process import unhurried_garbage_collector


@click.command(epilog=EXIT_CODES)
@click.option(
    "--mode",
    type=click.Choice(["auto", "incremental", "full"]),
    help="full: everybody, and who is gone; incremental: what is new; auto (default): full when it is due.",
)
@click.option("--sweep-every", type=float, help="Hours between the sweeps of auto (24).")
@click.option("--refresh-requests", type=int, help="Requests for known customers in incremental runs (10).")
@click.option(
    "--max-vanished-share", type=float, help="Share of the customers that may be gone at once (0.1)."
)
@click.option("--max-vanished", type=int, help="The same as a number; the smaller one holds.")
@click.option("--accept-vanished", type=int, help="So many may be gone this time, after a look.")
@click.option("--page-size", type=int, help="Customers a request, 1 to 100.")
@click.option("--country", help="Only customers of this country, into the table customers_filtered.")
@click.option("--link-id", help="Only customers of this link.")
@click.option("--partner-id", help="Only customers of this partner.")
@click.option(
    "--max-seconds", type=float, help="Stop reading after so long; the next run goes on from there."
)
@click.option("--quiet", is_flag=True, help="No progress, and the result in one line.")
@click.option(
    "--parallel", type=click.IntRange(1), help="So many workspaces at once (one a core, 4 at most)."
)
@form_options
@some_workspaces
@place_options
@exit_on_error
def load(
    workspaces: tuple[str, ...],
    all_workspaces: bool,
    parallel: int | None,
    quiet: bool,
    database: Path | None,
    dataset: str,
    destination: str,
    pipelines_dir: Path | None,
    as_json: bool,
    expanded: bool | None,
    exclude_columns: tuple[str, ...],
    hash_columns: tuple[str, ...],
    **options: Any,
) -> int:
    """Bring the warehouse up to date: new, changed and deleted customers, and their history.

    With --workspace or --all-workspaces, each of these has a line of its own, and the exit code is the
    highest of theirs.
    """
    options |= form_of(expanded, exclude_columns, hash_columns)
    if workspaces or all_workspaces:
        chosen = chosen_workspaces(
            workspaces, all_workspaces, database=database, dataset=dataset, destination=destination
        )
        return load_some(
            chosen, parallel, quiet=quiet, as_json=as_json, pipelines_dir=pipelines_dir, **options
        )
    with progress(quiet=quiet or as_json) as observer:
        with unhurried_garbage_collector():
            from dub_source import runs

        result = runs.load(
            target_of(database, dataset, destination),
            pipelines_dir=pipelines_dir,
            observer=observer,
            **options,
        )
    code = result.exit_code
    values = result.as_json()
    say_result(values, lambda: in_one_line(values) if quiet else summary(result), code, as_json=as_json)
    return code


@click.command(epilog=EXIT_CODES)
@click.option("--base-url", help="Address of the API, such as that of a sandbox.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, one object a line.")
@some_workspaces
@exit_on_error
def check(base_url: str | None, as_json: bool, workspaces: tuple[str, ...], all_workspaces: bool) -> int:
    """Look at the key: form, reachability, plan, role, rate limit. Changes nothing."""
    if not (workspaces or all_workspaces):
        return _check(None, {"base_url": base_url}, as_json=as_json)
    chosen = chosen_workspaces(workspaces, all_workspaces)
    return max(
        _check(each.name, {**each.options, **given(base_url=base_url)}, as_json=as_json) for each in chosen
    )


def _check(workspace: str | None, options: dict[str, Any], *, as_json: bool) -> int:
    from dub_source import runs
    from dub_source.failures import explain

    signs = {True: "ok", None: "note", False: "BAD"}
    whose = {} if workspace is None else {"workspace": workspace}
    code = 0
    for finding in runs.check(**options):
        if as_json:
            say(json.dumps({**whose, "topic": finding.topic, "ok": finding.ok, "text": finding.text}))
        else:
            before = f"{workspace}: " if workspace else ""
            say(f"{before}{signs[finding.ok]:<5}{finding.topic}: {finding.text}")
        if finding.error is not None:
            code = explain(finding.error).exit_code
    return code
