"""A plan's changes in units that can go in any order, chains among them; and what is left to do of them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from dub_source.reverse.drift import Step
from dub_source.reverse.model import Change, Op, Outcome, Result

Unit: TypeAlias = tuple[Step, ...]
"""Steps that go one after the other."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known before an apply begins.

    Attributes:
        outcomes: final ones, by number of the change.
        recovered: those of them that the destination does not have yet.
        wanted: numbers of the changes that are to be settled now.
        sent: numbers of those that an earlier apply has sent, or meant to, without getting to know the end.
        attempts: requests for them in earlier applies.
    """

    outcomes: Mapping[int, Outcome]
    recovered: Sequence[Outcome]
    wanted: frozenset[int]
    sent: frozenset[int]
    attempts: Mapping[int, int]


def known(
    changes: Sequence[Change],
    *,
    done: Mapping[int, Outcome],
    journal: Mapping[int, Outcome],
    sent: Collection[int],
    retry_rejected: bool,
) -> Known:
    """Put together what the destination and this machine's disk know.

    Args:
        changes: of the plan.
        done: outcomes in the destination.
        journal: outcomes on the disk.
        sent: numbers that are on the disk as about to be sent, without an outcome.
        retry_rejected: whether to settle those that were rejected, and no others.
    """
    outcomes = {number: each for number, each in done.items() if each.result is not Result.NOT_ATTEMPTED}
    # A retry that was killed: the rejection from before it is not the last word.
    reopened = {number for number in sent if number in outcomes and _is_rejected(outcomes[number])}
    recovered = [
        each
        for number, each in sorted(journal.items())
        if number not in outcomes or (_is_rejected(outcomes[number]) and not _is_rejected(each))
    ]
    outcomes |= {each.number: each for each in recovered}
    numbers = [change.number for change in changes]
    if retry_rejected:
        wanted = {number for number in numbers if number in outcomes and _is_rejected(outcomes[number])}
        recovered = [each for each in recovered if each.number not in wanted]
    else:
        wanted = {number for number in numbers if number not in outcomes} | reopened
    in_doubt = {
        number
        for number, each in done.items()
        if each.result is Result.NOT_ATTEMPTED and each.attempts and number not in outcomes
    }
    earlier = {**done, **journal}
    return Known(
        outcomes={number: each for number, each in outcomes.items() if number not in wanted},
        recovered=recovered,
        wanted=frozenset(wanted),
        sent=frozenset(wanted & (in_doubt | set(sent))),
        attempts={
            number: (earlier[number].attempts if number in earlier else 0) + (number in sent)
            for number in wanted
        },
    )


def units(changes: Sequence[Change], known: Known) -> tuple[list[Unit], list[Unit]]:
    """What is left to do: first all but the deletes, then those.

    Chains come first, the longest first of all: they have no use for many workers.
    """
    chains: defaultdict[int, list[Change]] = defaultdict(list)
    alone: list[Unit] = []
    deletes: list[Unit] = []
    for change in sorted(changes, key=lambda each: each.number):
        if change.op is not Op.DELETE and change.chain is not None:
            chains[change.chain].append(change)
        elif change.number in known.wanted:
            (deletes if change.op is Op.DELETE else alone).append((_step(change, (), known),))
    linked = [
        tuple(_step(change, chain, known) for change in chain if change.number in known.wanted)
        for chain in chains.values()
    ]
    return [*sorted(filter(None, linked), key=len, reverse=True), *alone], deletes


def _step(change: Change, chain: Sequence[Change], known: Known) -> Step:
    own = [
        each for each in chain if each.customer_id == change.customer_id and change.customer_id is not None
    ]
    later = [each for each in own if each.number > change.number]
    return Step(
        change,
        sent=change.number in known.sent,
        attempts=known.attempts.get(change.number, 0),
        temporaries=tuple(each for each in own if each.temporary and each.number < change.number),
        other_half=later[0] if change.temporary and later else None,
    )


def _is_rejected(outcome: Outcome) -> bool:
    return outcome.result is Result.REJECTED
