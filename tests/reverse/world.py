"""A workspace and a warehouse, in which people decide what is to be in Dub."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import duckdb

from dub_source import runs
from dub_source.destinations import Target
from dub_source.reverse.sync_file import Sync
from tests.sync.world import World

_DECLARED = {each.name for each in fields(Sync)}


class PushWorld(World):
    """A world whose plans and applies work where it loads into."""

    @property
    def target(self) -> Target:
        return Target(database=self.file)

    @property
    def here(self) -> dict[str, Any]:
        """What every run is given."""
        return {"pipelines_dir": self.working, "api_key": self.sandbox.key(), "base_url": self.sandbox.url}

    def wish(self, rows: Mapping[str, Mapping[str, str | None]], *, key: str = "id") -> None:
        """Make the table ``crm.names``, anew: by key, what is to be."""
        columns = [key, *dict.fromkeys(column for row in rows.values() for column in row)]
        with duckdb.connect(str(self.file)) as connection:
            connection.execute("CREATE SCHEMA IF NOT EXISTS crm")
            connection.execute(
                f"CREATE OR REPLACE TABLE crm.names ({', '.join(f'{each} VARCHAR' for each in columns)})"
            )
            for name, row in rows.items():
                values = [name, *(row.get(each) for each in columns[1:])]
                connection.execute(f"INSERT INTO crm.names VALUES ({', '.join('?' * len(columns))})", values)

    def plan(self, **options: Any) -> runs.PlanResult:
        """A plan, from the table ``crm.names`` unless the sync is told otherwise."""
        declared = {name: options.pop(name) for name in _DECLARED & options.keys()}
        source = {} if {"table", "query", "file"} & declared.keys() else {"table": "crm.names"}
        return runs.plan(self.target, Sync(**source | declared), **self.here | options)
