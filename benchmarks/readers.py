"""Every way to read all customers that people use today, each as its documentation shows it.

``python -m benchmarks.readers NAME FOLDER`` reads the workspace of ``SOURCES__DUB__BASE_URL`` and prints one
line of JSON: where the ids are, and how many rows were delivered. All ask for pages of 100, expanded, because
that is what ``dub-source load`` reads. A reader that gets an error keeps what it has and names the error.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_PAGE = 100
_DATASET = "crm"


@dataclass(frozen=True, slots=True)
class Reader:
    """One way to read, as the table names it; ``loads`` tells whether it fills a DuckDB file."""

    name: str
    title: str
    loads: bool


READERS = (
    Reader("dub-source", "dub-source load", True),
    Reader("sdk", "Dub's Python SDK: list(), then .next()", False),
    Reader("dlt-cursor", "dlt rest_api, cursor paginator, merge on id", True),
    Reader("dlt-parquet", "dlt rest_api, cursor paginator, parquet, merge on id", True),
    Reader("dlt-pages", "dlt rest_api, page number paginator, parquet, merge on id", True),
    Reader("loop-desc", "plain loop: first page, then startingAfter = last id", False),
    Reader("loop-asc", "the same with sortOrder=asc", False),
    Reader("offset", "plain loop over page=1, 2, 3, ...", False),
)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a reader printed: ``rows`` counts every delivery; the ids are in ``ids`` or in ``database``."""

    rows: int
    ids: tuple[str, ...] = ()
    database: str | None = None
    table: str = ""
    error: str | None = None


def main(name: str, folder: Path) -> None:
    """Read with this reader and print what came."""
    url, key = (os.environ.get(f"SOURCES__DUB__{part}", "") for part in ("BASE_URL", "API_KEY"))
    read = _READ[name]
    print(json.dumps(asdict(read(url, key, folder))))


def _sdk(url: str, key: str, folder: Path) -> Delivered:  # noqa: ARG001
    from dub import Dub

    def ids() -> Iterator[str]:
        with Dub(token=key, server_url=url) as client:
            answer = client.customers.list(request={"page_size": _PAGE, "include_expanded_fields": True})
            while answer is not None:
                yield from (customer.id for customer in answer.result)
                answer = answer.next()

    return _collect(ids())


def loop_pages(url: str, key: str, **order: str) -> Iterator[list[dict[str, Any]]]:
    """What Dub's reference describes: each page starts after the last id of the one before."""
    import requests

    parameters = {"pageSize": str(_PAGE), "includeExpandedFields": "true", **order}
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {key}"
        while True:
            answer = session.get(f"{url}/customers", params=parameters, timeout=60)
            answer.raise_for_status()
            rows = answer.json()
            if not rows:
                return
            yield rows
            parameters["startingAfter"] = rows[-1]["id"]


def _loop(url: str, key: str, **order: str) -> Iterator[str]:
    return (row["id"] for rows in loop_pages(url, key, **order) for row in rows)


def _loop_desc(url: str, key: str, folder: Path) -> Delivered:  # noqa: ARG001
    return _collect(_loop(url, key))


def _loop_asc(url: str, key: str, folder: Path) -> Delivered:  # noqa: ARG001
    return _collect(_loop(url, key, sortOrder="asc"))


def _offset(url: str, key: str, folder: Path) -> Delivered:  # noqa: ARG001
    import requests

    def ids() -> Iterator[str]:
        parameters: dict[str, str | int] = {"pageSize": _PAGE, "includeExpandedFields": "true", "page": 1}
        with requests.Session() as session:
            session.headers["Authorization"] = f"Bearer {key}"
            while True:
                answer = session.get(f"{url}/customers", params=parameters, timeout=60)
                answer.raise_for_status()
                rows = answer.json()
                if not rows:
                    return
                yield from (row["id"] for row in rows)
                parameters["page"] = int(parameters["page"]) + 1

    return _collect(ids())


_CURSOR = {"type": "cursor", "cursor_path": "[-1].id", "cursor_param": "startingAfter"}


def _dlt_cursor(url: str, key: str, folder: Path) -> Delivered:
    return _dlt(url, key, folder, paginator=_CURSOR, file_format=None)


def _dlt_parquet(url: str, key: str, folder: Path) -> Delivered:
    return _dlt(url, key, folder, paginator=_CURSOR, file_format="parquet")


def _dlt_pages(url: str, key: str, folder: Path) -> Delivered:
    numbers = {"type": "page_number", "base_page": 1, "page_param": "page", "total_path": None}
    return _dlt(url, key, folder, paginator=numbers, file_format="parquet")


def _dlt(url: str, key: str, folder: Path, *, paginator: Any, file_format: Any) -> Delivered:
    database = folder / "peer.duckdb"
    rows, error = _rest_api(url, key, database, paginator=paginator, file_format=file_format)
    return Delivered(rows, database=str(database), table=f"{_DATASET}.customers", error=error)


def rest_api_load(url: str, key: str, database: Path, *, file_format: Any) -> str | None:
    """Load by cursor into ``crm.customers`` of a DuckDB file, merged on id; the error it ended with."""
    return _rest_api(url, key, database, paginator=_CURSOR, file_format=file_format)[1]


def _rest_api(
    url: str, key: str, database: Path, *, paginator: Any, file_format: Any
) -> tuple[int, str | None]:
    """Rows that came, and the error it ended with."""
    import dlt
    from dlt.sources.rest_api import rest_api_source
    from dlt.sources.rest_api.typing import RESTAPIConfig

    config: RESTAPIConfig = {
        "client": {"base_url": url, "auth": {"type": "bearer", "token": key}, "paginator": paginator},
        "resource_defaults": {"primary_key": "id", "write_disposition": "merge"},
        "resources": [
            {
                "name": "customers",
                "endpoint": {
                    "path": "customers",
                    "params": {"pageSize": _PAGE, "includeExpandedFields": "true"},
                    "data_selector": "$",
                },
            }
        ],
    }
    pipeline = dlt.pipeline("peer", destination=dlt.destinations.duckdb(str(database)), dataset_name=_DATASET)
    error = None
    try:
        pipeline.run(rest_api_source(config), loader_file_format=file_format)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it goes into the table
        error = type(failure).__name__
    trace = pipeline.last_trace
    normalized = trace.last_normalize_info if trace else None
    return (normalized.row_counts.get("customers", 0) if normalized else 0), error


def _nothing(url: str, key: str, folder: Path) -> Delivered:  # noqa: ARG001
    """What dlt costs by itself: a table is known, and nothing comes for it."""
    import dlt

    @dlt.resource(name="customers", primary_key="id", write_disposition="merge")
    def nobody() -> Iterator[dict[str, Any]]:
        yield from ()

    database = folder / "nothing.duckdb"
    dlt.pipeline("nothing", destination=dlt.destinations.duckdb(str(database)), dataset_name=_DATASET).run(
        nobody()
    )
    return Delivered(0)


def _collect(ids: Iterator[str]) -> Delivered:
    """Everything up to the end, or up to the first error."""
    found: list[str] = []
    error = None
    try:
        found.extend(ids)
    except Exception as failure:  # noqa: BLE001 - whatever it is, it goes into the table
        error = type(failure).__name__
    return Delivered(len(found), ids=tuple(found), error=error)


_READ: dict[str, Callable[[str, str, Path], Delivered]] = {
    "sdk": _sdk,
    "dlt-cursor": _dlt_cursor,
    "dlt-parquet": _dlt_parquet,
    "dlt-pages": _dlt_pages,
    "loop-desc": _loop_desc,
    "loop-asc": _loop_asc,
    "offset": _offset,
    "nothing": _nothing,
}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
