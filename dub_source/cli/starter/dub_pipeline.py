"""Load the customers, and carry what syncs/names.toml says back into Dub; ready for cron. Change it freely.

python dub_pipeline.py          # loads, makes the plan and shows it
python dub_pipeline.py --apply  # carries it out, too
"""

import sys
from pathlib import Path

from dub_source import runs
from dub_source.destinations import Target
from dub_source.failures import ExitCode, explain
from dub_source.reverse.sync_file import read_sync

TARGET = Target("duckdb", "dub", Path("dub_customers.duckdb"))
SYNC = Path("syncs/names.toml")


def main(*, apply: bool) -> ExitCode:
    """One run from Dub to the warehouse and back."""
    loaded = runs.load(TARGET)
    report = loaded.report
    print(
        f"{report.decision.kind} run: {report.created} created, {report.updated} updated, "
        f"{report.deleted} deleted; {loaded.rows} rows in {TARGET.location}"
    )
    if not report.complete:
        return ExitCode.INCOMPLETE
    planned = runs.plan(TARGET, read_sync(SYNC), folder=SYNC.parent)
    print("\n".join(planned.summary.lines()))
    if planned.finished or not apply:
        return ExitCode.OK
    applied = runs.apply(TARGET, planned.plan.plan_id)
    print(", ".join(f"{number} {result.value}" for result, number in applied.counts.items() if number))
    for trouble in applied.troubles:
        print(f"{trouble.changes} {trouble.result.value}: {trouble.reason}", file=sys.stderr)
    if applied.stopped_by is not None:
        raise applied.stopped_by
    return ExitCode.OK if applied.complete else ExitCode.NOT_ALL


if __name__ == "__main__":
    try:
        sys.exit(main(apply="--apply" in sys.argv[1:]))
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - cron wants one sentence and a number
        failure = explain(error)
        print(f"Error: {failure.sentence}", file=sys.stderr)
        sys.exit(failure.exit_code)
