"""Which customers are wanted. Decided here, because a filtered walk at Dub skips customers."""

from dataclasses import dataclass
from typing import Any

from dub_source.types import Customer


@dataclass(frozen=True, slots=True)
class Selection:
    """Which customers are wanted; None means any. Country and email compare in any case."""

    country: str | None = None
    link_id: str | None = None
    partner_id: str | None = None
    email: str | None = None
    external_id: str | None = None

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
