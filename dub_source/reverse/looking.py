"""Customers as they are in Dub at this moment, for comparing them with what was planned."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dub_source.by_id import ById
from dub_source.client import DubClient, external
from dub_source.errors import CustomerNotFound, InvalidArgument, UnreadableRow
from dub_source.generated_names import GeneratedNames
from dub_source.reverse.drift import Step
from dub_source.reverse.fields import from_wire
from dub_source.reverse.model import Op
from dub_source.types import Customer, Page

_EXTERNAL = "ext_"


@dataclass(frozen=True, slots=True)
class Seen:
    """What an answer told about a customer.

    Attributes:
        at: our clock's time (UTC) that the answer speaks for: of a reading the start of its request, because
            what changed after it may be missing; of a write the moment when its answer was there, because
            readings that began before may not show it yet, and must not count as newer.
        customer: as answered; None if there is none to show.
        row: the same by columns, with ``name_generated`` where that is known.
        unreadable: there is a customer, but Dub cannot show it.
    """

    at: datetime
    customer: Customer | None = field(default=None, repr=False)
    row: Mapping[str, Any] = field(default_factory=dict, repr=False)
    unreadable: bool = False

    @classmethod
    def of_write(cls, customer: Customer, at: datetime) -> "Seen":
        """What a PATCH or POST answered."""
        return cls(at, customer, from_wire(customer))

    @property
    def gone(self) -> bool:
        """Whether Dub says that there is no such customer."""
        return self.customer is None and not self.unreadable


class Looking:
    """Reads the customers that changes concern. Thread-safe.

    ``look`` reads them, 100 a request where Dub allows it; ``clock`` gives epoch seconds.
    """

    def __init__(self, client: DubClient, look: ById, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._look = look
        self._names = GeneratedNames(client)
        self._clock = clock

    def now(self) -> datetime:
        """Our clock, UTC."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def on_dubs_clock(self, moment: datetime) -> datetime:
        """A moment of our clock as Dub's shows it; to be asked soon, because ours may jump."""
        return self._client.limiter.on_servers_clock(moment)

    def at(self, steps: Sequence[Step]) -> dict[str, Seen]:
        """The customers of updates and deletes by id, each of them: found, gone or unreadable.

        Raises:
            InvalidArgument: if one is named by an external id, which may be somebody else's by now.
            RequestError: what concerns more than these customers (key, network, rate limit).
        """
        found: dict[str, Seen] = {}
        ids = [step.change.customer_id for step in steps if step.change.customer_id is not None]
        if any(each.startswith(_EXTERNAL) for each in ids):
            raise InvalidArgument("A change names its customer by Dub's id alone: make the plan again.")
        pages: list[Page] = []
        for again in self._look.read(ids):
            pages.append(again.page)
            found |= {each: Seen(again.page.requested_at) for each in again.gone}
            found |= {each: Seen(again.page.requested_at, unreadable=True) for each in again.unreadable}
        made_up = self._made_up(steps, pages)
        for page in pages:
            for customer in page.customers:
                row = {**from_wire(customer), "name_generated": customer["id"] in made_up}
                found[customer["id"]] = Seen(page.requested_at, customer, row)
        # Dub finds ids without regard to case, and answers them as they are stored.
        folded = {customer_id.casefold(): seen for customer_id, seen in found.items()}
        return {each: found.get(each) or folded[each.casefold()] for each in ids}

    def at_external(self, external_id: str) -> Seen:
        """Who has this external id.

        Raises:
            RequestError: as :meth:`at`.
        """
        began = self.now()
        try:
            customer = self._client.get(external(external_id))
        except CustomerNotFound:
            return Seen(began)
        except UnreadableRow:
            return Seen(began, unreadable=True)
        return Seen(began, customer, from_wire(customer))

    def _made_up(self, steps: Sequence[Step], pages: Sequence[Page]) -> set[str]:
        """Whose name Dub makes up, among those whose name is planned: without an email, it may be so."""
        wanted = {step.change.customer_id for step in steps if _concerns_no_name(step)}
        names = {
            customer["id"]: customer.get("name")
            for page in pages
            for customer in page.customers
            if customer["id"] in wanted and not customer.get("email")
        }
        return self._names.made_up(names) if names else set()


def _concerns_no_name(step: Step) -> bool:
    """Whether it makes a difference if a name is made up: where none is asked for, or none was before."""
    change = step.change
    if change.op is not Op.UPDATE or "name" not in change.asked:
        return False
    return not change.asked["name"] or not change.before.get("name")
