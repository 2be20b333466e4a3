"""Tables and columns that somebody has dropped, made again before a load writes into them.

dlt looks at the tables only if it has not stored the schema of a load yet. What was dropped since is missing
for good then, and each load fails.
"""

import json
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from dlt.common.schema import Schema
from dlt.destinations.exceptions import DatabaseUndefinedRelation
from dlt.destinations.job_client_impl import SqlJobClientBase

if TYPE_CHECKING:
    import dlt

_HASH, _KEY_OF_VERSIONS = "row_hash", "version_key"


def loaded_columns(schemas: Collection[Schema], table: str) -> set[str]:
    """The columns that runs have loaded into a table, in lower case, without dlt's own.

    Others may have added columns of their own, or dropped some of these.
    """
    stored = [each.get_table_columns(table) for each in schemas if table in each.tables]
    return {name.lower() for columns in stored for name in columns if not name.startswith("_dlt_")}


def restore(pipeline: "dlt.Pipeline") -> None:
    """Make again what was dropped of the tables that the normalized packages go into.

    The values of a column are lost. So that the next sweep brings those of all customers, no row of theirs
    keeps its hash; that comes first, because a run may be killed in between.
    """
    with pipeline.destination_client() as client:
        if not isinstance(client, SqlJobClientBase) or not client.is_storage_initialized():
            return
        there = {
            name: {column.lower() for column in columns}
            for name, columns in client.get_storage_tables(_tables(pipeline))
        }
        if not _missing([client.schema], there):
            return
        # Of a table that is new, or a field that Dub has added, nothing was stored before.
        dropped = _missing(_stored_schema(client), there)
        for name in dropped:
            if _HASH in there[name] and _KEY_OF_VERSIONS not in there[name]:
                table = client.sql_client.make_qualified_table_name(name)
                client.sql_client.execute_sql(
                    f"UPDATE {table} SET {client.sql_client.escape_column_name(_HASH)} = NULL"
                )
        if dropped and client.get_stored_schema_by_hash(client.schema.stored_version_hash) is not None:
            client.update_stored_schema(only_tables=dropped, force=True)


def _tables(pipeline: "dlt.Pipeline") -> set[str]:
    packages = map(pipeline.get_load_package_info, pipeline.list_normalized_load_packages())
    return {job.job_file_info.table_name for each in packages for job in each.jobs["new_jobs"]}


def _missing(schemas: Collection[Schema], there: Mapping[str, Collection[str]]) -> list[str]:
    return [name for name, columns in there.items() if loaded_columns(schemas, name) - set(columns)]


def _stored_schema(client: Any) -> list[Schema]:
    try:
        stored = client.get_stored_schema(client.schema.name)
    except DatabaseUndefinedRelation:
        return []
    return [Schema.from_dict(json.loads(stored.schema))] if stored else []
