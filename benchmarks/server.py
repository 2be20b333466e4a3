"""A sandbox as a process of its own, and the handle to it.

The child is started as ``python -m benchmarks.server OPTIONS``. It answers commands on stdin with one line of
JSON each, and ends when stdin is closed, so it never outlives the benchmark.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from benchmarks.failure import BenchmarkFailed
from benchmarks.process import ROOT, cpu_seconds

if TYPE_CHECKING:
    from dub_source.sandbox import Sandbox

_START_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Options:
    """What to serve, and how.

    Attributes:
        customers: size of the made-up workspace; 0 with ``seed``.
        seed: a seed file instead; its first workspace is served.
        rate_limit: requests a window and key; 0 turns the limit off.
        rate_window_s: length of that window in seconds; Dub's is a minute.
        latency_ms: added to every answer.
        log: whether requests are logged, which :meth:`Server.requests` needs.
        deletes: whether one customer is deleted before each request of the list.
    """

    customers: int = 0
    seed: str | None = None
    rate_limit: int = 0
    rate_window_s: float = 60.0
    latency_ms: float = 0.0
    log: bool = False
    deletes: bool = False


class Server:
    """A running sandbox process; a context manager.

    Attributes:
        url: where it is.
        key: a key that may read.
        pid: of the process.
    """

    def __init__(self, options: Options) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.server", json.dumps(asdict(options))],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        try:
            told = self._answer()
            self.url: str = told["url"]
            self.key: str = told["key"]
            self._wait_until_it_listens()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        # It has nothing to save.
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    @property
    def access(self) -> dict[str, str]:
        """The settings of dub-source for it, as environment variables."""
        return {"SOURCES__DUB__API_KEY": self.key, "SOURCES__DUB__BASE_URL": self.url}

    def ids(self) -> list[str]:
        """The ids of all customers, in the server's order."""
        ids: list[str] = self._ask("ids")
        return ids

    def change(self, number: int) -> int:
        """Give so many customers, from all over the workspace, another name; their number."""
        changed: int = self._ask(f"change {number:d}")
        return changed

    def upset(self, number: int) -> int:
        """Rename so many customers, delete as many others, and import as many with ids of long ago.

        Returns:
            How many of those who were there are renamed or deleted.
        """
        upset: int = self._ask(f"upset {number:d}")
        return upset

    def dump(self, path: Path) -> int:
        """Write all customers, a line of JSON each, as the expanded API shows them; their number.

        Names that Dub makes up are null.
        """
        written: int = self._ask(f"dump {path}")
        return written

    def forget_requests(self) -> None:
        """Count requests anew."""
        self._ask("forget")

    def requests(self) -> dict[int, int]:
        """Requests since then, by status."""
        return {int(status): number for status, number in self._ask("requests").items()}

    def writes(self) -> dict[str, int]:
        """Since then, by id, how often a change of a customer was made, whether the answer came or not."""
        writes: dict[str, int] = self._ask("writes")
        return writes

    def drift(self, number: int) -> list[str]:
        """Give so many customers, from all over the workspace, another email address; their ids."""
        drifted: list[str] = self._ask(f"drift {number:d}")
        return drifted

    def lose_answer(self, skip: int) -> None:
        """After ``skip`` more changes, make the next one and break the connection instead of answering."""
        self._ask(f"lose {skip:d}")

    def cpu_seconds(self) -> float | None:
        """CPU seconds the server has used; None where the system does not say."""
        return cpu_seconds(self.pid)

    def _ask(self, command: str) -> Any:
        if self._process.stdin is None:
            raise BenchmarkFailed("The sandbox's process takes no commands.")
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise BenchmarkFailed(f"The sandbox's process ended with exit code {self._process.wait()}.")
        return json.loads(line)

    def _wait_until_it_listens(self) -> None:
        address = urlsplit(self.url)
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                socket.create_connection((address.hostname or "", address.port or 0), timeout=5).close()
            except OSError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise BenchmarkFailed("The sandbox's process does not listen.") from None
                time.sleep(0.01)
            else:
                return


def serve(options: Options) -> None:
    """The child: run a sandbox until stdin is closed."""
    from dub_source.sandbox import Sandbox, load_seed
    from dub_source.sandbox.generate import generate

    dataset = load_seed(Path(options.seed)) if options.seed else generate(options.customers)
    sandbox = Sandbox(
        dataset,
        rate_limit=options.rate_limit,
        rate_window_s=options.rate_window_s,
        latency_ms=options.latency_ms,
        log=options.log,
    )
    if options.deletes:
        doomed = sandbox.ids()
        random.Random(1).shuffle(doomed)

        def delete_one(method: str, target: str) -> None:
            if method == "GET" and "/customers?" in target and doomed:
                sandbox.delete(doomed.pop())

        sandbox.before_request(delete_one)

    def obey() -> None:
        for line in sys.stdin:
            _say(_done(sandbox, *line.rstrip("\n").partition(" ")[::2]))
        os.kill(os.getpid(), signal.SIGTERM)

    _say({"url": sandbox.url, "key": sandbox.key()})
    threading.Thread(target=obey, daemon=True, name="commands").start()
    sandbox.serve()


def _done(sandbox: "Sandbox", command: str, argument: str) -> Any:
    """The answer to a command."""
    match command:
        case "ids":
            return sandbox.ids()
        case "change":
            return _change(sandbox, int(argument))
        case "upset":
            return _upset(sandbox, int(argument))
        case "dump":
            return _dump(sandbox, Path(argument))
        case "requests":
            return Counter(each.status for each in sandbox.requests)
        case "writes":
            return _writes(sandbox)
        case "drift":
            return _drift(sandbox, int(argument))
        case "lose":
            return _lose_answer(sandbox, int(argument))
        case "forget":
            return sandbox.forget_requests()
    raise ValueError(f"The sandbox's process does not know the command {command}.")


def _change(sandbox: "Sandbox", number: int) -> int:
    ids = sandbox.ids()
    chosen = ids[:: max(1, len(ids) // number)][:number] if number else []
    for each in chosen:
        sandbox.change(each, name=f"Changed {random.randrange(10**12)}")
    return len(chosen)


def _drift(sandbox: "Sandbox", number: int) -> list[str]:
    ids = sandbox.ids()
    chosen = ids[:: max(1, len(ids) // number)][:number] if number else []
    for each in chosen:
        sandbox.change(each, email=f"somebody{random.randrange(10**12)}@example.com")
    return chosen


def _writes(sandbox: "Sandbox") -> dict[str, int]:
    # A lost answer has no status; the only fault that is injected makes the change first.
    made = (each for each in sandbox.requests if each.method == "PATCH" and each.status in (0, 200))
    return Counter(each.path.rpartition("/")[2] for each in made)


def _lose_answer(sandbox: "Sandbox", skip: int) -> None:
    from dub_source.sandbox.faults import Fault

    sandbox.inject(Fault("after_commit", method="PATCH", skip=skip))


def _upset(sandbox: "Sandbox", number: int) -> int:
    from dub_source.sandbox.ids import cuid

    source = random.Random(2)
    chosen = source.sample(sandbox.ids(), 2 * number)
    for renamed, deleted in zip(chosen[:number], chosen[number:], strict=True):
        sandbox.change(renamed, name=f"Changed {source.randrange(10**12)}")
        sandbox.delete(deleted)
        sandbox.insert(
            id=cuid(source), name=f"Imported {source.randrange(10**12)}", created_ms=1_577_836_800_000
        )
    return len(chosen)


def _dump(sandbox: "Sandbox", path: Path) -> int:
    snapshot = sandbox.snapshot()
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(customer) + "\n" for customer in snapshot.values())
    return len(snapshot)


def _say(value: Any) -> None:
    print(json.dumps(value), flush=True)


if __name__ == "__main__":
    serve(Options(**json.loads(sys.argv[1])))
