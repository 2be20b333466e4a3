"""Filters of a list: which customers a query means, as MySQL would decide it."""

import re

from dub_source.sandbox.collation import collate, id_key
from dub_source.sandbox.model import Customer
from dub_source.sandbox.problems import INTERNAL, Problem
from dub_source.sandbox.store import Matches
from dub_source.sandbox.validation import Filters

_REMOVED_FROM_SEARCH = re.compile(r"[*+\-()~@%<>!=?:]")
_WORD = re.compile(r"\w+")  # InnoDB's tokenizer ends a word at an apostrophe too, against MySQL's manual
_PHRASE = re.compile(r'"([^"]*)"')
_SHORTEST_WORD = 3
_STOP_WORDS = frozenset(
    "about are com for from how that the this was what when where who will with und www".split()
)  # InnoDB's default list, less the words that are too short anyway


def words(text: str) -> set[str]:
    """The words of a text that InnoDB's full-text index holds."""
    return {word for word in _tokens(text) if len(word) >= _SHORTEST_WORD and word not in _STOP_WORDS}


def _tokens(text: str) -> list[str]:
    return [collate(word) for word in _WORD.findall(text)]


def predicate(filters: Filters, program_id: str | None) -> Matches | None:
    """What decides whether a customer is meant; None when everybody is.

    Args:
        program_id: the workspace's own program where the query names a program or a partner: the
            value of programId itself is ignored.

    Raises:
        Problem: 500 if MySQL could not parse the search.
    """
    tests: list[Matches] = []
    if filters.customer_ids is not None:
        wanted = {id_key(customer_id) for customer_id in filters.customer_ids}
        tests.append(lambda row: id_key(row.id) in wanted)
    for field, value in (
        ("program_id", program_id),
        ("partner_id", filters.partner_id),
        ("country", filters.country),
        ("link_id", filters.link_id),
    ):
        if value is not None:
            tests.append(_equals(field, value))
    tests.extend(_identity(filters))
    if not tests:
        return None
    return lambda row: all(test(row) for test in tests)


def _identity(filters: Filters) -> list[Matches]:
    """email wins over externalId, externalId over search."""
    if filters.email is not None:
        return [_equals("email", filters.email)]
    if filters.external_id is not None:
        return [_equals("external_id", filters.external_id)]
    if filters.search is None:
        return []
    if "@" in filters.search:
        return [_equals("email", filters.search)]
    return [_full_text(_REMOVED_FROM_SEARCH.sub("", filters.search))]


def _full_text(query: str) -> Matches:
    """MySQL's boolean mode with what Dub leaves of it: any of the words, any of the phrases in quotes."""
    phrases = [f" {' '.join(_tokens(phrase))} " for phrase in _PHRASE.findall(query) if words(phrase)]
    rest = _PHRASE.sub(" ", query)
    if '"' in rest:  # an odd quote is a syntax error to MySQL, which Dub does not expect
        raise Problem("internal_server_error", INTERNAL)
    wanted = words(rest)

    def matches(row: Customer) -> bool:
        columns = [column for column in (row.email, row.name) if column]
        if any(not wanted.isdisjoint(words(column)) for column in columns):
            return True
        # A phrase stands within one column.
        return bool(phrases) and any(
            phrase in f" {' '.join(_tokens(column))} " for column in columns for phrase in phrases
        )

    return matches


def _equals(field: str, value: str) -> Matches:
    wanted = collate(value)

    def equals(row: Customer) -> bool:
        actual: str | None = getattr(row, field)
        return actual is not None and collate(actual) == wanted

    return equals
