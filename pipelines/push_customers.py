"""A whole reverse run: load, plan, apply, for a table of decisions in the warehouse; ready for cron.

Copy it and change what you like. ``crm.people`` in ``dub_customers.duckdb`` has a row for each customer to
change: ``id``, and any of ``name``, ``email``, ``avatar``, ``external_id``, ``stripe_customer_id``; NULL
leaves a value alone. The key comes from ``SOURCES__DUB__API_KEY`` or from ``api_key`` under
``[sources.dub]`` in ``.dlt/secrets.toml``.

    python pipelines/push_customers.py          # shows the plan, and stores it
    python pipelines/push_customers.py --apply  # carries it out
"""

import sys
from pathlib import Path

from dub_source import runs
from dub_source.destinations import Target
from dub_source.failures import ExitCode, explain
from dub_source.reverse.sync_file import Sync

TARGET = Target("duckdb", "dub", Path("dub_customers.duckdb"))
SYNC = Sync(table="crm.people", max_deletes=0)


def push_customers(*, apply: bool) -> ExitCode:
    """Bring the customers in Dub to where ``crm.people`` wants them."""
    made = runs.plan(TARGET, SYNC, refresh=True)
    print("\n".join(made.summary.lines()))
    if made.finished or not apply:
        return ExitCode.OK
    done = runs.apply(TARGET, made.plan.plan_id)
    print(", ".join(f"{number} {result.value}" for result, number in done.counts.items() if number))
    for trouble in done.troubles:
        print(f"{trouble.changes} {trouble.result.value}: {trouble.reason}", file=sys.stderr)
    if done.stopped_by is not None:
        raise done.stopped_by
    return ExitCode.OK if done.complete else ExitCode.NOT_ALL


if __name__ == "__main__":
    try:
        sys.exit(push_customers(apply="--apply" in sys.argv[1:]))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - a cron job wants one sentence and a number
        failure = explain(error)
        print(f"Error: {failure.sentence}", file=sys.stderr)
        sys.exit(failure.exit_code)
