"""A plan in numbers: what it does how often, and what that costs."""

from collections import Counter
from collections.abc import Iterable, Mapping

from dub_source.by_id import IDS_PER_REQUEST
from dub_source.reverse.model import Change, Op


def counts(changes: Iterable[Change]) -> Mapping[str, int]:
    """Changes by op, updates also by column (``update.email``); what is not there is not counted.

    The first half of a swap is an update of its own, without columns, and counted again as ``swap``.
    """
    numbers: Counter[str] = Counter()
    for change in changes:
        numbers[change.op.value] += 1
        if change.temporary:
            numbers["swap"] += 1
        elif change.op is Op.UPDATE:
            numbers.update(f"update.{column}" for column in change.asked)
    return dict(sorted(numbers.items()))


def requests(changes: Iterable[Change]) -> int:
    """How many requests it takes to apply them, if nothing goes wrong.

    Each change is one; before it customers are read, after it those who were created, 100 a request.
    """
    writes = created = 0
    known: set[str] = set()
    for change in changes:
        writes += 1
        created += change.op is Op.CREATE
        if change.customer_id is not None:
            known.add(change.customer_id)
    return writes + sum(-(-number // IDS_PER_REQUEST) for number in (len(known), created))
