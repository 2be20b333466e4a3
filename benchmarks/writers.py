"""What people write to carry a list of new email addresses into Dub, each as a program.

``python -m benchmarks.writers NAME FOLDER`` sends the rows of the folder's ``desired.csv`` (``id`` and
``email``) to the workspace of ``SOURCES__DUB__BASE_URL``, and leaves ``told.json``: the ids that it takes for
written.
"""

import csv
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

DESIRED = "desired.csv"
TOLD = "told.json"
_ATTEMPTS = 120
_BETWEEN_S = 1.0


@dataclass(frozen=True, slots=True)
class Writer:
    """One way to write, as tables name it."""

    name: str
    title: str


WRITERS = (
    Writer("dub-source", "dub-source plan, then apply"),
    Writer("loop", "requests loop: what fails is noted"),
    Writer("loop-again", "requests loop: what fails is sent again after a second"),
    Writer("sdk", "Dub's Python SDK as released: customers.update()"),
    Writer("drt", "drt-core's REST destination"),
)


def main(name: str, folder: Path) -> None:
    """Write with this writer."""
    url, key = (os.environ[f"SOURCES__DUB__{part}"] for part in ("BASE_URL", "API_KEY"))
    with (folder / DESIRED).open(encoding="utf-8", newline="") as file:
        rows = [(row["id"], row["email"]) for row in csv.DictReader(file)]
    written = list(_WRITE[name](url, key, rows))
    (folder / TOLD).write_text(json.dumps(written), encoding="utf-8")


def _loop(url: str, key: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    return _patched(url, key, rows, attempts=1)


def _loop_again(url: str, key: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    return _patched(url, key, rows, attempts=_ATTEMPTS)


def _patched(url: str, key: str, rows: list[tuple[str, str]], *, attempts: int) -> Iterator[str]:
    import requests

    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {key}"
        for customer_id, email in rows:
            for attempt in range(attempts):
                if attempt:
                    # Dub's Retry-After is a moment in milliseconds: nobody sleeps that long.
                    time.sleep(_BETWEEN_S)
                try:
                    answer = session.patch(
                        f"{url}/customers/{customer_id}", json={"email": email}, timeout=60
                    )
                except requests.RequestException:
                    continue
                if answer.ok:
                    yield customer_id
                    break


def _sdk(url: str, key: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    from dub import Dub

    with Dub(token=key, server_url=url) as client:
        for customer_id, email in rows:
            try:
                client.customers.update(request={"id": customer_id, "request_body": {"email": email}})
            except Exception:  # noqa: BLE001, S112 - whatever it is, the customer does not count as written
                continue
            yield customer_id


def _drt(url: str, key: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    """As its documentation shows templates; its address is none."""
    from drt.config.models import (  # type: ignore[import-not-found]
        RateLimitConfig,
        RestApiDestinationConfig,
        SyncOptions,
    )
    from drt.destinations.rest_api import RestApiDestination  # type: ignore[import-not-found]

    config = RestApiDestinationConfig(
        type="rest_api",
        url=f"{url}/customers/{{{{ row.id }}}}",
        method="PATCH",
        body_template='{"email": {{ row.email | tojson }}}',
        auth={"type": "bearer", "token": key},
    )
    options = SyncOptions(on_error="skip", rate_limit=RateLimitConfig(requests_per_second=0))
    records = [{"id": customer_id, "email": email} for customer_id, email in rows]
    result = RestApiDestination().load(records, config, options)
    failed = {each.batch_index for each in result.row_errors}
    yield from (customer_id for number, (customer_id, _) in enumerate(rows) if number not in failed)


_WRITE: dict[str, Callable[[str, str, list[tuple[str, str]]], Iterator[str]]] = {
    "loop": _loop,
    "loop-again": _loop_again,
    "sdk": _sdk,
    "drt": _drt,
}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
