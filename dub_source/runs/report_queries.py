"""The figures of the report, by the SQL of the views for analysts. Sums alone leave the warehouse."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import dlt
import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers

from dub_source.analytics import MARK, left_out, query
from dub_source.destinations.sql_tables import SqlTables
from dub_source.report.figures import (
    Changed,
    Cohort,
    Day,
    FirstSales,
    Group,
    Groups,
    Month,
    Run,
    Totals,
)
from dub_source.table_names import CUSTOMERS, HISTORY, SYNC_RUNS, history_of

TOP = 10
"""Countries, partners and links that are shown by themselves."""
_RUNS = 5_000
"""The newest ones, of which the report tells: a run every quarter of an hour for seven weeks."""
_DAY, _TEXT, _NUMBER, _FLAG = pa.date32(), pa.string(), pa.int64(), pa.bool_()
_MOMENT, _FRACTION = pa.timestamp("us", tz="UTC"), pa.float64()
_MONEY = ("customers", "buyers", "revenue_cents")


class ReportQueries:
    """Reads the parts of the report, each by one query or two.

    Attributes:
        absent: by part, why it is None, in a sentence.
    """

    def __init__(self, pipeline: dlt.Pipeline, table: str) -> None:
        """Look which tables there are; raises what :class:`SqlTables` does.

        Args:
            pipeline: that of the loads, synchronised with the destination.
            table: the table of customers.
        """
        self._table = table
        self._names = {CUSTOMERS: table, HISTORY: history_of(table), SYNC_RUNS: SYNC_RUNS}
        self._tables = SqlTables(pipeline, self._names, called="What the report is made of")
        self._columns = {name: columns for name, columns in self._tables.columns.items() if columns}
        self.absent: dict[str, str] = {}
        with pipeline.sql_client() as client:
            self._dialect = str(client.capabilities.sqlglot_dialect or "")
            self._qualified = {
                name: client.make_qualified_table_name(own) for name, own in self._names.items()
            }

    def totals(self) -> Totals | None:
        """Of all customers who exist; by country, because every one of them is in one row there."""
        sums = self._sums("totals", "revenue_by_country", (*_MONEY, "canceled"))
        if sums is None:
            return None
        return Totals(**{name: sums[name] for name in (*_MONEY, "canceled")})

    def over_time(self) -> tuple[Day, ...] | None:
        """All days on which something happened, in their order."""
        rows = self._rows(
            "over_time",
            "customers_over_time",
            {
                "day": _DAY,
                **dict.fromkeys(("new_customers", "new_buyers", "cancellations", "deleted"), _NUMBER),
                "customers_total": _NUMBER,
            },
            "ORDER BY day",
        )
        return None if rows is None else tuple(Day(total=row.pop("customers_total"), **row) for row in rows)

    def countries(self) -> Groups | None:
        """By country."""
        return self._groups("countries", "revenue_by_country", "country")

    def partners(self, *, names: bool = True) -> Groups | None:
        """By partner; their ids where a name is not known, or not wanted."""
        name = "COALESCE(partner_name, partner_id)" if names else "partner_id"
        return self._groups("partners", "revenue_by_partner", name)

    def links(self) -> Groups | None:
        """By link; its id where the short link is not known."""
        return self._groups("links", "revenue_by_link", "COALESCE(short_link, link_id)")

    def cohorts(self) -> tuple[Cohort, ...] | None:
        """By month of creation, in their order."""
        columns = {
            "cohort_month": _DAY,
            **dict.fromkeys(_MONEY, _NUMBER),
            "revenue_per_customer_cents": _FRACTION,
            "canceled": _NUMBER,
        }
        rows = self._rows("cohorts", "cohorts", columns, "ORDER BY cohort_month")
        shares: dict[Any, dict[int, float]] = defaultdict(dict)
        columns = {"cohort_month": _DAY, "months_since": _NUMBER, "share_bought": _FRACTION}
        for row in self._rows("cohort_activity", "cohort_activity", columns) or ():
            shares[row["cohort_month"]][row["months_since"]] = row["share_bought"]
        if rows is None:
            return None
        return tuple(
            Cohort(month=row["cohort_month"], shares=shares[row.pop("cohort_month")], **row) for row in rows
        )

    def first_sales(self) -> FirstSales | None:
        """By whole days; those who bought before they were created have -1."""
        days = "CASE WHEN is_backdated THEN -1 ELSE CAST(FLOOR(days_to_first_sale) AS BIGINT) END"
        rows = self._rows(
            "first_sales",
            "time_to_first_sale",
            {f"{days} AS days": _NUMBER, "COUNT(*) AS buyers": _NUMBER},
            f"GROUP BY {days}",
        )
        return None if rows is None else FirstSales({row["days"]: row["buyers"] for row in rows})

    def churn(self) -> tuple[Month, ...] | None:
        """By month, in their order."""
        columns = {"month": _DAY, "buyers_at_start": _NUMBER, "canceled": _NUMBER, "churn_share": _FRACTION}
        rows = self._rows("churn", "churn", columns, "ORDER BY month")
        return None if rows is None else tuple(Month(share=row.pop("churn_share"), **row) for row in rows)

    def changes(self) -> tuple[Changed, ...] | None:
        """Days on which changes were seen, in their order."""
        columns = {"day": _DAY, **dict.fromkeys(("created", "updated", "deleted"), _NUMBER)}
        rows = self._rows("changes", "changes_daily", columns, "ORDER BY day")
        return None if rows is None else tuple(Changed(**row) for row in rows)

    def runs(self) -> tuple[Run, ...] | None:
        """The newest runs, the newest first."""
        counts = dict.fromkeys(("requests", "created", "updated", "deleted"), _NUMBER)
        columns = {
            "started_at": _MOMENT,
            **dict.fromkeys(("mode", "status", "error"), _TEXT),
            "certified": _FLAG,
            **counts,
            "seconds": _FRACTION,
        }
        rows = self._rows(
            "runs",
            "sync_health",
            columns,
            f"WHERE table_name = {exp.Literal.string(self._table)} ORDER BY started_at DESC LIMIT {_RUNS}",
        )
        if rows is None:
            return None
        numbers = ({name: row[name] or 0 for name in counts} for row in rows)
        return tuple(
            Run(
                started_at=row["started_at"],
                mode=row["mode"],
                ok=row["status"] == "ok",
                error=row["error"],
                certified=row["certified"],
                seconds=row["seconds"],
                **number,
            )
            for row, number in zip(rows, numbers, strict=True)
        )

    def _groups(self, part: str, view: str, name: str) -> Groups | None:
        sums = self._sums(part, view, _MONEY)
        rows = self._rows(
            part,
            view,
            {f"{name} AS name": _TEXT, **dict.fromkeys(_MONEY, _NUMBER)},
            # Those who have none of it first, so that they are in any case.
            f"ORDER BY CASE WHEN {name} IS NULL THEN 0 ELSE 1 END, revenue_cents DESC, customers DESC, "
            f"{name} LIMIT {TOP + 1}",
        )
        if rows is None or sums is None:
            return None
        nobodys = [row for row in rows if row["name"] is None]
        named = [row for row in rows if row["name"] is not None][:TOP]
        top = tuple(Group(**row) for row in named + nobodys)
        others = sums["groups"] - len(top)
        rest = {each: sums[each] - sum(getattr(group, each) for group in top) for each in _MONEY}
        return Groups(top, others, Group(None, **rest) if others > 0 else None)

    def _sums(self, part: str, view: str, names: Sequence[str]) -> dict[str, int] | None:
        """The sums of a view's columns, and how many ``groups`` it has."""
        sums = {f"CAST(COALESCE(SUM({name}), 0) AS BIGINT) AS {name}": _NUMBER for name in names}
        rows = self._rows(part, view, {"COUNT(*) AS groups": _NUMBER, **sums})
        return None if rows is None else {**rows[0]}

    def _rows(
        self, part: str, view: str, columns: Mapping[str, pa.DataType], rest: str = ""
    ) -> list[dict[str, Any]] | None:
        """Rows of a view; None, and why, if it cannot be there.

        Args:
            part: of the report.
            view: its name.
            columns: what to select and of which type it is; without a name of its own it is a column's.
            rest: of the query, in DuckDB's dialect.
        """
        why = left_out(view, self._columns)
        if why is not None:
            self.absent[part] = why
            return None
        select = f"SELECT {', '.join(columns)} FROM {MARK} {rest}"
        schema = pa.schema([(each.rpartition(" AS ")[2], kind) for each, kind in columns.items()])
        found = self._tables.read(schema, self._sql(view, select))
        return [row for rows in found for row in rows.to_pylist()]

    def _sql(self, view: str, select: str) -> str:
        """A query over the view's, as SQL of the destination."""
        text = query(view, table_of=self._qualified.__getitem__, dialect=self._dialect, columns=self._columns)
        of_view: Any = sqlglot.parse_one(text, dialect=self._dialect)
        # Not a subquery: not every dialect has WITH in one.
        over: Any = sqlglot.parse_one(select, dialect="duckdb")
        over = normalize_identifiers(over, dialect=self._dialect)
        for cte in of_view.ctes:
            over = over.with_(cte.alias, as_=cte.this)
        # SqlTables puts names where there are braces.
        written: str = over.sql(self._dialect, identify=True)
        return written.replace("{", "{{").replace("}", "}}")
