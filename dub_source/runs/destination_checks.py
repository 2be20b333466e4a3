"""What ``dub_customers`` refuses before anything is planned."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlt.common.storages.load_package import load_package_state

from dub_source.errors import BadValues, InvalidArgument, NotWritable, TooManyDeletes
from dub_source.reverse.desired import read_desired
from dub_source.reverse.fields import PLANNED
from dub_source.reverse.model import Op
from dub_source.reverse.sync_file import Sync

NAME = "dub_customers"
_OURS_OF_DLT = "_dlt"
_OP = "op"


def check_alone(table: str) -> None:
    """Refuse a package of several tables, at its first file: none of it has been sent then."""
    import dlt

    jobs = dlt.current.pipeline().get_load_package_info(load_package_state()["load_id"]).jobs
    names = {each.job_file_info.table_name for some in jobs.values() for each in some} | {table}
    others = sorted(name for name in names if not name.startswith(_OURS_OF_DLT))
    if len(others) > 1:
        raise InvalidArgument(
            f"The rows are {len(others)} tables ({', '.join(others)}), and {NAME} takes one, of any name, "
            "in a run: run the others by themselves; those of nested lists go away without max_table_nesting."
        )


def check_columns(sync: Sync, table: Mapping[str, Any]) -> None:
    """Refuse what a file of dlt does not show: nested values are texts in it, and empty columns missing."""
    columns, named = table["columns"], table["name"]
    mapped = sync.mapping.keys() - {sync.key}
    ours = {sync.key, *(sync.mapping if mapped else PLANNED)}
    theirs = [sync.mapping.get(column, column) for column in ours]
    nested = sorted(name for name in theirs if columns.get(name, {}).get("data_type") == "json")
    if nested:
        raise BadValues(
            f"The column {nested[0]} of {named} holds nested values, and fields of customers are texts: "
            "yield one part of them."
        )
    for column in sync.clear_nulls:
        if (name := sync.mapping.get(column, column)) not in columns:
            raise NotWritable(
                f"The rows of {named} have no column {name}, which clear_nulls asks for, and dlt leaves one "
                f'out that never held anything but None: give the resource columns={{"{name}": '
                f'{{"data_type": "text"}}}}, or take {column} out of clear_nulls.'
            )
    if any(column.get("hard_delete") for column in columns.values()):
        raise TooManyDeletes(
            f"The table {named} has a column with the hint hard_delete, and {NAME} deletes nobody: take the "
            "hint away, and use dub-source plan for deletes."
        )


def check_ops(sync: Sync, file: Path, table: Mapping[str, Any]) -> None:
    """Refuse rows that ask for a delete."""
    if _OP not in table["columns"]:
        return
    desired = read_desired(sync, folder=file.parent)
    deletes = desired["op"].to_pylist().count(Op.DELETE.value)
    if deletes:
        raise TooManyDeletes(
            f"The column op asks in {deletes:,} of {len(desired):,} rows for a delete, and {NAME} deletes "
            "nobody: leave these rows out, and use dub-source plan for deletes."
        )
