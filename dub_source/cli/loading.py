"""``load`` and ``check``: from Dub into the warehouse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from dub_source.cli.options import EXIT_CODES, form_of, form_options, place_options, target_of
from dub_source.cli.reporting import exit_on_error, progress, say, summary, unhurried_garbage_collector
from dub_source.failures import ExitCode


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
@form_options
@place_options
@exit_on_error
def load(
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
    """Bring the warehouse up to date: new, changed and deleted customers, and their history."""
    with progress(quiet=as_json) as observer:
        with unhurried_garbage_collector():
            from dub_source import runs

        result = runs.load(
            target_of(database, dataset, destination),
            pipelines_dir=pipelines_dir,
            observer=observer,
            **form_of(expanded, exclude_columns, hash_columns),
            **options,
        )
    if as_json:
        say(json.dumps(result.as_json()))
    else:
        say(summary(result))
    return ExitCode.OK if result.report.complete else ExitCode.INCOMPLETE


@click.command(epilog=EXIT_CODES)
@click.option("--base-url", help="Address of the API, such as that of a sandbox.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON, one object a line.")
@exit_on_error
def check(base_url: str | None, as_json: bool) -> int:
    """Look at the key: form, reachability, plan, role, rate limit. Changes nothing."""
    from dub_source import runs
    from dub_source.failures import explain

    signs = {True: "ok", None: "note", False: "BAD"}
    code = 0
    for finding in runs.check(base_url=base_url):
        if as_json:
            say(json.dumps({"topic": finding.topic, "ok": finding.ok, "text": finding.text}))
        else:
            say(f"{signs[finding.ok]:<5}{finding.topic}: {finding.text}")
        if finding.error is not None:
            code = explain(finding.error).exit_code
    return code
