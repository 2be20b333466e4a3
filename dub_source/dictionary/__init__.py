"""The data dictionary: what every table, view and column means, in one place for all who show it.

dlt's column descriptions, Dagster's asset metadata, docs/data-dictionary.md and dbt's sources come from here.
"""

from dub_source.dictionary.customers import CUSTOMERS, FILTERED, HISTORY, VALIDITY
from dub_source.dictionary.model import Column, Table
from dub_source.dictionary.pushes import ERASURES, PUSH_CHANGES, PUSH_LOG, PUSH_PLANS
from dub_source.dictionary.runs import SYNC_RUNS
from dub_source.dictionary.views import ANALYSES

TABLES: dict[str, Table] = {
    table.name: table
    for table in (CUSTOMERS, HISTORY, FILTERED, SYNC_RUNS, PUSH_PLANS, PUSH_CHANGES, PUSH_LOG, ERASURES)
}
"""All tables, by the name that they have unless ``table_name`` gives them another one."""

VIEWS: dict[str, Table] = {view.name: view for view in (VALIDITY, *ANALYSES)}
"""All views, by the name that they have for the table ``customers``."""

__all__ = ["TABLES", "VIEWS", "Column", "Table"]
