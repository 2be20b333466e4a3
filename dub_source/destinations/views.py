"""The views for analysts in a dataset: which there can be, making them, keeping them right, dropping them.

Loads see to the view of the history, ``<table>_validity``, and make it anew where it is missing or has not
the columns that it should have. The others are made on request, and loads see to them from then on.
"""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dub_source.analytics import MARK, VIEWS, left_out, query, view_name
from dub_source.destinations.catalog import Catalog, in_a_sentence
from dub_source.destinations.sql_tables import SqlTables
from dub_source.errors import DestinationError
from dub_source.table_names import CUSTOMERS, HISTORY, SYNC_RUNS, VALIDITY, history_of

if TYPE_CHECKING:
    import dlt


@dataclass(frozen=True, slots=True)
class Selects:
    """The views that a dataset can have.

    Attributes:
        sql: by name, the SELECT of each.
        names: by name, as it stands in SQL.
        left_out: by name, why there is none.
    """

    sql: Mapping[str, str]
    names: Mapping[str, str]
    left_out: Mapping[str, str]

    def statements(self) -> list[str]:
        """What makes them, each without a semicolon."""
        return [f"CREATE OR REPLACE VIEW {self.names[name]} AS\n{sql}" for name, sql in self.sql.items()]


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of the views.

    Attributes:
        done: names of those that were made or replaced, or dropped.
        left_out: by name, why there is none.
        in_the_way: names that something else has, which was left as it is.
    """

    done: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    in_the_way: tuple[str, ...] = ()


class Views:
    """The views of one table of customers, in the dataset of a pipeline."""

    def __init__(self, pipeline: "dlt.Pipeline", table: str) -> None:
        """Touch nothing yet.

        Args:
            pipeline: its destination and dataset; need not be running.
            table: the table of customers.
        """
        self._pipeline = pipeline
        self._tables = {CUSTOMERS: table, HISTORY: history_of(table), SYNC_RUNS: SYNC_RUNS}
        self._table = table

    @property
    def exist(self) -> bool:
        """Whether there is a table of customers, which they can be of."""
        return CUSTOMERS in self._columns()

    def check(self) -> None:
        """Raise DestinationError if the destination has no views."""
        with self._client() as client:
            if not _keeps_views(client):
                raise DestinationError(
                    "A lake of Delta tables has no views: dub-source views --print-sql prints them for the "
                    "engine that reads it, with --dialect in its SQL."
                )

    def selects(
        self, dialect: str | None = None, *, only: Collection[str] = tuple(VIEWS), pretty: bool = False
    ) -> Selects:
        """The SELECTs over the tables and columns that there are.

        Args:
            dialect: as sqlglot calls it, for a copy of the dataset elsewhere; None is the destination's.
            only: these of :data:`~dub_source.analytics.VIEWS`.
            pretty: on several lines.

        Raises:
            DestinationError: if the tables cannot be looked at.
        """
        columns = self._columns()
        with self._client() as client:
            wanted = dialect or _dialect(client)
            named = self._named(client, wanted)
        sql, names, missing = {}, {}, {}
        for view in only:
            name = view_name(view, self._table)
            if why := left_out(view, columns, table=self._table):
                missing[name] = why
            else:
                names[name] = named(name)
                sql[name] = query(
                    view,
                    table_of=lambda part: named(self._tables[part]),
                    dialect=wanted,
                    columns=columns,
                    pretty=pretty,
                )
        return Selects(sql, names, missing)

    def create(self) -> Changed:
        """Make all views that there can be, or replace those of ours.

        Raises:
            DestinationError: if the destination has no views, or does not let us make one.
        """
        self.check()
        selects = self.selects()
        with self._client() as client:
            theirs = self._in_the_way(self._catalog(client).definitions(), selects.sql)
            for name, select in selects.sql.items():
                if name not in theirs:
                    _put(client, name, select)
        done = tuple(name for name in selects.sql if name not in theirs)
        return Changed(done, selects.left_out, theirs)

    def drop(self) -> Changed:
        """Drop the views of ours, but for the one of the history, which the next load would bring back.

        ``sync_health`` is about all tables, and goes, too.

        Raises:
            DestinationError: if the destination has no views, or does not let us drop one.
        """
        self.check()
        names = [view_name(view, self._table) for view in VIEWS if view != VALIDITY]
        with self._client() as client:
            there = self._catalog(client).definitions()
            theirs = self._in_the_way(there, names)
            ours = tuple(name for name in names if name in there and name not in theirs)
            for name in ours:
                with in_a_sentence(f"The view {name}", "dropped"):
                    client.execute_sql(f"DROP VIEW {client.make_qualified_table_name(name)}")
        return Changed(ours, in_the_way=theirs)

    def refresh(self) -> None:
        """After a load: make the view of the history, and bring the others up to date if they were made.

        Where nothing has changed it takes one look. A lake of Delta tables has no views.

        Raises:
            DestinationError: if one cannot be made.
        """
        with self._client() as client:
            if not _keeps_views(client):
                return
            catalog = self._catalog(client)
            try:
                there, shapes = catalog.definitions(), catalog.columns()
            except DestinationError:
                # A database that cannot be looked at in this way has the view of the history all the same.
                stale = [VALIDITY]
            else:
                stale = self._stale(there, shapes)
        if not stale:
            return
        selects = self.selects(only=stale)
        with self._client() as client:
            for name, select in selects.sql.items():
                _put(client, name, select)

    def _stale(self, there: Mapping[str, str | None], shapes: Mapping[str, list[str]]) -> list[str]:
        """The views that should be there and are not, or not as they should be.

        Args:
            there: as of :meth:`Catalog.definitions`.
            shapes: as of :meth:`Catalog.columns`.

        Raises:
            DestinationError: if something else has the name of the view of the history.
        """
        columns = {part: shapes[name] for part, name in self._tables.items() if name in shapes}
        names = {view: view_name(view, self._table) for view in VIEWS}
        validity = names[VALIDITY]
        if validity in there and there[validity] is None:
            raise _in_the_way_of(validity)
        wanted = [VALIDITY]
        if any(
            _is_ours(there.get(name))
            for view, name in names.items()
            if view != VALIDITY and not VIEWS[view].is_of_runs
        ):
            theirs = self._in_the_way(there, names.values())
            wanted = [view for view, name in names.items() if name not in theirs]
        return [
            view
            for view in wanted
            if not left_out(view, columns, table=self._table)
            and not _is_as_it_should_be(view, columns, there.get(names[view]), shapes.get(names[view]))
        ]

    # The destination

    def _columns(self) -> dict[str, list[str]]:
        found = SqlTables(self._pipeline, self._tables, called=f"The table {self._table} or its history")
        return {name: there for name, there in found.columns.items() if there}

    def _client(self) -> Any:
        return self._pipeline.sql_client()

    def _named(self, client: Any, dialect: str) -> Callable[[str], str]:
        """How tables and views are called there; in another dialect, in a dataset of the same name."""
        if dialect == _dialect(client) and _keeps_views(client):
            return lambda name: str(client.make_qualified_table_name(name))
        from sqlglot import exp
        from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

        def named(name: str) -> str:
            table = exp.table_(name, db=self._pipeline.dataset_name)
            return normalize_identifiers(table, dialect=dialect).sql(dialect, identify=True)

        return named

    def _catalog(self, client: Any) -> Catalog:
        return Catalog(client, self._pipeline.dataset_name)

    def _in_the_way(self, there: Mapping[str, str | None], names: Collection[str]) -> tuple[str, ...]:
        """Those of the names that something has that is not a view of ours."""
        validity = view_name(VALIDITY, self._table)
        return tuple(
            name
            for name in names
            # Earlier versions made the view of the history without a mark.
            if name in there and not (_is_ours(there[name]) or (name == validity and there[name] is not None))
        )


def _is_ours(definition: str | None) -> bool:
    return definition is not None and MARK in definition.lower()


def _is_as_it_should_be(
    view: str, columns: Mapping[str, list[str]], definition: str | None, shape: list[str] | None
) -> bool:
    """Whether a view of ours has the columns that there are now."""
    if not _is_ours(definition) or definition is None:
        return False
    (source,) = VIEWS[view].needs
    if VIEWS[view].has_every_column:
        own = shape or []
        return own[len(own) - len(columns[source]) :] == columns[source]
    return all((name in columns[source]) == (name in definition.lower()) for name in VIEWS[view].optional)


def _in_the_way_of(name: str) -> DestinationError:
    return DestinationError(
        f"The view {name} was not made, because something else has its name: rename that, then run "
        "dub-source views."
    )


def _keeps_views(client: Any) -> bool:
    return bool(getattr(client, "keeps_views", True))


def _dialect(client: Any) -> str:
    return str(client.capabilities.sqlglot_dialect or "duckdb")


def _put(client: Any, name: str, select: str) -> None:
    """Make a view, or replace it; whoever may read it still may, if its columns are what they were."""
    qualified = client.make_qualified_table_name(name)
    with suppress(Exception):
        client.execute_sql(f"CREATE OR REPLACE VIEW {qualified} AS {select}")
        return
    # Some databases cannot replace a view, or not by one with fewer columns.
    with in_a_sentence(f"The view {name}", "made"), client.begin_transaction():
        client.execute_sql(f"DROP VIEW IF EXISTS {qualified}")
        client.execute_sql(f"CREATE VIEW {qualified} AS {select}")
