"""Revenue by country, computed by Sail, a distributed engine that speaks Spark Connect.

    python tests/lake/engine.py TABLE

prints the rows as JSON. A process of its own, because Sail's server does not let it end by itself.
"""

import json
import os
import sys
from typing import Any

QUERY = (
    "SELECT country, count(*) AS customers, sum(sale_amount) AS revenue FROM customers "
    "WHERE deleted_at IS NULL GROUP BY country"
)


def main(table: str) -> None:
    from pysail.spark import SparkConnectServer
    from pyspark.sql import SparkSession

    server: Any = SparkConnectServer()
    server.start(background=True)
    host, port = server.listening_address
    spark: Any = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()
    spark.read.format("delta").load(table).createOrReplaceTempView("customers")
    sys.stdout.write(json.dumps([list(row) for row in spark.sql(QUERY).collect()]))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
