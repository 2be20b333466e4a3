"""``dub-source load`` without a network: what is left are reading, comparing and storing.

``python -m benchmarks.wireless FOLDER [ARGUMENT...]`` runs ``dub-source load`` with these arguments. The
customers in the folder's ``customers.ndjson`` (one a line, in the order of ids) answer instead of a server.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.failure import BenchmarkFailed
from benchmarks.loaders import NDJSON
from dub_source.client import caller
from dub_source.client.transport import Answer

_HEADERS = {"Content-Type": "application/json"}


class Wireless:
    """Stands where the transport stands: answers the list, its count, and the question for the rate limit."""

    def __init__(self, lines: list[bytes], clock: Callable[[], float]) -> None:
        self._rows = lines
        self._clock = clock
        # Not parsed: what it takes to be a server here is not to count as the load's.
        self._places = {_id(line): place for place, line in enumerate(lines)}

    def close(self) -> None:
        """Nothing to close."""

    def send(self, method: str, target: str, **_: Any) -> Answer:
        """The answer to a request."""
        began = self._clock()
        address = urlsplit(target)
        asked = {name: values[0] for name, values in parse_qs(address.query).items()}
        status, body = self._answered(address.path, asked) if method == "GET" else (404, b"{}")
        return Answer(status, _HEADERS, body, began, self._clock())

    def _answered(self, path: str, asked: dict[str, str]) -> tuple[int, bytes]:
        if path.endswith("/count"):
            return 200, str(len(self._rows)).encode()
        size = int(asked.get("pageSize", "100"))
        if size == 0:
            return 422, b'{"error":{"code":"unprocessable_entity","message":""}}'
        return 200, b"[" + b",".join(self._page(asked, size)) + b"]"

    def _page(self, asked: dict[str, str], size: int) -> list[bytes]:
        if "customerIds" in asked:
            return [self._rows[self._places[each]] for each in asked["customerIds"].split(",")]
        cursor = asked.get("startingAfter")
        if asked.get("sortOrder") == "asc":
            start = 0 if cursor is None else self._places[cursor] + 1
            return self._rows[start : start + size]
        end = len(self._rows) if cursor is None else self._places[cursor]
        return self._rows[max(0, end - size) : end][::-1]


def _id(line: bytes) -> str:
    """Of a customer whose id is the first field."""
    before, _, rest = line.partition(b'"id": "')
    if before != b"{":
        raise BenchmarkFailed(f"A line of {NDJSON} does not begin with an id.")
    return rest.partition(b'"')[0].decode()


def main(folder: Path, arguments: list[str]) -> None:
    """Run the command."""
    from dub_source.cli import main as command

    lines = (folder / NDJSON).read_bytes().splitlines()
    transport = Wireless(lines, time.time)
    vars(caller)["Transport"] = lambda *_, **__: transport
    sys.argv = ["dub-source", "load", *arguments]
    command()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
