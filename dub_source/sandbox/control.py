"""``Sandbox``: a Dub API that runs in this process or by itself, and what can be done behind its back."""

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from types import TracebackType
from typing import Any

import orjson

from dub_source.sandbox import ids
from dub_source.sandbox.access import Access
from dub_source.sandbox.app import Application, LoggedRequest
from dub_source.sandbox.faults import Fault
from dub_source.sandbox.model import Customer, Dataset, Token
from dub_source.sandbox.operations import Operations
from dub_source.sandbox.sales import SalesBook, SalesOperations
from dub_source.sandbox.server import HOST, StoppableServer, listen, serve
from dub_source.sandbox.store import Store

_START_TIMEOUT_S = 30


class Sandbox:
    """A Dub API on 127.0.0.1, with a control surface that no route of it reaches.

    Use it as a context manager, or call :meth:`serve` to run it in this thread until interrupted.

    Args:
        dataset: what it starts with; the sandbox takes it over.
        port: 0 chooses a free one.
        rate_limit: requests per window and key; None takes the plan's limit, 0 turns limits off.
        rate_window_s: length of the window in seconds; Dub's is 60.
        latency_ms: added to every request, in milliseconds.
        log: whether requests are logged (:attr:`requests`).
        clock: seconds since 1970.
        random_seed: decides ids, avatars and random names.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        port: int = 0,
        rate_limit: int | None = None,
        rate_window_s: float = 60.0,
        latency_ms: float = 0.0,
        log: bool = True,
        clock: Callable[[], float] = time.time,
        random_seed: int = 0,
    ) -> None:
        self._clock = clock
        self._random = random.Random(random_seed)
        self._lock = threading.RLock()
        self.store = Store(dataset, self._random)
        self._access = Access(dataset, limit=rate_limit, window_s=rate_window_s, clock=clock)
        self._sales = SalesBook()
        self._application = Application(
            Operations(self.store, self._random, clock),
            SalesOperations(self.store, self._sales, self._random, clock),
            self._access,
            self._lock,
            latency_s=latency_ms / 1000,
            log_size=1_000_000 if log else None,
            clock=clock,
        )
        self._socket = listen(port)
        self._server: StoppableServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        port: int = self._socket.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """The address of the API, without a slash at its end."""
        return f"http://{HOST}:{self.port}"

    def key(self, name: str | None = None) -> str:
        """The API key of this name; without a name the first one.

        Raises:
            KeyError: if no key has this name.
        """
        for token in self.store.dataset.tokens:
            if name in (None, token.name):
                return token.key
        raise KeyError(name)

    # Control surface: what tests do behind the API's back.

    @property
    def requests(self) -> list[LoggedRequest]:
        """All requests since the start or the last :meth:`forget_requests`; none if there is no log."""
        return list(self._application.log or ())

    def forget_requests(self) -> None:
        """Start the log of requests anew."""
        if self._application.log is not None:
            self._application.log.clear()

    def inject(self, *faults: Fault) -> None:
        """Add faults; the first that applies to a request hits it."""
        with self._lock:
            self._application.faults.extend(faults)

    def clear_faults(self) -> None:
        """Take back all faults that have not hit yet."""
        with self._lock:
            self._application.faults.clear()

    def before_request(self, action: Callable[[str, str], object] | None) -> None:
        """Call ``action(method, path and query)`` before each request, under the lock."""
        with self._lock:
            self._application.before_request = action

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """No request is dealt with meanwhile: what is done and looked at in the block belongs together."""
        with self._lock:
            yield

    def revoke(self, key: str) -> None:
        """Make a key unknown from now on."""
        with self._lock:
            self._access.revoke(key)

    def admit(self, token: Token) -> None:
        """Make a key known from now on."""
        with self._lock:
            self._access.admit(token)

    def ids(self, workspace_id: str | None = None) -> list[str]:
        """The ids of the customers in a workspace (the first one by default), in id order."""
        with self._lock:
            return [row.id for row in self.store.tables[self._workspace(workspace_id)].rows]

    def snapshot(self, workspace_id: str | None = None) -> dict[str, dict[str, Any]]:
        """All customers by id as the expanded API would answer; a random name is shown as None."""
        with self._lock:
            rows = self.store.tables[self._workspace(workspace_id)].rows
            table = {row.id: orjson.loads(self.store.render_one(row, expanded=True)) for row in rows}
            for row in rows:
                if row.has_random_name:
                    table[row.id]["name"] = None
            return table

    def insert(self, workspace_id: str | None = None, **fields: Any) -> Customer:
        """Add a customer as an importer or tracking would; fields as in :class:`Customer`."""
        with self._lock:
            now = int(self._clock() * 1000)
            row = Customer(
                id=fields.pop("id", None) or ids.ulid(now, self._random),
                workspace_id=self._workspace(workspace_id),
                external_id=fields.pop("external_id", f"sandbox-{ids.token(self._random, 12)}"),
                created_ms=fields.pop("created_ms", now),
                **fields,
            )
            self.store.add(row)
            return row

    def change(self, customer_id: str, workspace_id: str | None = None, **fields: Any) -> None:
        """Change any field of a customer, as sales, Stripe or a merge would.

        Raises:
            KeyError: if there is no such customer.
        """
        with self._lock:
            self.store.update(self._existing(customer_id, workspace_id), fields)

    def record_sale(
        self, customer_id: str, amount: int, workspace_id: str | None = None, *, at: datetime | None = None
    ) -> None:
        """Let a customer buy for ``amount`` cents, now or ``at`` (with a time zone), as track/sale does.

        Raises:
            KeyError: if there is no such customer.
            ValueError: if the amount is 0 or less, which Dub does not record.
        """
        if amount <= 0:
            raise ValueError("A sale needs an amount above 0.")
        with self._lock:
            row = self._existing(customer_id, workspace_id)
            at_ms = round((self._clock() if at is None else at.timestamp()) * 1000)
            self._sales.add(row, amount, at_ms, self._random)
            changes = {
                "sales": row.sales + 1,
                "sale_amount": row.sale_amount + amount,
                "first_sale_ms": at_ms if row.first_sale_ms is None else row.first_sale_ms,
            }
            self.store.update(row, changes)

    def delete(self, customer_id: str, workspace_id: str | None = None) -> None:
        """Delete a customer, as clean-ups do.

        Raises:
            KeyError: if there is no such customer.
        """
        with self._lock:
            self.store.remove(self._existing(customer_id, workspace_id))

    def _existing(self, customer_id: str, workspace_id: str | None) -> Customer:
        row = self.store.find(self._workspace(workspace_id), customer_id)
        if row is None:
            raise KeyError(customer_id)
        return row

    def _workspace(self, workspace_id: str | None) -> str:
        return workspace_id or self.store.dataset.workspaces[0].id

    # Running

    def __enter__(self) -> "Sandbox":
        self._server = StoppableServer(self._application)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="dub-sandbox", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError("The sandbox's server did not start.")
            time.sleep(0.002)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None and self._thread is not None:
            self._server.stop()
            self._thread.join()
        self._socket.close()

    def serve(self) -> None:
        """Run in this thread until SIGINT or SIGTERM."""
        with contextlib.closing(self._socket):
            serve(self._application, self._socket)
