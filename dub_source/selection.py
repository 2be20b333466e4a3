"""Which customers are wanted. Decided here, because a filtered walk at Dub skips customers."""

import json
import re
from dataclasses import dataclass, field, fields
from typing import Any

from dub_source.errors import SettingsError
from dub_source.types import Customer

# What can match somebody. Nobody's country or link is "", "5" or "[]", which is what dlt makes of such
# values in a file or the environment, and a load that finds nobody looks like a success.
_POSSIBLE = {
    "country": (r"[^\W\d_](.*\S)?", "a country as Dub shows it, such as DE"),
    "link_id": (r"[\w-]*[A-Za-z][\w-]*", "the id of a link, such as link_1KAXYZ"),
    "partner_id": (r"[\w-]*[A-Za-z][\w-]*", "the id of a partner, such as pn_1KAXYZ"),
    "email": (r"[^@\s]+@\S+", "an email address"),
    "external_id": (r".*\S.*", "an external id"),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which customers are wanted; None means any. Country and email compare in any case.

    Raises SettingsError for a filter that can match nobody; the sentence names it and holds no value.
    """

    country: str | None = None
    link_id: str | None = None
    partner_id: str | None = None
    email: str | None = field(default=None, repr=False)
    external_id: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            pattern, wanted = _POSSIBLE[each.name]
            if value is not None and not _is_possible(value, pattern):
                raise SettingsError(
                    f"The filter {each.name} must be {wanted}: correct it, or leave it out to load everybody."
                )

    def __bool__(self) -> bool:
        return self != Selection()

    def of(self, customers: list[Customer]) -> list[Customer]:
        """Those of the customers that are wanted."""
        return [each for each in customers if self._wants(each)] if self else customers

    def _wants(self, customer: Customer) -> bool:
        return (
            self._same(self.country, customer.get("country"), any_case=True)
            and self._same(self.email, customer.get("email"), any_case=True)
            and self._same(self.external_id, customer.get("externalId"))
            and self._same(self.link_id, (customer.get("link") or {}).get("id"))
            and self._same(self.partner_id, (customer.get("partner") or {}).get("id"))
        )

    @staticmethod
    def _same(wanted: str | None, actual: Any, *, any_case: bool = False) -> bool:
        if wanted is None:
            return True
        if not isinstance(actual, str):
            return False
        return wanted.casefold() == actual.casefold() if any_case else wanted == actual


def _is_possible(value: object, pattern: str) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(pattern, value, re.DOTALL)) and not _is_json(value)


def _is_json(text: str) -> bool:
    """Whether a text is a list or a table of a file, as dlt writes it where a text is wanted."""
    try:
        return isinstance(json.loads(text), list | dict)
    except ValueError:
        return False
