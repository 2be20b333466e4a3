"""Whole processes, measured: wall clock, CPU and peak memory as the system counts them."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.failure import BenchmarkFailed

ROOT = Path(__file__).parent.parent
_LAUNCHER = Path(__file__).with_name("launcher.py")
_TIMEOUT_S = 900


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that ran to its end.

    Attributes:
        status: its exit code; negative for a signal.
        seconds: from its start to its end.
        cpu_s: CPU seconds of all its threads and children, system time included.
        peak_mb: peak resident memory in megabytes of a million bytes.
        output: what it wrote to stdout.
        errors: what it wrote to stderr.
    """

    status: int
    seconds: float
    cpu_s: float
    peak_mb: float
    output: str = field(repr=False)
    errors: str = field(repr=False)

    def last_words(self) -> str:
        """The last line of stderr, to explain a failure."""
        lines = self.errors.strip().splitlines()
        return lines[-1][:300] if lines else "no message"


def console_script() -> str:
    """The installed command ``dub-source``."""
    path = Path(sysconfig.get_path("scripts")) / "dub-source"
    if not path.is_file():
        raise BenchmarkFailed("The command dub-source is not installed beside this Python: run `make setup`.")
    return str(path)


def environment(folder: Path, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment, without the person's own dlt settings, with working files in ``folder``."""
    foreign = ("SOURCES__", "DESTINATION__", "RUNTIME__", "DLT_", "DUB_SOURCE_DEBUG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "DLT_DATA_DIR": str(folder / "dlt"),
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        **(settings or {}),
    }


def run(program: Sequence[str], *, folder: Path, settings: Mapping[str, str] | None = None) -> Finished:
    """Run a program (its path first) in ``folder`` to its end, whatever its exit code.

    Raises:
        BenchmarkFailed: if it does not end in time.
    """
    with tempfile.TemporaryDirectory(dir=folder) as own:
        result = Path(own) / "result.json"
        launch = [sys.executable, "-I", "-S", str(_LAUNCHER), str(result), *program]
        # A session of its own, so that what it started ends with it.
        launched = subprocess.Popen(
            launch,
            cwd=folder,
            env=environment(folder, settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            output, errors = launched.communicate(timeout=_TIMEOUT_S)
        except BaseException as error:
            os.killpg(launched.pid, signal.SIGKILL)
            launched.communicate()
            if isinstance(error, subprocess.TimeoutExpired):
                raise BenchmarkFailed(f"{Path(program[0]).name} did not end within {_TIMEOUT_S} s.") from None
            raise
        if launched.returncode:
            raise BenchmarkFailed(f"{Path(program[0]).name} could not be started: {errors}")
        measured = json.loads(result.read_text(encoding="utf-8"))
    return Finished(
        status=measured["status"],
        seconds=measured["seconds"],
        cpu_s=measured["cpu_s"],
        peak_mb=measured["peak_bytes"] / 1e6,
        output=output,
        errors=errors,
    )


def cpu_seconds(pid: int) -> float | None:
    """CPU seconds that a running process has used; None where the system has no ``/proc``."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except OSError:
        return None
    # The name in parentheses may hold spaces; the fields after it are numbered from 3.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
