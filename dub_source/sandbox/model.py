"""The rows behind the sandbox: customers, workspaces, keys, links, partners, discounts."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import orjson

from dub_source.sandbox.names import random_name

_LARGEST_EXACT_NUMBER = 2**53  # beyond it a JavaScript number, which is what Dub answers with, loses digits


@dataclass(slots=True, eq=False)
class Customer:
    """One customer as the database holds it; times are milliseconds since 1970 UTC, money is cents."""

    id: str
    workspace_id: str
    external_id: str | None
    created_ms: int
    name: str | None = None
    email: str | None = None
    avatar: str | None = None
    stripe_customer_id: str | None = None
    country: str | None = None
    sales: int = 0
    sale_amount: int = 0
    first_sale_ms: int | None = None
    canceled_ms: int | None = None
    link_id: str | None = None
    program_id: str | None = None
    partner_id: str | None = None
    rendered: bytes | None = field(default=None, repr=False)

    @property
    def has_random_name(self) -> bool:
        """Whether Dub makes up a name for every answer."""
        return not self.name and not self.email

    def render(self, source: random.Random) -> bytes:
        """The plain JSON object, without its closing brace; kept until the row changes."""
        if self.rendered is not None:
            return self.rendered
        rendered = orjson.dumps(self.as_json(source))[:-1]
        if not self.has_random_name:
            self.rendered = rendered
        return rendered

    def as_json(self, source: random.Random) -> dict[str, Any]:
        """The plain object in Dub's field order."""
        return {
            "id": self.id,
            "name": self.name or self.email or random_name(source),
            "email": self.email,
            "avatar": self.avatar,
            "externalId": self.external_id,
            "stripeCustomerId": self.stripe_customer_id,
            "country": self.country,
            "sales": self.sales,
            "saleAmount": json_number(self.sale_amount),
            "createdAt": iso(self.created_ms),
            "firstSaleAt": iso(self.first_sale_ms),
            "subscriptionCanceledAt": iso(self.canceled_ms),
        }


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace and what decides about its limits: the plan, and whether that is on trial."""

    id: str
    slug: str
    plan: str
    default_program_id: str | None = None
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """An API key. Keys that start with ``dub_`` belong to one workspace, older personal keys to a user."""

    name: str
    key: str
    user_id: str
    workspace_id: str | None = None
    expires_ms: int | None = None


@dataclass(slots=True)
class Dataset:
    """Everything a sandbox starts with."""

    workspaces: list[Workspace] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    roles: dict[tuple[str, str], str] = field(default_factory=dict)
    """(user id, workspace id) -> owner, member, viewer or billing."""
    links: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Link id -> the ``link`` object of an expanded customer."""
    partners: dict[str, dict[str, Any]] = field(default_factory=dict)
    enrollments: dict[tuple[str, str], dict[str, Any] | None] = field(default_factory=dict)
    """(partner id, program id) -> the ``discount`` object of that enrolment, if it has one."""
    customers: list[Customer] = field(default_factory=list)


def json_number(value: int) -> int:
    """A 64-bit integer as JavaScript prints it: above 2^53 only some 17 digits survive."""
    if -_LARGEST_EXACT_NUMBER <= value <= _LARGEST_EXACT_NUMBER:
        return value
    return int(Decimal(repr(float(value))))


def iso(milliseconds: int | None) -> str | None:
    """``2026-11-01T00:20:00.000Z``, Dub's one date format."""
    if milliseconds is None:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    # Not strftime, whose years before 1000 have fewer than four digits here.
    return f"{datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()}.{rest:03d}Z"


def milliseconds(text: str | None) -> int | None:
    """The inverse of :func:`iso`; a time without a zone is UTC.

    Raises:
        ValueError: if the text is not an ISO time.
    """
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000
