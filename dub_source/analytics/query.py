"""The SELECT of a view, for the tables and in the dialect of a destination."""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from dub_source.analytics.definitions import VIEWS
from dub_source.analytics.view import ALL_COLUMNS, View
from dub_source.errors import SettingsError
from dub_source.table_names import CUSTOMERS, HISTORY, SYNC_RUNS

if TYPE_CHECKING:
    from sqlglot import exp

MARK = "dub_source_view"
"""A name in every view that tells whose it is: destinations keep names, but no comments."""
_LONGEST_NAME = 63
"""Of Postgres, which would cut a longer one without a word."""
_TABLES = {
    CUSTOMERS: "table of customers",
    HISTORY: "table of their history",
    SYNC_RUNS: "table of runs",
}


def view_name(view: str, table: str) -> str:
    """What a view is called, for customers in this table: ``people_cohorts`` for ``people``.

    Args:
        view: one of :data:`~dub_source.analytics.VIEWS`.
        table: the table of customers; those of ``customers`` are called as they are in VIEWS, and
            ``sync_health`` is about all tables.
    """
    if table == CUSTOMERS or VIEWS[view].is_of_runs:
        return view
    return f"{table}_{view.removeprefix(f'{CUSTOMERS}_')}"


def left_out(view: str, columns: Mapping[str, Collection[str]], *, table: str = CUSTOMERS) -> str | None:
    """Why a view cannot be there, as a sentence; None if it can.

    Args:
        view: one of :data:`~dub_source.analytics.VIEWS`.
        columns: as of :func:`query`.
        table: the table of customers, which the view will be called after.
    """
    for name, needed in VIEWS[view].needs.items():
        there = columns.get(name)
        if there is None:
            return f"it needs the {_TABLES[name]}, which is not there."
        if missing := [each for each in needed if each not in there]:
            return (
                f"it needs {', '.join(missing)}, which the {_TABLES[name]} does not have: not loaded, "
                "or excluded."
            )
    own = view_name(view, table)
    if len(own) > _LONGEST_NAME:
        return f"the name {own} would be longer than {_LONGEST_NAME} characters: choose a shorter table_name."
    return None


def query(
    view: str,
    *,
    table_of: Callable[[str], str],
    dialect: str,
    columns: Mapping[str, Collection[str]],
    pretty: bool = False,
) -> str:
    """The SELECT of a view.

    Args:
        view: one of :data:`~dub_source.analytics.VIEWS`.
        table_of: the qualified name of ``customers``, ``customers_history`` or ``sync_runs`` as it stands in
            SQL of that dialect, such as ``"dub"."people_history"``.
        dialect: as sqlglot calls it.
        columns: by ``customers``, ``customers_history`` and ``sync_runs``, the columns that the table has;
            a table that is not there is left out.
        pretty: on several lines.

    Raises:
        SettingsError: with one sentence, if there is no such view or it cannot be there.
    """
    from sqlglot import exp
    from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

    if view not in VIEWS:
        raise SettingsError(f"There is no view {view!r}: there are {', '.join(VIEWS)}.")
    if why := left_out(view, columns):
        raise SettingsError(f"The view {view} is left out: {why}")
    select = normalize_identifiers(_parsed(VIEWS[view], columns), dialect=dialect)
    if dialect == "bigquery":
        # sqlglot 30 writes DATE_DIFF, which is for dates alone there.
        for each in list(select.find_all(exp.DateDiff)):
            each.replace(
                exp.TimestampDiff(this=each.this, expression=each.expression, unit=each.args["unit"])
            )
    for table in list(select.find_all(exp.Table)):
        # Snowflake writes names large.
        if (name := table.name.lower()) in columns:
            there = exp.to_table(table_of(name), dialect=dialect)
            table.replace(exp.alias_(there, table.alias, table=True) if table.alias else there)
    text: str = select.sql(dialect, identify=True, pretty=pretty)
    return text


def _parsed(view: View, columns: Mapping[str, Collection[str]]) -> "exp.Query":
    """The SELECT over the columns that there are, within one that bears the mark."""
    import sqlglot
    from sqlglot import exp

    select: Any = sqlglot.parse_one(view.sql, dialect="duckdb")
    (source,) = view.needs
    own = [name for name in columns[source] if not name.startswith("_dlt")]
    for column in list(select.find_all(exp.Column)):
        if column.name == ALL_COLUMNS:
            parent, at = column.parent, column.index
            others = parent.expressions
            parent.set("expressions", [*others[:at], *map(exp.column, own), *others[at + 1 :]])
        elif column.name in view.optional and column.name not in columns[source]:
            column.replace(exp.cast(exp.null(), "text"))
    # As columns: a text would be parsed, and a column of others may be called anything.
    outside = exp.select(*map(exp.column, select.named_selects)).from_(MARK)
    # Those of the query come first, and beside it: not every dialect has WITH within WITH.
    for cte in select.ctes:
        outside = outside.with_(cte.alias, as_=cte.this)
    select.set("with_", None)
    return outside.with_(MARK, as_=select)
