"""The commands: arguments in, words and exit codes out."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click

from dub_source.cli.reporting import exit_on_error, progress, say, summary, unhurried_garbage_collector
from dub_source.failures import ExitCode


def _finite(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    """A number that is one: nan and inf pass click's ranges."""
    if not math.isfinite(value):
        raise click.BadParameter("nan and inf are no durations.")
    return value


_EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code.value:<3}  {code.meaning}" for code in ExitCode)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dub-source", prog_name="dub-source")
def dub_source() -> None:
    """Every customer of a Dub workspace in your warehouse.

    The key comes from SOURCES__DUB__API_KEY, or from api_key under [sources.dub] in .dlt/secrets.toml.
    """


@dub_source.command(epilog=_EXIT_CODES)
@click.option(
    "--database", type=click.Path(path_type=Path), help="DuckDB file to load into (dub_customers.duckdb)."
)
@click.option("--dataset", default="dub", show_default=True, help="Dataset (schema) to load into.")
@click.option(
    "--destination", default="duckdb", show_default=True, help="Any dlt destination that can merge."
)
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
@click.option("--exclude-column", "exclude_columns", multiple=True, help="Leave this column out; repeatable.")
@click.option(
    "--hash-column", "hash_columns", multiple=True, help="Hash this column with hash_key; repeatable."
)
@click.option("--base-url", help="Address of the API, such as that of a sandbox.")
@click.option("--page-size", type=int, help="Customers a request, 1 to 100.")
@click.option(
    "--expanded/--no-expanded", default=None, help="Load link, partner, program, discount (default)."
)
@click.option("--country", help="Only customers of this country, into the table customers_filtered.")
@click.option("--link-id", help="Only customers of this link.")
@click.option("--partner-id", help="Only customers of this partner.")
@click.option("--pipelines-dir", type=click.Path(path_type=Path), help="Folder of dlt's working files.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
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
            from dub_source.destinations import DEFAULT_DATABASE, Target

        target = Target(destination, dataset, database or DEFAULT_DATABASE)
        result = runs.load(
            target,
            pipelines_dir=pipelines_dir,
            observer=observer,
            include_expanded_fields=expanded,
            exclude_columns=list(exclude_columns) or None,
            hash_columns=list(hash_columns) or None,
            **options,
        )
    if as_json:
        say(json.dumps(result.as_json()))
    else:
        say(summary(result))
    return ExitCode.OK if result.report.complete else ExitCode.INCOMPLETE


@dub_source.command(epilog=_EXIT_CODES)
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


@dub_source.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="0 chooses a free one."
)
@click.option("--seed", type=click.Path(path_type=Path), help="Start with this seed file's rows and keys.")
@click.option(
    "--customers", type=click.IntRange(0), default=1_000, show_default=True, help="Make up this many."
)
@click.option(
    "--random-seed", type=int, default=0, show_default=True, help="The same seed makes the same customers."
)
@click.option("--unreadable", type=click.IntRange(0), default=0, help="So many of them without externalId.")
@click.option(
    "--latency-ms", type=click.FloatRange(0), callback=_finite, default=0.0, help="Delay of every answer."
)
@click.option(
    "--rate-limit", default="plan", show_default=True, help="Requests a window and key; or 'plan', 'off'."
)
@click.option(
    "--rate-window",
    type=click.FloatRange(0.1),
    callback=_finite,
    default=60.0,
    show_default=True,
    help="Seconds.",
)
@click.option("--faults", type=click.Path(path_type=Path), help="JSON file with scripted faults.")
@click.option("--log/--no-log", default=False, help="Keep a log of requests in memory.")
@exit_on_error
def sandbox(port: int, rate_limit: str, faults: Path | None, **options: Any) -> int:
    """Run a Dub API on 127.0.0.1, to practise and test on. Stop it with Ctrl-C."""
    from dub_source.cli.sandbox import serve

    serve(port=port, rate_limit=rate_limit, faults=faults, **options)
    return 0


@dub_source.command()
@exit_on_error
def demo() -> int:
    """Load a made-up workspace from a sandbox, and see what a plain cursor walk would have lost."""
    from dub_source.cli.demo import run

    run()
    return 0
