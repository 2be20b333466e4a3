"""What there is to say about a plan besides its numbers: what is final, what to mind, what was noted."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from dub_source.reverse.model import Change, Op


@dataclass(frozen=True, slots=True)
class Remarks:
    """What there is to say about a plan that is in none of its numbers. Nothing of it is about people.

    Attributes:
        passed: guards that it passed, in words.
        ignored: columns of the desired state that are left out.
        notes: what else there is to say: of a revert, what cannot come back.
        final: what of it cannot be undone, in sentences.
        requests_per_s: that may be sent; None if the key's limit is not known.
    """

    passed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    final: tuple[str, ...] = ()
    requests_per_s: float | None = None

    def text(self) -> str:
        """As a JSON text, to be stored with the plan."""
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> "Remarks":
        """Those that were stored."""
        values = json.loads(text)
        lists = {name: tuple(values[name]) for name in ("passed", "ignored", "notes", "final")}
        return cls(**lists, requests_per_s=values["requests_per_s"])


def final(counts: Mapping[str, int], with_first_id: int = 0) -> Iterator[str]:
    """What a revert cannot bring back."""
    if number := counts.get("delete", 0):
        yield (
            f"{_customers(number)} will be deleted for good: no plan brings them back, and their commissions "
            "stay without a customer."
        )
    if number := counts.get("create", 0):
        yield (
            f"{_customers(number)} will be created: a revert leaves them there unless it is told to delete "
            "them, which is final."
        )
    if with_first_id:
        yield (
            f"{_customers(with_first_id)} will get a first external id, which can be changed later, but not "
            "taken away."
        )


def first_ids(changes: Sequence[Change]) -> int:
    """How many customers get an external id who had none."""
    return sum(
        each.op is Op.UPDATE and bool(each.asked.get("external_id")) and not each.before.get("external_id")
        for each in changes
    )


def warnings(counts: Mapping[str, int]) -> list[str]:
    """What to mind, in sentences."""
    found = []
    if number := counts.get("swap", 0):
        found.append(
            f"{_customers(number)} will have a temporary external id, or no Stripe id, for a moment: what is "
            "tracked meanwhile under the one that is free may make a new customer, who then keeps it."
        )
    if number := counts.get("update.external_id", 0):
        found.append(
            f"{_customers(number)} will have another external id, and Dub knows the old one no more at once: "
            "whatever tracks them must use the new one."
        )
    if number := counts.get("update.country", 0):
        found.append(f"Dub is known to ignore the country, which is to change {number:,} times.")
    return found


def _customers(number: int) -> str:
    return f"{number:,} {'customer' if number == 1 else 'customers'}"
