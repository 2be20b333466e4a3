"""Where the customers go: choosing a dlt destination, and refusing early one that cannot work."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from dub_source.errors import DestinationError

DEFAULT_DATABASE = Path("dub_customers.duckdb")
DEFAULT_DATASET = "dub"

MergeStrategy = Literal["upsert", "delete-insert"]
"""dlt's ways to merge rows by a key, the better one first; most destinations have both."""


@dataclass(frozen=True, slots=True)
class Target:
    """A dataset in a destination; ``database`` is the file of DuckDB and means nothing elsewhere."""

    destination: str = "duckdb"
    dataset: str = DEFAULT_DATASET
    database: Path = DEFAULT_DATABASE

    @property
    def location(self) -> str:
        """The place in words."""
        return str(self.database) if self.destination == "duckdb" else self.destination


def open_destination(target: Target) -> tuple[Any, MergeStrategy]:
    """The dlt destination of a target, checked as far as that goes without loading, and how to merge there.

    Raises:
        DestinationError: with one sentence, if it does not exist, cannot merge or cannot be opened.
    """
    import dlt
    from dlt.common.destination.exceptions import UnknownDestinationModule
    from dlt.common.destination.reference import Destination

    if target.destination == "duckdb":
        _check_duckdb(target)
        return dlt.destinations.duckdb(str(target.database)), "upsert"
    try:
        destination: Any = Destination.from_reference(target.destination)
        supported = destination.capabilities().supported_merge_strategies or ()
    except UnknownDestinationModule:
        raise DestinationError(
            f"There is no dlt destination called {target.destination!r}: "
            "use duckdb, or another one that dlt lists, such as postgres, snowflake or bigquery."
        ) from None
    except ImportError as error:
        raise DestinationError(
            f"The destination {target.destination!r} needs more packages ({error.name}): "
            f"pip install 'dlt[{target.destination}]'."
        ) from None
    for strategy in get_args(MergeStrategy):
        if strategy in supported:
            return destination, strategy
    raise DestinationError(
        f"The destination {target.destination!r} cannot merge rows by their id, which this load needs: "
        "choose another one, such as duckdb or postgres."
    )


def _check_duckdb(target: Target) -> None:
    """Open the file once for writing, so that a load does not read thousands of customers in vain."""
    import duckdb

    path = target.database
    if path.stem == target.dataset:
        # DuckDB takes dub.customers for either the dataset of a database or the table of a catalog.
        raise DestinationError(
            f"The database file {path} and the dataset {target.dataset!r} have one name, which DuckDB finds "
            "ambiguous: name the file otherwise, for example with --database "
            f"{path.with_name(path.stem + '_customers.duckdb')}."
        )
    if not path.parent.is_dir():
        raise DestinationError(f"The folder of the database file {path} does not exist: create it first.")
    existed = path.exists()
    try:
        duckdb.connect(str(path)).close()
    except duckdb.Error as error:
        raise DestinationError(_duckdb_sentence(path, error)) from None
    if not existed:
        path.unlink(missing_ok=True)


def _duckdb_sentence(path: Path, error: Exception) -> str:
    text = str(error)
    if "lock" in text.lower():
        return (
            f"The database file {path} is in use by another program: close it there, "
            "or load into another file with --database."
        )
    if path.is_dir():
        return f"The database file {path} is a folder: name a file with --database."
    if "not a valid DuckDB database" in text:
        return f"The file {path} is not a DuckDB database: name another one with --database."
    if "ermission" in text or "Cannot open" in text or "ead-only" in text:
        return f"The database file {path} cannot be written: check its permissions, or choose another file."
    kind = type(error).__name__
    return f"The database file {path} cannot be opened by DuckDB ({kind}): name another one with --database."
