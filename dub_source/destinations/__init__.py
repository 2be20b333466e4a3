"""Where the customers go: choosing a dlt destination, and refusing early one that cannot work."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from dub_source.destinations.duckdb_file import DuckDBFile
from dub_source.destinations.resolving import resolving_once
from dub_source.destinations.storage import Server, Storage
from dub_source.errors import DestinationError, SettingsError

DEFAULT_DATABASE = Path("dub_customers.duckdb")
DEFAULT_DATASET = "dub"

MergeStrategy = Literal["upsert", "delete-insert"]
"""dlt's ways to merge rows by a key, the better one first; most destinations have both."""

_FORMATS = (
    "A lake is the destination filesystem, and its tables are Delta tables: use --destination filesystem. "
    "Iceberg is not supported, because an older observation could overwrite a newer one there."
)
_LONGEST_DATASET = 50
"""Postgres cuts names after 63 bytes, and dlt adds ``_staging`` to this one."""
_STAGING = "_staging"
"""So end the datasets in which dlt lets rows wait, and whose tables it empties with every load."""


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

    def as_json(self) -> dict[str, str]:
        """The same as plain values."""
        return {"destination": self.destination, "location": self.location, "dataset": self.dataset}


@dataclass(frozen=True, slots=True)
class Opened:
    """A target that can work, as far as that can be told without touching it.

    Attributes:
        destination: dlt's destination.
        strategy: how to merge rows there.
        storage: the kind of place it is.
    """

    destination: Any
    strategy: MergeStrategy
    storage: Storage


def open_destination(target: Target, *, read_only: bool = False) -> Opened:
    """The dlt destination of a target, and how to merge there.

    Args:
        target: the place.
        read_only: open a file of DuckDB for reading alone. It must exist.

    Raises:
        SettingsError: if the dataset's name would not stay as it is.
        DestinationError: with one sentence, if it does not exist or cannot merge.
        dlt's ConfigurationException: if its configuration is not complete.
    """
    check_dataset(target.dataset)
    if target.destination == "duckdb":
        file = DuckDBFile.of(target.database, target.dataset)
        return Opened(_duckdb(file, read_only=read_only), "upsert", file)
    with _packages(target.destination):
        return _opened(target)


def _opened(target: Target) -> Opened:
    destination, strategies = _known(target.destination)
    if _keeps_files(destination):
        return _lake(target)
    for strategy in get_args(MergeStrategy):
        if strategy in strategies:
            config = _configuration(destination, target)
            _check_database(config)
            # A fingerprint is of the host alone with some destinations; the text has the database, too.
            place = f"{target.destination} {config.fingerprint()} {config}"
            return Opened(destination, strategy, Server(place))
    raise DestinationError(
        f"The destination {target.destination!r} cannot merge rows by their id, which this load needs: "
        "choose another one, such as duckdb or postgres."
    )


def _duckdb(file: DuckDBFile, *, read_only: bool) -> Any:
    """DuckDB with settings that keep a load small, unless dlt's configuration has others."""
    from dub_source.destinations.duckdb_destination import DuckDB

    path = str(file.path)
    as_configured = DuckDB(path)
    theirs = as_configured.configuration(as_configured.spec(), accept_partial=True).credentials.global_config
    settings = {**file.settings, **(theirs or {})}
    return resolving_once(DuckDB({"database": path, "read_only": read_only, "global_config": settings}))


def _keeps_files(destination: Any) -> bool:
    from dlt.destinations import filesystem

    return isinstance(destination, filesystem)


def _lake(target: Target) -> Opened:
    """Delta tables: of dlt's ways to keep files, the one that can merge."""
    try:
        import deltalake  # noqa: F401
    except ImportError:
        raise DestinationError(
            f"The destination {target.destination!r} is a lake of Delta tables, which needs more packages: "
            "pip install 'dub-source[lake]'."
        ) from None
    from dub_source.destinations.delta import delta_lake
    from dub_source.destinations.delta.lake import DeltaLake

    destination = resolving_once(delta_lake(destination_name=target.destination))
    config = _configuration(destination, target)
    folder = None
    if config.is_local_filesystem:
        folder = Path(config.make_local_path(config.bucket_url)).resolve()
    return Opened(destination, "upsert", DeltaLake(str(config), folder, target.dataset))


def _known(name: str) -> tuple[Any, tuple[str, ...]]:
    """The destination that dlt knows by this name, and its ways to merge."""
    from dlt.common.destination.exceptions import UnknownDestinationModule
    from dlt.common.destination.reference import Destination

    try:
        destination: Any = Destination.from_reference(name)
        if destination.destination_type.endswith(".postgres"):
            from dub_source.destinations.postgres import with_formats

            destination = with_formats(destination)
        resolving_once(destination)
        return destination, tuple(destination.capabilities().supported_merge_strategies or ())
    except UnknownDestinationModule:
        if name in ("delta", "iceberg"):
            raise DestinationError(_FORMATS) from None
        raise DestinationError(
            f"There is no dlt destination called {name!r}: "
            "use duckdb, or another one that dlt lists, such as postgres, snowflake or bigquery."
        ) from None


@contextmanager
def _packages(name: str) -> Iterator[None]:
    """Some destinations import what they need as late as when they read their credentials."""
    try:
        yield
    except ImportError as error:
        raise DestinationError(
            f"The destination {name!r} needs more packages ({error.name}): pip install 'dlt[{name}]'."
        ) from None


def _check_database(config: Any) -> None:
    """Refuse SQLite, of which dlt says that it can merge.

    Seen: moments come back as texts without a zone, and a view in a dataset, which is an attached file, keeps
    SQLite from opening that file ever again ("malformed database schema").
    """
    if getattr(config.credentials, "drivername", "") == "sqlite":
        raise DestinationError(
            "SQLite cannot hold what this tool writes (moments with a zone, views beside the tables): "
            "use duckdb, a file as well."
        )


def _configuration(destination: Any, target: Target) -> Any:
    wanted = destination.spec()
    wanted.dataset_name = target.dataset
    return destination.configuration(wanted)


def check_dataset(name: str) -> None:
    """Allow only names that dlt and the destination leave as they are, so that what is said is where it is.

    Nor that of the staging dataset of another one: each load into that one would empty it, history and all.

    Raises:
        SettingsError: for any other.
    """
    # dlt turns My-Data into my_data, a__b into a_b and a_ into ax.
    if not re.fullmatch(r"_?[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or len(name) > _LONGEST_DATASET:
        raise SettingsError(
            f"The dataset must be at most {_LONGEST_DATASET} lower-case letters and digits, in words with "
            "single underscores between them, beginning with a letter: choose another name, such as dub."
        )
    if _is_reserved(name):
        raise SettingsError(
            f"The dataset {name!r} is a word that SQL keeps for itself, so that queries would need quotes: "
            "choose another name, such as dub."
        )
    if name.endswith(_STAGING):
        raise SettingsError(
            f"The dataset {name!r} is where rows on their way into {name.removesuffix(_STAGING)} wait, and "
            f"is emptied by every load into that: choose a name that does not end with {_STAGING}."
        )


def _is_reserved(name: str) -> bool:
    import duckdb

    try:
        duckdb.extract_statements(f"SELECT 1 FROM {name}.customers")
    except duckdb.ParserException:
        return True
    return False
