"""Changes that are sent and written through by hand, so that a test says when which answer is stored."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from dub_source.client import DubClient
from dub_source.destinations import Target
from dub_source.reverse.fields import from_wire, wire_body
from dub_source.reverse.form import Form
from dub_source.reverse.model import Change, Op, Outcome, Plan, Result, Values
from dub_source.reverse.store import PushStore
from dub_source.reverse.write_through import learn
from dub_source.runs.warehouse import warehouse
from dub_source.settings import Settings
from dub_source.types import Page
from tests.sync.world import World

PLAN_ID = "plan_0123456789abcdef01234567"
_ROOT = Path(__file__).parents[2]


@contextmanager
def store_of(world: World, *, working: Path | None = None, table: str = "customers") -> Iterator[PushStore]:
    """What the world's warehouse keeps of plans."""
    with warehouse(world.warehouse.target, working or world.working) as (pipeline, opened):
        yield PushStore(pipeline, opened, table)


def a_plan(changes: Sequence[Change], plan_id: str = PLAN_ID, **values: Any) -> Plan:
    given: dict[str, Any] = {
        "sync": "crm.names",
        "sync_mode": "update",
        "table": "customers",
        "created_at": datetime(2026, 11, 1, 12, tzinfo=UTC),
        "counts": {"update": len(changes)},
        "desired": len(changes) + 3,
        "unchanged": 2,
        "unmatched": 1,
        "baseline": "0123abcd",
        "requests": len(changes),
    }
    return Plan(plan_id=plan_id, changes=len(changes), **given | values)


def update(number: int, customer_id: str, **asked: str | None) -> Change:
    return Change(number, Op.UPDATE, customer_id, f"ext {number}", asked, dict.fromkeys(asked))


@dataclass
class Sent:
    """What became of changes: outcomes, and customers as Dub answered them."""

    outcomes: list[Outcome] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)
    gone: dict[str, datetime] = field(default_factory=dict)


def send(client: DubClient, changes: Sequence[Change], *, expanded: bool = True) -> Sent:
    """Send changes, one after the other."""
    sent = Sent()
    for change in changes:
        customer_id, answered, customer = change.customer_id or "", {}, None
        if change.op is Op.DELETE:
            client.delete(customer_id)
        elif change.op is Op.CREATE:
            customer = client.create(wire_body(change.asked))
        else:
            body = wire_body(change.asked)
            customer = client.update(customer_id, body, include_expanded_fields=expanded)
        now = datetime.now(UTC)
        at = now + timedelta(seconds=client.limiter.server_offset_s or 0.0)
        if customer is None:
            sent.gone[customer_id] = at
        else:
            sent.pages.append(Page([customer], at))
            row = from_wire(customer)
            customer_id, answered = customer["id"], {name: row[name] for name in change.asked}
        sent.outcomes.append(
            Outcome(
                change.number,
                Result.APPLIED,
                customer_id,
                200,
                attempts=1,
                answered=answered,
                requested_at=at,
            )
        )
    return sent


def keep(store: PushStore, client: DubClient, sent: Sent, folder: Path, form: Form | None = None) -> None:
    """Store what was sent, as an apply does."""
    learned = learn(client, store, form or Form(), folder, answers=sent.pages, gone=sent.gone)
    written = learned.written(store)
    store.save_outcomes(PLAN_ID, sent.outcomes, written)


def push(
    world: World,
    changes: Sequence[Change],
    *,
    form: Form | None = None,
    working: Path | None = None,
) -> Sent:
    """Plan, send and store changes."""
    form = form or Form()
    settings = Settings(world.sandbox.key(), world.sandbox.url, max_rate_share=1.0)
    with store_of(world, working=working) as store, DubClient(settings) as client:
        store.save_plan(a_plan(changes), changes)
        sent = send(client, changes, expanded=form.expanded)
        keep(store, client, sent, world.folder, form)
    return sent


def rename_elsewhere(world: World, asked: Mapping[str, Values], *, delete: Sequence[str] = ()) -> None:
    """The same from another process, with another working folder."""
    arguments = json.dumps(
        {
            "key": world.sandbox.key(),
            "url": world.sandbox.url,
            "folder": str(world.folder),
            "destination": world.warehouse.target.destination,
            "database": str(world.warehouse.target.database),
            "asked": {customer_id: dict(values) for customer_id, values in asked.items()},
            "delete": list(delete),
        }
    )
    code = "import sys; from tests.reverse.pushes import as_told; as_told(sys.argv[1])"
    subprocess.run([sys.executable, "-c", code, arguments], cwd=_ROOT, check=True, capture_output=True)


class _Elsewhere:
    """As much of a sandbox as sending takes."""

    def __init__(self, key: str, url: str) -> None:
        self._key = key
        self.url = url

    def key(self) -> str:
        return self._key


class _Named:
    """As much of a warehouse, too."""

    def __init__(self, target: Target) -> None:
        self.target = target


def as_told(arguments: str) -> None:
    told = json.loads(arguments)
    sandbox: Any = _Elsewhere(told["key"], told["url"])
    target = Target(told["destination"], database=Path(told["database"]))
    there: Any = _Named(target)
    world = World(sandbox, Path(told["folder"]), there)
    changes = [update(number, each, **asked) for number, (each, asked) in enumerate(told["asked"].items())]
    changes += [
        Change(number, Op.DELETE, each) for number, each in enumerate(told["delete"], start=len(changes))
    ]
    push(world, changes, working=world.folder / "elsewhere")
