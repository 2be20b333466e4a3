"""Plain HTTP for the tests of the sandbox: no line of the client that is tested against it."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

RATE_HEADERS = ("retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


@dataclass(frozen=True)
class Reply:
    """One answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def ids(self) -> list[str]:
        """The ids of a page of customers."""
        assert self.status == 200, (self.status, self.body)
        return [row["id"] for row in self.json]

    @property
    def row(self) -> dict[str, Any]:
        """The one customer of a successful answer."""
        assert self.status in (200, 201), (self.status, self.body)
        customer: dict[str, Any] = self.json
        return customer

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, code and message of an error."""
        error = self.json["error"]
        return self.status, error["code"], error["message"]

    @property
    def invalid(self) -> str:
        """The message of a 422."""
        status, code, message = self.error
        assert (status, code) == (422, "unprocessable_entity")
        return message


class Api:
    """Requests with one key over one kept connection. Paths and queries go out as they are written."""

    def __init__(self, url: str, key: str | None) -> None:
        address = urlsplit(url)
        self.prefix = address.path
        self.key = key
        self.connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=20)

    def send(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """One request; ``body`` goes out as JSON, ``raw`` as it is."""
        sent = {} if self.key is None else {"authorization": f"Bearer {self.key}"}
        payload = json.dumps(body).encode() if raw is None and body is not None else raw
        if payload is not None:
            sent |= {"content-type": "application/json", "content-length": str(len(payload))}
        self.connection.putrequest(method, self.prefix + target, skip_accept_encoding=True)
        for name, value in (sent | (headers or {})).items():
            self.connection.putheader(name, value)
        self.connection.endheaders(payload)
        response = self.connection.getresponse()
        received = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, received, response.read())

    def listed(self, **parameters: object) -> Reply:
        """GET /customers with these parameters."""
        query = urlencode(parameters)
        return self.send("GET", "/customers" + (f"?{query}" if query else ""))

    def query(self, query: str) -> Reply:
        """GET /customers with a query string as it is written."""
        return self.send("GET", f"/customers?{query}")

    def get(self, reference: str) -> Reply:
        """GET /customers/{reference}, which may bring its own query."""
        return self.send("GET", f"/customers/{reference}")

    def patch(self, reference: str, body: object) -> Reply:
        return self.send("PATCH", f"/customers/{reference}", body)

    def post(self, body: object) -> Reply:
        return self.send("POST", "/customers", body)

    def delete(self, reference: str) -> Reply:
        return self.send("DELETE", f"/customers/{reference}")

    def count(self, **parameters: object) -> Any:
        reply = self.send("GET", f"/customers/count?{urlencode(parameters)}")
        assert reply.status == 200, reply.body
        return reply.json

    def pages(self, cursor: str | None = None, **parameters: object) -> Iterator[list[str]]:
        """Follow ``startingAfter`` from a cursor (or from the first page) until a page is empty."""
        while True:
            ids = self.listed(**parameters, **({"startingAfter": cursor} if cursor else {})).ids
            if not ids:
                return
            yield ids
            cursor = ids[-1]

    def walk(self, cursor: str | None = None, **parameters: object) -> list[str]:
        """All ids of :meth:`pages`."""
        return [customer_id for page in self.pages(cursor, **parameters) for customer_id in page]

    def in_order(self, anchor: str, **parameters: object) -> list[str]:
        """All ids in ascending order, by the walk that is exact: from one id in both directions."""
        before = self.walk(anchor, sortOrder="desc", **parameters)
        return [*before[::-1], anchor, *self.walk(anchor, sortOrder="asc", **parameters)]
