"""What people write to have Dub's customers in DuckDB, each as a program: run again, it loads again.

``python -m benchmarks.loaders NAME FOLDER`` loads the workspace of ``SOURCES__DUB__BASE_URL`` into
``crm.customers`` in the folder's ``peer.duckdb``, and prints a line of JSON: the error it ended with, if any.
What it has read until then is stored all the same.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.readers import loop_pages, rest_api_load

DATABASE = "peer.duckdb"
TABLE = "crm.customers"
NDJSON = "customers.ndjson"
_PAGE = 100
_COLUMNS = {
    "id": "VARCHAR",
    "name": "VARCHAR",
    "email": "VARCHAR",
    "avatar": "VARCHAR",
    "externalId": "VARCHAR",
    "stripeCustomerId": "VARCHAR",
    "country": "VARCHAR",
    "sales": "BIGINT",
    "saleAmount": "BIGINT",
    "createdAt": "TIMESTAMPTZ",
    "firstSaleAt": "TIMESTAMPTZ",
    "subscriptionCanceledAt": "TIMESTAMPTZ",
    "link": "JSON",
    "programId": "VARCHAR",
    "partner": "JSON",
    "discount": "JSON",
}
_SNAKE = {
    "externalId": "external_id",
    "stripeCustomerId": "stripe_customer_id",
    "saleAmount": "sale_amount",
    "createdAt": "created_at",
    "firstSaleAt": "first_sale_at",
    "subscriptionCanceledAt": "subscription_canceled_at",
    "programId": "program_id",
}


@dataclass(frozen=True, slots=True)
class Loader:
    """One way to load, as tables name it."""

    name: str
    title: str


LOADERS = (
    Loader("dub-source", "dub-source load"),
    Loader("rest-api", "dlt rest_api, cursor, merge on id"),
    Loader("rest-api-parquet", "the same with Parquet files"),
    Loader("loop", "requests loop by startingAfter"),
    Loader("sdk", "Dub's Python SDK as released: list(), next()"),
    Loader("sdk-repaired", "Dub's Python SDK, cursor set by hand"),
    Loader("raw", "DuckDB alone: the same rows from a file"),
)


def main(name: str, folder: Path) -> None:
    """Load with this loader."""
    url, key = (os.environ.get(f"SOURCES__DUB__{part}", "") for part in ("BASE_URL", "API_KEY"))
    print(json.dumps({"error": _LOAD[name](url, key, folder)}))


def _loop(url: str, key: str, folder: Path) -> str | None:
    return _stored(loop_pages(url, key), folder)


def _sdk(url: str, key: str, folder: Path) -> str | None:
    from dub import Dub

    def pages() -> Iterator[list[dict[str, Any]]]:
        with Dub(token=key, server_url=url) as client:
            answer = client.customers.list(request={"page_size": _PAGE, "include_expanded_fields": True})
            while answer is not None:
                yield _plain(answer)
                answer = answer.next()

    return _stored(pages(), folder)


def _sdk_repaired(url: str, key: str, folder: Path) -> str | None:
    from dub import Dub

    def pages() -> Iterator[list[dict[str, Any]]]:
        last: dict[str, Any] = {}
        with Dub(token=key, server_url=url) as client:
            while True:
                request: Any = {"page_size": _PAGE, "include_expanded_fields": True, **last}
                answer = client.customers.list(request=request)
                if answer is None or not answer.result:
                    return
                yield _plain(answer)
                last = {"starting_after": answer.result[-1].id}

    return _stored(pages(), folder)


def _plain(answer: Any) -> list[dict[str, Any]]:
    return [customer.model_dump(mode="json", by_alias=True) for customer in answer.result]


def _rest_api(url: str, key: str, folder: Path) -> str | None:
    return rest_api_load(url, key, folder / DATABASE, file_format=None)


def _rest_api_parquet(url: str, key: str, folder: Path) -> str | None:
    return rest_api_load(url, key, folder / DATABASE, file_format="parquet")


def _stored(pages: Iterator[list[dict[str, Any]]], folder: Path) -> str | None:
    """Everything up to the end, or up to the first error."""
    error = None
    with (folder / NDJSON).open("w", encoding="utf-8") as file:
        try:
            for rows in pages:
                file.writelines(json.dumps(row) + "\n" for row in rows)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it goes into the table
            error = type(failure).__name__
    _merge(folder)
    return error


def _raw(url: str, key: str, folder: Path) -> str | None:  # noqa: ARG001
    _merge(folder)
    return None


def _merge(folder: Path) -> None:
    """From the file into the table, by key: as little as DuckDB can do for it."""
    import duckdb

    columns = ", ".join(f"{_SNAKE.get(name, name)} {kind}" for name, kind in _COLUMNS.items())
    columns = columns.replace("id VARCHAR", "id VARCHAR PRIMARY KEY", 1)
    with duckdb.connect(str(folder / DATABASE)) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS crm")
        connection.execute(f"CREATE TABLE IF NOT EXISTS {TABLE} ({columns})")
        connection.execute(
            f"INSERT OR REPLACE INTO {TABLE} SELECT {', '.join(_COLUMNS)} "
            "FROM read_json(?, format = 'newline_delimited', columns = ?)",
            [str(folder / NDJSON), _COLUMNS],
        )


_LOAD: dict[str, Callable[[str, str, Path], str | None]] = {
    "rest-api": _rest_api,
    "rest-api-parquet": _rest_api_parquet,
    "loop": _loop,
    "sdk": _sdk,
    "sdk-repaired": _sdk_repaired,
    "raw": _raw,
}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
