"""Keep a DuckDB file up to date with a Dub workspace: what ``dub-source load`` does, as a dlt script.

Copy it and change what you like; it is plain dlt. The key comes from ``SOURCES__DUB__API_KEY`` or from
``api_key`` under ``[sources.dub]`` in ``.dlt/secrets.toml``. Run it in a folder with ``.dlt/config.toml``,
which turns dlt's telemetry off and keeps rows out of its working folder and its log.

    python pipelines/load_customers.py

Run one at a time: unlike ``dub-source load``, dlt does not keep two runs of one pipeline apart.
"""

import os
import sys

import dlt

from dub_source import dub
from dub_source.failures import ExitCode, explain
from dub_source.runs import Outcome, run_source


def load_customers() -> ExitCode:
    """Bring the dataset ``dub`` of ``dub_customers.duckdb`` up to date."""
    # Rows are on the disk while they are on their way: nobody else needs to read them.
    os.umask(0o077)
    pipeline = dlt.pipeline(
        pipeline_name="dub_customers",
        destination=dlt.destinations.duckdb("dub_customers.duckdb"),
        dataset_name="dub",
    )
    # A run that was killed leaves its package behind. dlt would load that one now, of long ago, instead of
    # asking Dub; and what it had staged a second time, which makes duplicates. So forget it, with its rows:
    # all that dlt must know for this run is in the destination, and what was read is kept elsewhere.
    pipeline.drop()
    outcome = Outcome()
    try:
        run_source(pipeline, dub(observer=outcome, keep_rows=True), outcome)
    finally:
        pipeline.drop()
    report = outcome.report
    if report is None or not report.complete:
        unread = 0 if report is None else report.left_out
        print(f"The customers are not all there: complete except {unread}.", file=sys.stderr)
        return ExitCode.INCOMPLETE
    print(
        f"{report.decision.kind}: read {report.read}, created {report.created}, updated {report.updated}, "
        f"deleted {report.deleted}, {report.stats.requests} requests"
    )
    return ExitCode.OK


if __name__ == "__main__":
    try:
        sys.exit(load_customers())
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a cron job wants one sentence and a number
        failure = explain(error)
        print(f"Error: {failure.sentence}", file=sys.stderr)
        sys.exit(failure.exit_code)
