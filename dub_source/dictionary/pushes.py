"""The tables of what is carried back into Dub: plans, their changes, what became of them, and erasures."""

from dub_source import table_names
from dub_source.dictionary.model import BIGINT, BOOLEAN, DOUBLE, MOMENT, TEXT, UTC, Column, Table

_TO_PLAN = (table_names.PUSH_PLANS, "plan_id")
_TO_CUSTOMER = (table_names.CUSTOMERS, "id")

_PLAN_ID = Column("plan_id", "The plan that it belongs to", TEXT, nullable=False, references=_TO_PLAN)
_NUMBER = Column("number", "Place of the change in the plan, from 0", BIGINT, nullable=False)
_OP = Column("op", "What the change does", TEXT, nullable=False, values=("update", "create", "delete"))
_ASKED = Column(
    "asked", "The values that were asked for, by column, as JSON; null after an erasure", TEXT, personal=True
)
_CUSTOMER = Column(
    "customer_id", "Dub's id of the customer; null before it is created", TEXT, references=_TO_CUSTOMER
)

PUSH_PLANS = Table(
    table_names.PUSH_PLANS,
    "One row for each plan.",
    (
        Column("plan_id", "Id of the plan: a digest of all that decides what it does", TEXT, nullable=False),
        Column("sync", "Name of the sync", TEXT, nullable=False),
        Column(
            "sync_mode",
            "Which changes the plan may have",
            TEXT,
            nullable=False,
            values=("update", "upsert", "create", "delete", "mirror", "revert", "erase"),
        ),
        Column("table_name", "The table of customers that it was compared with", TEXT),
        Column("created_at", "When it was made", MOMENT, unit=UTC, nullable=False),
        Column("changes", "Number of its changes", BIGINT),
        Column("counts", "Changes by what they do and, for updates, by column, as JSON", TEXT),
        Column("desired", "Rows of the desired state", BIGINT),
        Column("unchanged", "Of these, those that need nothing", BIGINT),
        Column("unmatched", "Of these, those that name nobody in the warehouse", BIGINT),
        Column("baseline", "The form of the rows that it was compared with", TEXT),
        Column("requests", "Requests that it takes to apply it", BIGINT),
        Column("reverts", "The plan that it takes back", TEXT, references=_TO_PLAN),
        Column("max_age_h", "Age after which it is not begun any more", DOUBLE, unit="hours"),
        Column("remarks", "What else its summary says, as JSON", TEXT),
    ),
    key="plan_id",
)
PUSH_CHANGES = Table(
    table_names.PUSH_CHANGES,
    "One row for each change of a plan.",
    (
        Column("change_key", "The plan and the number of the change", TEXT, nullable=False),
        _PLAN_ID,
        _NUMBER,
        _OP,
        _CUSTOMER,
        Column(
            "external_id",
            "External id of the customer, as far as the plan knows it; null after an erasure",
            TEXT,
            personal=True,
        ),
        _ASKED,
        Column(
            "before",
            "The values that the warehouse had, by column, as JSON; null after an erasure",
            TEXT,
            personal=True,
        ),
        Column("observed_at", "When the row was read that the change was planned on", MOMENT, unit=UTC),
        Column("chain", "Changes of one chain go one after the other; null: in any order", BIGINT),
        Column("temporary", "Whether it is the first half of a swap of external ids", BOOLEAN),
    ),
    key="change_key",
)
PUSH_LOG = Table(
    table_names.PUSH_LOG,
    "One row for each change that an apply has dealt with: its last outcome.",
    (
        Column(
            "change_key",
            "The plan and the number of the change",
            TEXT,
            nullable=False,
            references=(table_names.PUSH_CHANGES, "change_key"),
        ),
        _PLAN_ID,
        _NUMBER,
        _CUSTOMER,
        _OP,
        Column(
            "result",
            "What became of it",
            TEXT,
            nullable=False,
            values=(
                *("applied", "already_applied", "accepted_not_applied", "drifted", "rejected"),
                "not_attempted",
            ),
        ),
        Column("status", "HTTP status of Dub's last answer; null without one", BIGINT),
        Column("code", "Dub's error code; null without one", TEXT),
        Column("reason", "Why, in a sentence without personal data", TEXT),
        Column("attempts", "Requests for it that could have changed something", BIGINT),
        _ASKED,
        Column(
            "answered",
            "The same columns as Dub answered last, as JSON; null after an erasure",
            TEXT,
            personal=True,
        ),
        Column("requested_at", "Start of the request that decided it, on Dub's clock", MOMENT, unit=UTC),
        Column("logged_at", "When the row was written", MOMENT, unit=UTC),
    ),
    key="change_key",
)
ERASURES = Table(
    table_names.ERASURES,
    "One row for each person who was erased, without anything by which the person is known.",
    (
        Column("erasure_key", "Key of the row", TEXT, nullable=False),
        Column("customer_sha256", "SHA-256 of Dub's id of the customer, in hexadecimal digits", TEXT),
        Column("plan_id", "The plan of the deletes", TEXT, references=_TO_PLAN),
        Column("begun_at", "When it was begun", MOMENT, unit=UTC),
        Column("erased_at", "When everything was removed; null while it is not", MOMENT, unit=UTC),
        Column("removed", "Rows that held something of the person, by table, as JSON", TEXT),
    ),
    key="erasure_key",
)
