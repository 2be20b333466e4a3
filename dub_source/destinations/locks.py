"""Keeping runs of other processes and other machines out of each other's way, in the destination itself.

A run that is killed blocks nobody: the locks belong to connections and open files, and end with them.
"""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from dub_source.destinations.locking import locked
from dub_source.errors import AlreadyRunning, DestinationError

if TYPE_CHECKING:
    import dlt

_LONGEST_S = 1_800.0
"""So long a load waits for another one that is being written."""
_BETWEEN_S = 0.2
_SETTINGS = {
    # Postgres takes a machine for lost after 40 s; else its locks would stay for two hours.
    "tcp_keepalives_idle": 20,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 4,
    # A server may end connections that do nothing, and their locks with them.
    "idle_session_timeout": 0,
}

_writing: "WeakSet[dlt.Pipeline]" = WeakSet()
"""The pipelines of this process that write alone just now."""


@contextmanager
def writing_alone(
    pipeline: "dlt.Pipeline",
    *,
    longest_s: float = _LONGEST_S,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Be the only one that writes into the dataset; wait until others have done so.

    Two loads at once would empty and fill one staging dataset in turns, and each would merge rows of the
    other one, or none. Whoever looks which versions the history has, and adds those that it lacks, must not
    have somebody else add them in between. Known to DuckDB, whose file is kept from other processes, to
    Postgres, and to lakes on this machine's disks; elsewhere, nobody is kept out.

    Within itself, for the same pipeline, it does nothing.

    Args:
        pipeline: into the dataset.
        longest_s: seconds to wait at most.
        sleep: waits.
        clock: seconds.

    Raises:
        AlreadyRunning: if others write for longer.
    """
    if pipeline in _writing:
        yield
        return
    kind = _kind(pipeline)
    with ExitStack() as stack:
        if kind in _LOCKS:
            deadline = clock() + longest_s
            while not stack.enter_context(_LOCKS[kind](pipeline, "load")):
                if clock() > deadline:
                    raise AlreadyRunning(
                        f"Another load has been writing into the same dataset for {longest_s / 60:.0f} "
                        "minutes: wait until it has ended, then run the same again."
                    )
                stack.close()
                sleep(_BETWEEN_S)
        stack.enter_context(kept_open(pipeline))
        _writing.add(pipeline)
        stack.callback(_writing.discard, pipeline)
        yield


@contextmanager
def kept_open(pipeline: "dlt.Pipeline") -> Iterator[None]:
    """Keep a file of DuckDB open, and all other programs away from it: to open it takes 15 ms each time."""
    if _kind(pipeline) != "duckdb":
        yield
        return
    with pipeline.sql_client():
        yield


@contextmanager
def pushing_alone(pipeline: "dlt.Pipeline") -> Iterator[None]:
    """Be the only one who makes or carries out plans of the dataset, on any machine. As for loads, elsewhere.

    Raises:
        AlreadyRunning: if somebody does.
    """
    kind = _kind(pipeline)
    if kind not in _PUSH_LOCKS:
        yield
        return
    with _PUSH_LOCKS[kind](pipeline, "push") as ours:
        if not ours:
            raise AlreadyRunning(
                "Another plan, apply or erasure in the same dataset is running, perhaps on another machine: "
                "wait until it has ended, then run the same again."
            )
        yield


def writes_one_by_one(pipeline: "dlt.Pipeline") -> bool:
    """Whether several tables at once are no faster there.

    To merge into two tables of one DuckDB file at once takes as long, and half as much memory again. Into new
    tables, where nothing is merged, it takes two thirds of the time, and no more memory.
    """
    kind = _kind(pipeline)
    return kind == "delta_lake" or (kind == "duckdb" and not pipeline.first_run)


def _kind(pipeline: "dlt.Pipeline") -> str:
    destination: Any = pipeline.destination
    return str(destination.destination_type).rpartition(".")[2]


@contextmanager
def _connection(pipeline: "dlt.Pipeline") -> Iterator[Any]:
    with pipeline.sql_client() as client:
        for name, value in _SETTINGS.items():
            # Not every server has all of them.
            client.execute_sql(
                "SELECT set_config(name, %s, false) FROM pg_settings WHERE name = %s", str(value), name
            )
        yield client


@contextmanager
def _in_postgres(pipeline: "dlt.Pipeline", what: str) -> Iterator[bool]:
    """An advisory lock: of the database, for as long as the connection lives."""
    digest = hashlib.sha256(f"dub-source {what} {pipeline.dataset_name}".encode()).digest()
    with _connection(pipeline) as client:
        rows = client.execute_sql("SELECT pg_try_advisory_lock(%s)", int.from_bytes(digest[:8], signed=True))
        yield bool(rows[0][0])


@contextmanager
def _in_a_lake(pipeline: "dlt.Pipeline", what: str) -> Iterator[bool]:
    """A locked file beside the dataset. In a bucket there is none: there, commits tell each other apart."""
    with pipeline.destination_client() as client:
        lake: Any = client
        folder = Path(lake.bucket_path) if lake.is_local_filesystem else None
    if folder is None or not folder.exists():
        yield True
        return
    with _ours(folder / f".{pipeline.dataset_name}.{what}.lock") as ours:
        yield ours


@contextmanager
def _beside_a_file(pipeline: "dlt.Pipeline", what: str) -> Iterator[bool]:
    """A locked file beside the one of DuckDB, which is open, and so kept from others, only for moments."""
    client: Any = pipeline.sql_client()
    file = Path(client.credentials.database)
    lock = file.with_name(f".{file.name}.{pipeline.dataset_name}.{what}.lock")
    with ExitStack() as stack:
        try:
            ours = stack.enter_context(_ours(lock))
        except OSError as error:
            raise DestinationError(
                f"The lock of plans and applies beside the database file {file} cannot be made "
                f"({error.strerror}): check the permissions of the folder, or choose another file."
            ) from None
        with suppress(OSError):  # It may be somebody else's.
            lock.chmod(file.stat().st_mode & 0o666)  # for everybody for whom the file is
        yield ours


@contextmanager
def _ours(lock: Path) -> Iterator[bool]:
    """Whether a file is locked by us."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(lock))
        except AlreadyRunning:
            yield False
        else:
            yield True


_LOCKS = {"postgres": _in_postgres, "delta_lake": _in_a_lake}
"""By kind of destination, how to lock something there: whether it is ours now."""
_PUSH_LOCKS = {**_LOCKS, "duckdb": _beside_a_file}
"""The same for plans and applies, between whose looks and writes a file of DuckDB is not open."""
