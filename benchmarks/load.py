"""One `dub-source load` as a whole process, into a DuckDB file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.failure import BenchmarkFailed
from benchmarks.process import Finished, console_script, run
from benchmarks.server import Server


@dataclass(frozen=True, slots=True)
class Loaded:
    """One load: the process, what it said, and the ids that are in the database afterwards."""

    process: Finished
    told: dict[str, Any]
    ids: list[str]


def load(server: Server, folder: Path, *arguments: str) -> Loaded:
    """Run the installed command into the database file of a folder, and read back the ids.

    Args:
        server: to load from.
        folder: for the database file and everything else; what is there is gone on with.
        arguments: more of the command.

    Raises:
        BenchmarkFailed: if the command fails.
    """
    database = folder / "dub_customers.duckdb"
    program = [console_script(), "load", "--json", "--database", str(database)]
    program += ["--pipelines-dir", str(folder / "pipelines"), *arguments]
    process = run(program, folder=folder, settings=server.access)
    if process.status:
        raise BenchmarkFailed(
            f"dub-source load ended with exit code {process.status}: {process.last_words()}"
        )
    return Loaded(process, json.loads(process.output), ids_in(database))


def ids_in(database: Path, table: str = "dub.customers") -> list[str]:
    """The ids in a table of a DuckDB file, repeated ones repeatedly."""
    with duckdb.connect(str(database), read_only=True) as connection:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table}").fetchall()]
