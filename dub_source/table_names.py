"""What our tables are called in the destination.

That of the customers may have another name (``table_name``); those that go with it are called after it.
"""

CUSTOMERS = "customers"
FILTERED = "customers_filtered"
SYNC_RUNS = "sync_runs"
PUSH_PLANS = "push_plans"
PUSH_CHANGES = "push_changes"
PUSH_LOG = "push_log"
ERASURES = "erasures"
COMMON = (SYNC_RUNS, PUSH_PLANS, PUSH_CHANGES, PUSH_LOG, ERASURES)
"""One of each in a dataset, whatever its tables of customers are called."""

HISTORY_SUFFIX = "_history"
VALIDITY_SUFFIX = "_validity"


def history_of(table: str) -> str:
    """The table with the versions of the customers in ``table``."""
    return table + HISTORY_SUFFIX


HISTORY = history_of(CUSTOMERS)
VALIDITY = CUSTOMERS + VALIDITY_SUFFIX
"""A view, of HISTORY."""
