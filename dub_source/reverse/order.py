"""In which order changes go, so that no external id or Stripe id is asked for while somebody still has it.

A change that takes a value goes after the one that frees it; changes that are linked in this way are a
*chain*. Customers who exchange their values in a circle need one of them to let go first: its change is cut
in two halves. The first gives it a made-up external id, named after the plan and the customer, so that a
killed apply knows its own work again. Where Stripe ids are exchanged it takes the Stripe id away instead: one
that is made up means nothing to Stripe, and null is what customers have who are not known to Stripe. Until
the second half is done, whoever asks Dub for that customer by the value does not find it.

Dub's database compares without case (recorded; production's way is not known), so ``Foo`` frees ``foo``.
"""

import hashlib
import heapq
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from dub_source.reverse.drafts import Draft
from dub_source.reverse.model import Change, Op
from dub_source.reverse.row_guards import refuse_swap

UNIQUE = ("external_id", "stripe_customer_id")
"""Columns in which no two customers can have the same value."""

_TEMPORARY = "dub-source-swap-"
_RANKS = {Op.UPDATE: 0, Op.CREATE: 1, Op.DELETE: 2}


def temporary_id(plan_id: str, customer_id: str) -> str:
    """The external id that a customer has between the halves of its change."""
    digest = hashlib.sha256(f"{plan_id}:{customer_id}".encode()).hexdigest()
    return _TEMPORARY + digest[:24]


def in_order(drafts: Sequence[Draft], *, plan_id: str, allow_swaps: bool) -> list[Change]:
    """The changes with their numbers and chains.

    First those that wait for nobody and nobody waits for, updates before creations; then chain by chain; the
    deletes last. The same drafts in another order give the same.

    Args:
        drafts: no two take the same value.
        plan_id: names the temporary external ids.
        allow_swaps: whether circles may be cut.

    Raises:
        SwapRefused: for circles that may not.
    """
    drafts = sorted(drafts, key=_place)
    links = _Links(drafts)
    chains = links.chains()
    linked = {number for chain in chains for number in chain}
    alone = [each.change for number, each in enumerate(drafts) if number not in linked]
    result: list[tuple[Change, int | None]] = [(each, None) for each in alone if each.op is not Op.DELETE]
    circles: list[int] = []
    for place, chain in enumerate(chains):
        steps = _steps(drafts, links, chain, plan_id, circles)
        result += [(each, place) for each in steps]
    if circles and not allow_swaps:
        refuse_swap([drafts[each] for each in circles])
    result += [(each, None) for each in alone if each.op is Op.DELETE]
    return [replace(each, number=number, chain=chain) for number, (each, chain) in enumerate(result)]


def as_compared(value: str) -> str:
    """Values that are equal to Dub's database have equal forms; only of ASCII, where that is sure to stay."""
    return value.lower().rstrip(" ") if value.isascii() else value


def alike(value: str) -> str:
    """Values that Dub's database may find equal have equal forms: it ignores accents, too (recorded)."""
    letters = unicodedata.normalize("NFKD", value)
    return "".join(each for each in letters if not unicodedata.combining(each)).casefold().rstrip(" ")


class _Links:
    """Which draft waits for which, because of which columns. Drafts go by their number."""

    def __init__(self, drafts: Sequence[Draft]) -> None:
        self.followers: dict[int, list[tuple[int, str]]] = defaultdict(list)
        self.waits_for: dict[int, set[int]] = defaultdict(set)
        freed: dict[tuple[str, str], list[int]] = defaultdict(list)
        taken: list[tuple[str, str, int]] = []
        for number, draft in enumerate(drafts):
            asked, before = draft.change.asked, draft.change.before
            for column in UNIQUE:
                if column in asked and asked[column] != before.get(column):
                    if (old := before.get(column)) is not None:
                        freed[column, as_compared(old)].append(number)
                    if (new := asked[column]) is not None:
                        taken.append((column, as_compared(new), number))
        for column, value, number in taken:
            for other in freed.get((column, value), ()):
                if other != number:
                    self.followers[other].append((number, column))
                    self.waits_for[number].add(other)

    def chains(self) -> list[list[int]]:
        """The drafts that are linked, in groups, each sorted; the group of the first draft first."""
        seen: set[int] = set()
        chains = []
        for number in sorted({*self.followers, *self.waits_for}):
            if number not in seen:
                chains.append(sorted(self._reached(number)))
                seen.update(chains[-1])
        return chains

    def _reached(self, number: int) -> set[int]:
        reached, left = {number}, [number]
        while left:
            one = left.pop()
            for near in (*(each for each, _ in self.followers.get(one, ())), *self.waits_for.get(one, ())):
                if near not in reached:
                    reached.add(near)
                    left.append(near)
        return reached


class _Walk:
    """One chain, step by step: who is free to go, and who is not."""

    def __init__(self, links: _Links, chain: Sequence[int]) -> None:
        self._followers = links.followers
        self._waits_for = {each: set(links.waits_for.get(each, ())) for each in chain}
        self._ready = [each for each in chain if not self._waits_for[each]]

    def next(self) -> int | None:
        """The first draft that waits for nobody any more, or None if there is none."""
        if not self._ready:
            return None
        number = heapq.heappop(self._ready)
        del self._waits_for[number]
        return number

    def let_go(self, number: int) -> set[str]:
        """Its followers wait for it no longer.

        Returns:
            The columns because of which they did.
        """
        waiting = [
            (follower, column)
            for follower, column in self._followers.get(number, ())
            if follower in self._waits_for and number in self._waits_for[follower]
        ]
        for follower in {each for each, _ in waiting}:
            self._waits_for[follower].remove(number)
            if not self._waits_for[follower]:
                heapq.heappush(self._ready, follower)
        return {column for _, column in waiting}

    def circle(self) -> list[int]:
        """Some who wait for each other in a circle, the first draft of them first; none if all are done."""
        if not self._waits_for:
            return []
        path: dict[int, None] = {}
        one = next(iter(self._waits_for))
        while one not in path:
            path[one] = None
            one = min(self._waits_for[one])
        members = list(path)
        members = members[members.index(one) :]
        first = members.index(min(members))
        return members[first:] + members[:first]


def _steps(
    drafts: Sequence[Draft], links: _Links, chain: Sequence[int], plan_id: str, circles: list[int]
) -> Iterator[Change]:
    """The changes of a chain in order, circles cut; who is in one is added to ``circles``."""
    walk = _Walk(links, chain)
    held: dict[int, dict[str, str | None]] = {}
    while True:
        while (number := walk.next()) is not None:
            change = drafts[number].change
            yield replace(change, before={**change.before, **held[number]}) if number in held else change
            walk.let_go(number)
        if not (circle := walk.circle()):
            return
        circles += circle
        change = drafts[circle[0]].change
        held[circle[0]] = asked = _made_up(change, walk.let_go(circle[0]), plan_id)
        yield replace(
            change, asked=asked, before={each: change.before[each] for each in asked}, temporary=True
        )


def _made_up(change: Change, columns: set[str], plan_id: str) -> dict[str, str | None]:
    made_up = temporary_id(plan_id, change.customer_id or "")
    return {column: made_up if column == "external_id" else None for column in sorted(columns)}


def _place(draft: Draft) -> tuple[int, str, str, bool]:
    change = draft.change
    return _RANKS[change.op], change.customer_id or "", change.external_id or "", not change.temporary
