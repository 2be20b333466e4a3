"""The tables and views of a place as sources for dbt: what they mean, what must hold, how old they may be."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from dub_source.analytics import view_name
from dub_source.destinations import Target
from dub_source.destinations.sql_tables import SqlTables
from dub_source.dictionary import TABLES, VIEWS, Column, Table
from dub_source.runs.views import nothing_loaded
from dub_source.runs.warehouse import reading
from dub_source.table_names import CUSTOMERS, FILTERED, HISTORY, SYNC_RUNS, history_of

_FRESH = {
    "warn_after": {"count": 25, "period": "hour"},
    "error_after": {"count": 49, "period": "hour"},
}
"""As for ``dub-source status``."""


def sources(places: Sequence[tuple[Target, str]]) -> str:
    """A ``sources.yml`` for dbt; nothing is changed.

    A source for each dataset, called like it, with the tables and views that it has: run it again after
    ``dub-source views``, or when columns have come or gone. What is fresh is what the last good
    load has read, changed or not. It needs dbt 1.10.6 or later.

    Args:
        places: targets with their table of customers.

    Raises:
        AlreadyRunning: if a run keeps a file of DuckDB for itself.
        DestinationError: if a place cannot be looked at.
        InvalidArgument: if nothing was loaded there.
    """
    import yaml

    text: str = yaml.safe_dump(
        {"version": 2, "sources": [_source(target, table) for target, table in places]},
        sort_keys=False,
        width=100,
        allow_unicode=True,
    )
    return text.rstrip()


def _source(target: Target, table: str) -> dict[str, Any]:
    called = _names(table)
    with reading(target) as pipeline:
        if pipeline is None:
            raise nothing_loaded(target, table)
        columns = SqlTables(
            pipeline, {name: name for name in called}, called=f"The dataset {target.dataset}"
        ).columns
    if not columns[table]:
        raise nothing_loaded(target, table)
    return {
        "name": target.dataset,
        "schema": target.dataset,
        "description": "Customers of a Dub workspace, loaded by dub-source.",
        "tables": [
            _table(called[name], name, there, target, table) for name, there in columns.items() if there
        ],
    }


def _names(table: str) -> dict[str, Table]:
    """What the dictionary has, by the name in the dataset."""
    own = {CUSTOMERS: table, HISTORY: history_of(table)}
    tables = {own.get(name, name): each for name, each in TABLES.items() if name != FILTERED}
    if table == FILTERED:
        tables[table] = TABLES[FILTERED]
    return tables | {view_name(name, table): each for name, each in VIEWS.items()}


def _loaded_at(target: Target, table: str) -> str:
    """When the last load read Dub that went well: a row that has not changed keeps its observation."""
    return (
        f"select max(ended_at) from {target.dataset}.{SYNC_RUNS} "  # noqa: S608 - checked names, for dbt
        f"where status = 'ok' and table_name = '{table}'"
    )


def _table(said: Table, name: str, there: Sequence[str], target: Target, table: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "description": said.meaning}
    if said.name in (CUSTOMERS, FILTERED, HISTORY, SYNC_RUNS):
        # A copy each: YAML would refer to the first one.
        found["config"] = {"freshness": deepcopy(_FRESH), "loaded_at_query": _loaded_at(target, table)}
    found["columns"] = [
        {
            "name": column.name,
            "description": column.description,
            **_tests(said, column),
        }
        for column in said.columns
        if column.name in there
    ]
    return found


def _tests(said: Table, column: Column) -> dict[str, Any]:
    tests: list[Any] = []
    if column.name == said.key:
        tests.append("unique")
    if not column.nullable:
        tests.append("not_null")
    if column.values:
        tests.append({"accepted_values": {"arguments": {"values": list(column.values)}}})
    return {"data_tests": tests} if tests else {}
