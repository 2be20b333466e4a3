"""Where an episode happens: folders of two machines, a warehouse, a disk that can be full."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.warehouses.duckdb_file import DuckDBWarehouse

_DISK_MB = 256
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


class Place:
    """Folders and a database file.

    Args:
        disk: what is on it can find it full.
    """

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.folder = disk.folder
        (self.folder / "data").mkdir()
        self.warehouse = DuckDBWarehouse(self.folder / "data" / "warehouse.duckdb")

    def machine(self, name: str) -> Path:
        """The folder of working files of a machine."""
        return self.folder / name

    @contextmanager
    def held(self) -> Iterator[None]:
        """Another program has the database open meanwhile."""
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
        """The folder of the database is gone, as a disk is that was unplugged."""
        away = self.warehouse.file.parent.with_name("away-data")
        if not away.exists():
            self.warehouse.file.parent.rename(away)

    def give_back(self) -> None:
        """It is there again."""
        away = self.warehouse.file.parent.with_name("away-data")
        if away.exists():
            if self.warehouse.file.parent.exists():
                raise AssertionError(f"somebody made {json.dumps(str(self.warehouse.file.parent))} anew")
            away.rename(self.warehouse.file.parent)
