"""Changes that have no place in a plan yet, and the id that all of them together give it.

``plan_id`` is compared across machines and years with what other versions compute, so nothing in it depends
on how a library prints or sorts: texts are written as ``length:text,``, moments as microseconds.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dub_source.reverse.model import Change, Values

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = 24


@dataclass(frozen=True, slots=True)
class Draft:
    """A change before it has a place.

    Attributes:
        change: what is to be done; its number and its chain say nothing yet.
        row: of the desired state; None where no row asks for it.
        version: of the mirror's row (its ``row_hash``); of a customer to create, of whoever had the external
            id before. None if there was none.
    """

    change: Change
    row: int | None = None
    version: str | None = None


def plan_id(*facts: str | None, drafts: Iterable[Draft]) -> str:
    """The id of a plan: equal for equal plans, whatever the order of the drafts.

    Args:
        facts: what decides about the plan as a whole: the sync's name and mode, the table, which plan it
            reverts. Their order counts.
        drafts: what it does, each with the version of the row that it was planned on: once that has changed,
            the same request is another plan. Of a swap not the halves, which are named after this id.

    Returns:
        ``plan_`` and 24 hexadecimal digits.
    """
    digest = hashlib.sha256(_joined(list(facts)))
    for each in sorted(hashlib.sha256(_encoded(draft)).digest() for draft in drafts):
        digest.update(each)
    return f"plan_{digest.hexdigest()[:_DIGITS]}"


def _encoded(draft: Draft) -> bytes:
    change = draft.change
    observed = change.observed_at
    moment = None if observed is None else str((observed - EPOCH) // timedelta(microseconds=1))
    texts = [change.op.value, change.customer_id, change.external_id, moment, draft.version]
    _add(texts, change.asked)
    _add(texts, change.before)
    return _joined(texts)


def _add(texts: list[str | None], values: Values) -> None:
    texts.append(str(len(values)))
    for column in sorted(values):
        texts += (column, values[column])


def _joined(texts: Sequence[str | None]) -> bytes:
    """Each text with its length in characters, so that no two lists look alike."""
    parts = ["-," if text is None else f"{len(text)}:{text}," for text in texts]
    return "".join(parts).encode("utf-8", "surrogatepass")
