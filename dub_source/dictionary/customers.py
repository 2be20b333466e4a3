"""The tables of customers, of their history, and of those that match a filter."""

from dataclasses import replace

from dub_source import table_names
from dub_source.dictionary.model import BIGINT, BOOLEAN, CENTS, DOUBLE, MOMENT, TEXT, UTC, Column, Table


def _expanded(
    source: str, meaning: str, kind: str = TEXT, *, personal: bool = False, unit: str = ""
) -> Column:
    parent, _, field = source.rpartition(".")
    name = "".join(f"_{each.lower()}" if each.isupper() else each for each in field)
    return Column(
        f"{parent}__{name}" if parent else name,
        meaning,
        kind,
        unit=unit,
        source=source,
        personal=personal,
        expanded=True,
    )


_OF_DUB = (
    Column("id", "Dub's id of the customer", TEXT, source="id", nullable=False),
    Column(
        "name",
        "Name; null where Dub makes one up on every read, because it has neither name nor email",
        TEXT,
        source="name",
        personal=True,
    ),
    Column("email", "Email address, as Dub shows it", TEXT, source="email", personal=True),
    Column("avatar", "Address of the picture", TEXT, source="avatar", personal=True),
    Column("external_id", "Id of the customer in your own system", TEXT, source="externalId", personal=True),
    Column(
        "stripe_customer_id", "Id of the customer at Stripe", TEXT, source="stripeCustomerId", personal=True
    ),
    Column("country", "Country, two letters of ISO 3166-1", TEXT, source="country"),
    Column("sales", "Number of sales so far", BIGINT, source="sales"),
    Column(
        "sale_amount",
        "Revenue so far; refunds can make it negative",
        BIGINT,
        unit=CENTS,
        source="saleAmount",
    ),
    Column(
        "created_at",
        "When the customer was created in Dub, or earlier: imports may backdate it",
        MOMENT,
        unit=UTC,
        source="createdAt",
    ),
    Column(
        "first_sale_at", "When the first sale was; null before it", MOMENT, unit=UTC, source="firstSaleAt"
    ),
    Column(
        "subscription_canceled_at",
        "When the subscription was canceled last; null if it was not",
        MOMENT,
        unit=UTC,
        source="subscriptionCanceledAt",
    ),
    _expanded("link.id", "Dub's id of the link that brought the customer; null without one"),
    _expanded("link.domain", "Domain of that link"),
    _expanded("link.key", "Path of that link, behind the domain"),
    _expanded("link.shortLink", "That link as it is shared"),
    _expanded("link.url", "Where that link leads"),
    _expanded("link.programId", "Dub's id of the partner program of that link"),
    _expanded("programId", "Dub's id of the partner program of the customer"),
    _expanded("partner.id", "Dub's id of the partner who referred the customer; null without one"),
    _expanded("partner.name", "Name of that partner", personal=True),
    _expanded("partner.email", "Email address of that partner", personal=True),
    _expanded("partner.image", "Address of that partner's picture", personal=True),
    _expanded("discount.id", "Dub's id of the discount that the customer has; null without one"),
    _expanded(
        "discount.amount", "How much it takes off", DOUBLE, unit="percent or cents, see discount__type"
    ),
    _expanded("discount.type", "Whether that is a percentage or a flat amount"),
    _expanded("discount.maxDuration", "For how long it is given; null for good", BIGINT, unit="months"),
    _expanded("discount.couponId", "Id of its coupon at Stripe"),
    _expanded("discount.couponTestId", "The same in Stripe's test mode"),
    _expanded("discount.description", "What Dub's users have written about it"),
)
_OURS = (
    Column("row_hash", "What the fields of Dub hold, in short: equal rows have equal hashes", TEXT),
    Column("name_generated", "Whether Dub makes up the name on every read, so that none is kept", BOOLEAN),
    Column(
        "observed_at",
        "Start of the request that read the row, on Dub's clock",
        MOMENT,
        unit=UTC,
        nullable=False,
    ),
    Column(
        "deleted_at",
        "Start of the request that proved that the customer is gone; null while it exists",
        MOMENT,
        unit=UTC,
    ),
)
_VERSION = (
    Column("version_key", "Key of the version, from its id, content and observation", TEXT, nullable=False),
    Column(
        "change",
        "What has happened to the customer",
        TEXT,
        nullable=False,
        values=("created", "updated", "deleted"),
    ),
    Column("changed_fields", "Names of the columns that an update changed, as a sorted JSON list", TEXT),
)

CUSTOMERS = Table(
    table_names.CUSTOMERS,
    "One row a customer. Who was deleted in Dub stays, with a deleted_at. A field that Dub adds later is a "
    "text column of its own; what can have none is JSON in other_fields.",
    (*_OF_DUB, *_OURS),
    key="id",
)
_ID = replace(_OF_DUB[0], references=(table_names.CUSTOMERS, "id"))
HISTORY = Table(
    table_names.HISTORY,
    "One row for each version of a customer that was seen. Rows are added, never changed.",
    (_ID, *_OF_DUB[1:], *_OURS, *_VERSION),
    key="version_key",
)
FILTERED = Table(
    table_names.FILTERED,
    "Customers who match the filter of a load, one row each. It has no history and no deletes: who does not "
    "match any more keeps the last values.",
    CUSTOMERS.columns,
    key="id",
)
VALIDITY = Table(
    table_names.VALIDITY,
    "Every version of a customer with the time during which it was valid. Made by every load.",
    (
        Column("valid_from", "When the version was seen first", MOMENT, unit=UTC, nullable=False),
        Column(
            "valid_to",
            "When the next version was seen; null if there is none: the customer still looks so, or is gone",
            MOMENT,
            unit=UTC,
        ),
        Column("is_current", "Whether it is the newest version of the customer", BOOLEAN, nullable=False),
        *HISTORY.columns,
    ),
    key="version_key",
    of=table_names.HISTORY,
)
