"""Where an episode happens: folders of two machines, a warehouse, a disk that can be full."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from tests.warehouses import DATASET, Warehouse
from tests.warehouses.duckdb_file import DuckDBWarehouse
from tests.warehouses.postgres import PostgresWarehouse
from tests.warehouses.postgres_server import PostgresServer

_DISK_MB = 256
_HELD_S = 3.0
_HOLDER = (
    "import duckdb, sys\n"
    "connection = duckdb.connect(sys.argv[1])\n"
    "print('held', flush=True)\n"
    "sys.stdin.read()\n"
)


class Disk:
    """A disk of its own, if this user may make one: a file system in memory, mounted on a folder.

    Attributes:
        folder: where it is.
        is_own: whether it can be filled.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_own = False

    def __enter__(self) -> "Disk":
        self.folder.mkdir(parents=True)
        options = f"size={_DISK_MB}m,mode=700"
        found = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "dub-chaos", self.folder],
            capture_output=True,
            check=False,
        )
        self.is_own = found.returncode == 0
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_own:
            subprocess.run(["umount", "--lazy", self.folder], check=True)

    def machine(self, name: str) -> Path:
        """The folder of working files of a machine."""
        return self.folder / name

    def fill(self, leave_kb: int) -> None:
        """Leave so little room."""
        found = os.statvfs(self.folder)
        size = found.f_bavail * found.f_frsize - leave_kb * 1024
        if size > 0:
            with self._ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)

    def empty(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"


class Place(Protocol):
    """Folders, a warehouse, and what can happen to it.

    Attributes:
        disk: what is on it can find it full.
        warehouse: where to.
        environment: what processes must be told of it.
    """

    disk: Disk
    environment: Mapping[str, str]

    @property
    def warehouse(self) -> Warehouse: ...

    def held(self) -> AbstractContextManager[None]:
        """Another program has the warehouse for itself meanwhile, or for a while."""

    def take_away(self) -> None:
        """The warehouse is gone."""

    def give_back(self) -> None:
        """It is there again, as it was."""


class FilePlace:
    """A database file of DuckDB, in a folder that can go away."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.environment: Mapping[str, str] = {}
        (disk.folder / "data").mkdir()
        self.warehouse = DuckDBWarehouse(disk.folder / "data" / "warehouse.duckdb")

    @contextmanager
    def held(self) -> Iterator[None]:
        with subprocess.Popen(
            [sys.executable, "-c", _HOLDER, self.warehouse.file],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as holder:
            assert holder.stdout is not None
            holder.stdout.readline()  # nothing, if a run had it first
            try:
                yield
            finally:
                holder.kill()

    def take_away(self) -> None:
        """As a disk that was unplugged."""
        if not self._away.exists():
            self.warehouse.file.parent.rename(self._away)

    def give_back(self) -> None:
        if self._away.exists():
            # Nobody may have made the folder anew.
            self._away.rename(self.warehouse.file.parent)

    @property
    def _away(self) -> Path:
        return self.warehouse.file.parent.with_name("away-data")


class ServerPlace:
    """A database of a Postgres server."""

    def __init__(self, disk: Disk, server: PostgresServer) -> None:
        self.disk = disk
        self._server = server
        self.warehouse = PostgresWarehouse(server, "postgres")
        self.environment: Mapping[str, str] = self.warehouse.environment

    @contextmanager
    def held(self) -> Iterator[None]:
        """Somebody rebuilds the table of customers; unlike a file, it is waited for, so not for ever."""
        over = threading.Event()

        def hold() -> None:
            connection = self._server.connect(self.warehouse.database)
            try:
                connection.autocommit = False
                with suppress(Exception), connection.cursor() as cursor:
                    cursor.execute(f"LOCK TABLE {DATASET}.customers IN ACCESS EXCLUSIVE MODE")
                    over.wait(_HELD_S)
            finally:
                connection.close()

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def take_away(self) -> None:
        """As in a restart: connections end, and no new ones are made."""
        self._server.hide()

    def give_back(self) -> None:
        self._server.show()
