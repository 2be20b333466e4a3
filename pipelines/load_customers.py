"""Load the customers of a Dub workspace into DuckDB: what ``dub-source load`` does, as a dlt script.

Copy it and change what you like; it is plain dlt. The key comes from ``SOURCES__DUB__API_KEY`` or from
``api_key`` under ``[sources.dub]`` in ``.dlt/secrets.toml``. Run it in a folder with ``.dlt/config.toml``,
which turns dlt's telemetry off and makes dlt remove loaded files.

    python pipelines/load_customers.py
"""

import sys

import dlt

from dub_source import dub
from dub_source.failures import explain


def load_customers() -> None:
    """Merge every customer into the table ``dub.customers`` of ``dub_customers.duckdb``."""
    pipeline = dlt.pipeline(
        pipeline_name="dub_customers",
        destination=dlt.destinations.duckdb("dub_customers.duckdb"),
        dataset_name="dub",
    )
    print(pipeline.run(dub()))


if __name__ == "__main__":
    try:
        load_customers()
    except Exception as error:  # noqa: BLE001 - whatever it is, a cron job wants one sentence and a number
        failure = explain(error)
        print(f"Error: {failure.sentence}", file=sys.stderr)
        sys.exit(failure.exit_code)
