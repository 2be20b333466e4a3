"""The dictionary as a page: docs/data-dictionary.md."""

from collections.abc import Iterable, Iterator

from dub_source.dictionary import TABLES, VIEWS
from dub_source.dictionary.customers import FILTERED
from dub_source.dictionary.model import Column, Table

_HEAD = """\
# Data dictionary

Every table and view that dub-source makes, and what their columns mean. Generated from
[dub_source/dictionary](../dub_source/dictionary), which is also where dlt's column descriptions, the column
metadata of the Dagster assets and the descriptions in dbt's `sources.yml` come from (see [views](views.md)).

- Types are those of dlt: `bigint`, `text` and so on; each destination has its own names for them. `timestamp`
  has a time zone, and moments are UTC. Amounts are whole cents.
- *Field of Dub* is where the value stands in Dub's API; what has none is worked out by dub-source.
- Columns marked *expanded* are missing with `--no-expanded`, and so are excluded ones; hashed ones hold 64
  hexadecimal digits. Columns marked *personal* may hold something by which a person is known.
- Names are those for the table `customers`; with `table_name = "people"` they are `people`, `people_history`,
  `people_validity`, `people_current`, `people_cohorts` and so on.
- dlt's own tables and columns begin with `_dlt`: see dlt's documentation.

## How they belong together

```mermaid
"""


def as_markdown() -> str:
    """The whole page."""
    parts = [_HEAD, *_diagram(), "```\n"]
    for title, tables in (("Tables", TABLES), ("Views", VIEWS)):
        parts.append(f"\n## {title}\n")
        for table in tables.values():
            parts += ["\n", *_section(table)]
    return "".join(parts)


def _diagram() -> Iterator[str]:
    """Tables with their keys and references, in mermaid's language for entities, which GitHub draws."""
    yield "erDiagram\n"
    yield '    customers ||--|{ customers_history : "has versions"\n'
    yield '    customers }o--o{ sync_runs : "are loaded by"\n'
    yield '    push_plans ||--o{ push_changes : "lists"\n'
    yield '    push_changes ||--o| push_log : "ends in"\n'
    yield '    customers |o--o{ push_changes : "is concerned by"\n'
    yield '    push_plans |o--o{ erasures : "deletes for"\n'
    for table in TABLES.values():
        if table is FILTERED:
            continue
        yield f"    {table.name} {{\n"
        for column in _shown(table):
            mark = _mark(table, column)
            yield f"        {column.type} {column.name}{mark}\n"
        yield "    }\n"


def _shown(table: Table) -> Iterable[Column]:
    """Keys and references, and what says most of the rest."""
    more = {
        "customers": "external_id email country sales sale_amount created_at observed_at deleted_at",
        "customers_history": "change changed_fields observed_at",
        "sync_runs": "mode status started_at certified",
        "push_plans": "sync sync_mode created_at",
        "push_changes": "op asked",
        "push_log": "result reason",
        "erasures": "customer_sha256 erased_at",
    }[table.name].split()
    return [
        column
        for column in table.columns
        if column.name == table.key or column.references or column.name in more
    ]


def _mark(table: Table, column: Column) -> str:
    marks = ["PK"] * (column.name == table.key) + ["FK"] * (column.references is not None)
    return f" {', '.join(marks)}" if marks else ""


def _section(table: Table) -> Iterator[str]:
    yield f"### {table.name}\n\n{table.meaning}"
    if table.of:
        yield f" It reads `{table.of}`."
    yield f" Key: `{table.key}`.\n\n" if table.key else "\n\n"
    yield "| Column | Type | Unit | Meaning | Field of Dub |\n|---|---|---|---|---|\n"
    for column in table.columns:
        notes = ["expanded"] * column.expanded + ["personal"] * column.personal
        values = f": {', '.join(f'`{each}`' for each in column.values)}" if column.values else ""
        remark = f" *({', '.join(notes)})*" if notes else ""
        cells = (
            f"`{column.name}`",
            column.type + ("" if column.nullable else ", not null"),
            column.unit,
            f"{column.meaning}{values}.{remark}",
            f"`{column.source}`" if column.source else "",
        )
        yield f"| {' | '.join(cells)} |\n"
