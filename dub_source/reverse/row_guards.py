"""What stops a plan whose rows cannot be meant. Each guard is one sentence: what, in which rows, what to do.

They look at numbers of rows and at columns. Values never get into what they say; customers' ids may.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from dub_source.errors import (
    AmbiguousRows,
    BadValues,
    ConflictingClaims,
    NothingDesired,
    NotWritable,
    SwapRefused,
)
from dub_source.reverse.drafts import Draft
from dub_source.reverse.fields import WRITABLE, check_value
from dub_source.reverse.model import Op

_NAMED = 10
"""Rows and customers that a sentence names."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a value that a row asks for.

    Attributes:
        row: of the desired state; None where none asks.
        column: ``external_id`` or ``stripe_customer_id``, or the key.
        customer_id: who has it, and will have it until the deletes.
        deleted: whether the plan deletes that customer.
    """

    row: int | None
    column: str
    customer_id: str
    deleted: bool


def check_some(rows: int) -> None:
    """Raise NothingDesired for a desired state without rows: more likely a broken export than a wish."""
    if not rows:
        raise NothingDesired(
            "The desired state has no rows, so there is nothing to plan: check the table, query or file that "
            "it comes from."
        )


def check_writes(columns: Sequence[str]) -> None:
    """Raise NothingDesired if there is no column to update."""
    if not columns:
        raise NothingDesired(
            "The desired state has no column that can be written besides the key: name its columns as those "
            f"of customers ({', '.join(WRITABLE)}), or map them."
        )


def check_columns(compared: Iterable[str], key: str, mirror: Iterable[str], *, hidden: Iterable[str]) -> None:
    """Raise NotWritable for a column that the warehouse does not hold as Dub does.

    Args:
        compared: columns whose values would be compared with the mirror.
        key: the column that names customers.
        mirror: columns that it has.
        hidden: columns whose values are left out or hashed there.
    """
    known = set(mirror) - set(hidden)
    for column in (key, *compared):
        if column not in known:
            raise NotWritable(
                f"The table of customers does not hold {column} as Dub does, so it cannot be compared with "
                f"the desired state: leave {column} out of the sync, or take it out of exclude_columns and "
                "hash_columns and load again."
            )


def check_keys(key: str, *, missing: Sequence[int], repeated: Sequence[int]) -> None:
    """Raise AmbiguousRows for rows without a key, and for rows that share one."""
    if missing:
        raise AmbiguousRows(
            f"The key {key} is missing in {_rows(missing)}, so it is not known whom they are about: leave "
            "these rows out, or fill in the key."
        )
    if repeated:
        raise AmbiguousRows(
            f"The key {key} is the same in several of {_rows(repeated)}: keep one row for each customer."
        )


def check_matches(key: str, several: Sequence[int]) -> None:
    """Raise AmbiguousRows for rows whose key several customers of the mirror have."""
    if several:
        raise AmbiguousRows(
            f"The {key} in {_rows(several)} belongs to several customers in the warehouse, which a full load "
            "sets right: run `dub-source load --mode full` and plan again."
        )


def check_ops(sync_mode: str, *, unknown: Sequence[int], not_deleting: Sequence[int]) -> None:
    """Raise BadValues for an ``op`` that does not exist, or that a list of deletes cannot hold."""
    if unknown:
        raise BadValues(
            f"The op in {_rows(unknown)} is none of update, create and delete: correct it, or leave it null "
            f"for what the mode {sync_mode} does."
        )
    if not_deleting:
        raise BadValues(
            f"The mode delete takes every row for a customer to delete, and the op in {_rows(not_deleting)} "
            "asks for something else: leave these rows out, or choose the mode update."
        )


def check_key_column(rows: Sequence[int]) -> None:
    """Raise BadValues for rows that name a customer by an external id and ask for another one."""
    if rows:
        raise BadValues(
            f"The external_id in {_rows(rows)} differs from the key, and it is the key that names the "
            "customer: use the key id to change external ids."
        )


def check_creates(rows: Sequence[int]) -> None:
    """Raise AmbiguousRows for rows that are to create a customer whose id they name."""
    if rows:
        raise AmbiguousRows(
            f"The op in {_rows(rows)} asks for new customers, whose ids Dub chooses: use the key external_id "
            "for them."
        )


def check_claims(claims: Mapping[str, Sequence[int]]) -> None:
    """Raise ConflictingClaims for rows that ask for the same value, by column."""
    for column, rows in claims.items():
        if rows:
            raise ConflictingClaims(
                f"The {column} is the same in several of {_rows(rows)}, and no two customers can have it: "
                "correct these rows."
            )


def check_holders(holders: Iterable[Holder]) -> None:
    """Raise ConflictingClaims for rows that ask for what another customer has and keeps."""
    groups: dict[tuple[bool, str], list[Holder]] = defaultdict(list)
    for holder in holders:
        groups[holder.deleted, holder.column].append(holder)
    for (deleted, column), some in sorted(groups.items()):
        rows = _rows([each.row for each in some if each.row is not None])
        customers = _listed(sorted({each.customer_id for each in some}))
        if deleted:
            raise ConflictingClaims(
                f"The {column} in {rows} belongs to customers that the same plan deletes ({customers}), and "
                f"deletes come last: leave {column} out of these rows for this plan, and plan again after it."
            )
        raise ConflictingClaims(
            f"The {column} in {rows} belongs to other customers ({customers}), who keep it: correct these "
            "rows, or let the desired state give those customers another one; if Dub has changed, load "
            "first."
        )


def check_spelling(holders: Sequence[Holder]) -> None:
    """Raise ConflictingClaims for rows that hold what a customer to delete has in another spelling.

    Dub's database takes both for one value (recorded). It would refuse the row, and then the customer would
    be deleted: the one whom the row means.
    """
    if holders:
        columns = " and ".join(sorted({each.column for each in holders}))
        customers = _listed(sorted({each.customer_id for each in holders}))
        rows = _rows([each.row for each in holders if each.row is not None])
        raise ConflictingClaims(
            f"The {columns} in {rows} differs only in case, accents or blanks from that of customers whom "
            f"the same plan deletes ({customers}), and may mean them: spell it in these rows as Dub does."
        )


def refuse_swap(drafts: Sequence[Draft]) -> None:
    """Raise SwapRefused for drafts that wait for each other in circles."""
    rows = sorted(each.row for each in drafts if each.row is not None)
    who = f" ({_rows(rows)})" if rows else ""
    raise SwapRefused(
        f"{len(drafts):,} customers{who} exchange external ids or Stripe ids, for which one of them must "
        "give up its own for a moment, while live tracking may take it: if that is meant, set allow_swaps."
    )


def check_values(drafts: Iterable[Draft]) -> None:
    """Raise BadValues for a fault that Dub would find in what is asked for, naming the rows that have it."""
    faults: dict[tuple[str, str], list[int]] = defaultdict(list)
    for draft in drafts:
        asked = dict(draft.change.asked)
        if draft.change.op is Op.CREATE:
            asked.setdefault("country", None)
        for column, value in asked.items():
            if (fault := check_value(column, value)) is not None:
                faults[column, fault].append(-1 if draft.row is None else draft.row)
    if faults:
        (column, fault), rows = min(faults.items(), key=lambda each: (min(each[1]), each[0]))
        others = {row for some in faults.values() for row in some} - set(rows)
        more = f" (rows with other faults: {len(others):,})" if others else ""
        raise BadValues(
            f"The {column} in {_rows(rows)} {fault}{more}: correct these rows, or leave them out."
        )


def _rows(rows: Sequence[int]) -> str:
    """``row 3``, ``rows 3 and 4``, ``rows 1, 2, 3 and 7 more``; in order, each once."""
    distinct = sorted(set(rows))
    return ("row " if len(distinct) == 1 else "rows ") + _listed([f"{each:,}" for each in distinct])


def _listed(texts: Sequence[str]) -> str:
    shown, more = list(texts[:_NAMED]), len(texts) - _NAMED
    if more > 0:
        shown.append(f"{more:,} more")
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1] if shown else ""]))
