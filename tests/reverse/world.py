"""A workspace and a warehouse, in which people decide what is to be in Dub."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from dub_source import runs
from dub_source.destinations import Target
from dub_source.reverse.sync_file import Sync
from tests.sync.world import World

COMMAND = Path(sys.executable).parent / "dub-source"
_DECLARED = {each.name for each in fields(Sync)}


class PushWorld(World):
    """A world whose plans and applies work where it loads into."""

    @property
    def target(self) -> Target:
        return self.warehouse.target

    @property
    def place(self) -> dict[str, Any]:
        """The target, as ``dub_customers`` is given it."""
        return {"destination": self.target.destination, "database": self.target.database}

    @property
    def here(self) -> dict[str, Any]:
        """What every run is given."""
        return {"pipelines_dir": self.working, "api_key": self.sandbox.key(), "base_url": self.sandbox.url}

    def wish(self, rows: Mapping[str, Mapping[str, str | None]], *, key: str = "id") -> None:
        """Make the table ``crm.names``, anew: by key, what is to be."""
        columns = [key, *dict.fromkeys(column for row in rows.values() for column in row)]
        self.warehouse.put(
            "crm.names",
            columns,
            [[name, *(row.get(each) for each in columns[1:])] for name, row in rows.items()],
        )

    def plan(self, **options: Any) -> runs.PlanResult:
        """A plan, from the table ``crm.names`` unless the sync is told otherwise."""
        declared = {name: options.pop(name) for name in _DECLARED & options.keys()}
        source = {} if {"table", "query", "file"} & declared.keys() else {"table": "crm.names"}
        return runs.plan(self.target, Sync(**source | declared), **self.here | options)

    def apply(self, made: runs.PlanResult | str, **options: Any) -> runs.ApplyResult:
        """An apply of a plan."""
        plan_id = made if isinstance(made, str) else made.plan.plan_id
        return runs.apply(self.target, plan_id, **self.here | options)

    def shown(self, customer_id: str) -> dict[str, Any]:
        """A customer as Dub has it."""
        return self.sandbox.snapshot()[customer_id]

    def results(self, plan_id: str) -> dict[str | None, str]:
        """What became of a plan's changes, by customer, as the warehouse has it."""
        return dict(
            self.query(
                "SELECT customer_id, result FROM dub.push_log WHERE plan_id = ? ORDER BY number", plan_id
            )
        )

    def state(self) -> Any:
        """What dlt has stored of the source: how far the incremental runs have come, among others."""
        return self.query(
            "SELECT state, version_hash FROM dub._dlt_pipeline_state ORDER BY version DESC LIMIT 1"
        )


def start(
    world: PushWorld, *arguments: str | Path, working: Path | None = None, **settings: str
) -> subprocess.Popen[str]:
    """The program, as another process and perhaps on another machine."""
    return subprocess.Popen(
        [COMMAND, *arguments, *world.warehouse.arguments, "--pipelines-dir", working or world.working],
        cwd=world.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "SOURCES__DUB__API_KEY": world.sandbox.key(),
            "SOURCES__DUB__BASE_URL": world.sandbox.url,
            **settings,
        },
    )


def command(world: PushWorld, *arguments: str | Path, **options: Any) -> tuple[int, str, str]:
    """The same to its end: exit code, standard output and standard error."""
    with start(world, *arguments, **options) as process:
        said, told = process.communicate(timeout=120)
    return process.returncode, said, told
