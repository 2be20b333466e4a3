"""Standard streams that are closed, full, or cannot write every character."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TextIO

import click


def prepare_streams() -> None:
    """Make the standard streams usable whatever the caller has done to them."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            # Otherwise the next file that is opened, such as the database, gets this number, and everything
            # that a library writes to its standard error goes there. open() takes the lowest free one.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - to the process's end
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A path or an id may hold what an ASCII terminal cannot show.
            stream.reconfigure(errors="backslashreplace")


def tell(text: str) -> None:
    """Write to standard error what is good to know; a full disk behind it must not end a load."""
    try:
        click.echo(text, err=True)
    except OSError:
        silence(sys.stderr)


def silence(stream: TextIO) -> None:
    """Send what is still buffered nowhere: the process would fail on it once more at its end (code 120)."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
