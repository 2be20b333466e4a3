"""Plans applied to a sandbox: making changes, keeping outcomes as a destination would, and as a process.

As a program (``python fleet.py FOLDER URL KEY``) it applies ``FOLDER/changes.json``; outcomes are kept in
``FOLDER/log.json``, replaced as a whole, the journal in ``FOLDER/journal``.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from dub_source.by_id import ById
from dub_source.client import DubClient, RetryPolicy
from dub_source.reverse import apply as applying
from dub_source.reverse.apply import ApplyReport, apply_plan
from dub_source.reverse.fields import PLANNED, from_wire
from dub_source.reverse.journal import Journal
from dub_source.reverse.model import Change, Op, Outcome, Result
from dub_source.sandbox import Sandbox
from dub_source.settings import Settings
from dub_source.types import Page

PLAN = "plan_0123456789abcdef01234567"
QUICK = RetryPolicy(max_attempts=4, max_elapsed_s=20.0, initial_wait_s=0.001, max_wait_s=0.002)
WRITES = ("PATCH", "POST", "DELETE")
APPLIED, ALREADY, DRIFTED, REJECTED, NOT = (
    "applied",
    "already_applied",
    "drifted",
    "rejected",
    "not_attempted",
)
"""Results in short."""


class Log:
    """Outcomes by number and the last answer of each customer, as the destination keeps them."""

    def __init__(self) -> None:
        self.outcomes: dict[int, Outcome] = {}
        self.rows: dict[str, dict[str, Any]] = {}
        self.saves: list[tuple[int, int]] = []

    def save(self, outcomes: list[Outcome], pages: list[Page]) -> None:
        """All or nothing."""
        assert len({each.number for each in outcomes}) == len(outcomes), "a change twice in one load"
        customers = [customer for page in pages for customer in page.customers]
        assert len({each["id"] for each in customers}) == len(customers), "a customer twice in one load"
        self.outcomes |= {each.number: each for each in outcomes}
        self.rows |= {each["id"]: each for each in customers}
        self.saves.append((len(outcomes), len(customers)))

    @property
    def results(self) -> dict[int, str]:
        return {number: each.result.value for number, each in sorted(self.outcomes.items())}


class Fleet:
    """A sandbox, and plans that are applied to it."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self.folder = folder
        self.log = Log()
        # A short window, so that the pause after a 429 is short, too.
        self.settings = Settings(
            api_key=sandbox.key(), base_url=sandbox.url, read_timeout_s=2.0, rate_window_s=1.0
        )

    @property
    def ids(self) -> list[str]:
        return self.sandbox.ids()

    @property
    def journal(self) -> Path:
        return self.folder / "journal" / f"{PLAN}.jsonl"

    def client(self, **options: Any) -> DubClient:
        return DubClient(self.settings, **{"retry": QUICK, **options})

    def shown(self) -> dict[str, dict[str, str | None]]:
        """Everybody's planned columns, by id; a made-up name is None."""
        return {each: from_wire(customer) for each, customer in self.sandbox.snapshot().items()}

    def update(self, number: int, customer_id: str, **options: Any) -> Change:
        """A change planned on what Dub has now; what is no field of a change is asked for."""
        now = self.shown()[customer_id]
        asked = {column: options.pop(column) for column in PLANNED if column in options}
        before = options.pop("before", {column: now[column] for column in asked})
        return Change(number, Op.UPDATE, customer_id, now["external_id"], asked, before, **options)

    def create(self, number: int, external_id: str, **asked: str | None) -> Change:
        asked = {"external_id": external_id, "country": "DE", **asked}
        return Change(number, Op.CREATE, None, external_id, asked)

    def delete(self, number: int, customer_id: str) -> Change:
        now = self.shown()[customer_id]
        return Change(number, Op.DELETE, customer_id, now["external_id"], {}, now)

    def apply(self, changes: Sequence[Change], *, fresh: bool = False, **options: Any) -> ApplyReport:
        """Apply a plan on what the log has, with the journal, or on a ``fresh`` machine without."""
        if fresh:
            self.journal.unlink(missing_ok=True)
        retry = options.pop("client_retry", QUICK)
        save = options.pop("save", self.log.save)
        with self.client(retry=retry) as client, Journal(self.folder / "journal", PLAN) as journal:
            return apply_plan(
                client,
                self.settings,
                changes,
                done=dict(self.log.outcomes),
                journal=journal,
                look=ById(client, include_expanded_fields=True),
                save=save,
                **{"policy": QUICK, "workers": 3, **options},
            )

    def one(self, change: Change, **options: Any) -> Outcome:
        """Apply a single change; its outcome."""
        self.apply([change], **options)
        return self.log.outcomes[change.number]

    def writes(self, method: str = "", customer_id: str = "") -> list[tuple[str, str, int]]:
        """Requests that could change something: method, what of, status."""
        return [
            (each.method, unquote(each.path.rpartition("/")[2]), each.status)
            for each in self.sandbox.requests
            if each.method in WRITES and method in each.method and customer_id in each.path
        ]

    def reads(self) -> int:
        return sum(each.method == "GET" and each.query != "pageSize=0" for each in self.sandbox.requests)


def swap(
    fleet: Fleet, one: str, other: str, *, number: int = 0, chain: int = 0, **also: str | None
) -> list[Change]:
    """Two customers exchange their external ids; the first one is asked for other values, too."""
    shown = fleet.shown()
    mine, theirs = shown[one]["external_id"], shown[other]["external_id"]
    made_up = f"dub-source-swap-{number:024d}"
    asked = {"external_id": theirs, **also}
    before = {**{column: shown[one][column] for column in also}, "external_id": made_up}
    return [
        fleet.update(number, one, external_id=made_up, chain=chain, temporary=True),
        fleet.update(number + 1, other, external_id=mine, chain=chain),
        Change(number + 2, Op.UPDATE, one, mine, asked, before, chain=chain),
    ]


def renamed(fleet: Fleet, count: int) -> list[Change]:
    return [fleet.update(number, each, name=f"New {number}") for number, each in enumerate(fleet.ids[:count])]


def external_ids(fleet: Fleet, *ids: str) -> list[str | None]:
    shown = fleet.shown()
    return [shown[each]["external_id"] for each in ids]


def counted(results: Iterable[str]) -> dict[str, int]:
    return dict(Counter(results))


def after(calls: int, act: Callable[[], object], *methods: str) -> Callable[[str, str], None]:
    """For ``before_request``: does something once, before so many requests of these methods."""
    left = [calls]

    def hook(method: str, _target: str) -> None:
        if method in (methods or WRITES):
            left[0] -= 1
            if left[0] == 0:
                act()

    return hook


def once_written(fleet: Fleet, act: Callable[[], object], method: str = "") -> Callable[[str, str], None]:
    """For ``before_request``: does something before each request that follows a write."""

    def hook(this: str, _target: str) -> None:
        if method in this and fleet.writes():
            act()

    return hook


# As a process


def stored(outcomes: Mapping[int, Outcome]) -> bytes:
    return orjson.dumps(list(outcomes.values()))


def read_log(path: Path) -> dict[int, Outcome]:
    if not path.exists():
        return {}
    entries = orjson.loads(path.read_bytes())
    return {
        each["number"]: Outcome(**{**each, "result": Result(each["result"]), "requested_at": None})
        for each in entries
    }


def read_changes(path: Path) -> list[Change]:
    return [Change(**{**each, "op": Op(each["op"])}) for each in orjson.loads(path.read_bytes())]


def main(folder: Path, url: str, key: str) -> None:
    applying.SAVE_EVERY, applying.SAVE_EVERY_S = 25, 0.05  # so that kills hit between and within saves
    path = folder / "log.json"
    log = read_log(path)

    def save(outcomes: list[Outcome], _pages: list[Page]) -> None:
        log.update({each.number: each for each in outcomes})
        path.with_suffix(".tmp").write_bytes(stored(log))
        path.with_suffix(".tmp").replace(path)

    settings = Settings(api_key=key, base_url=url)
    with DubClient(settings) as client, Journal(folder / "journal", PLAN) as journal:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        apply_plan(
            client,
            settings,
            read_changes(folder / "changes.json"),
            done=dict(log),
            journal=journal,
            look=ById(client),
            save=save,
            workers=4,
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
