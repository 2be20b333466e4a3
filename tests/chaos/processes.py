"""The program as a process: what it says is kept in files, and nobody waits for it for ever."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.child import Circumstances

ROOT = Path(__file__).parent.parent.parent
_PROGRAM = Path(sys.executable).parent / "dub-source"
_LONGEST_S = 180.0
"""No run takes that long here, whatever happens to it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a process.

    Attributes:
        name: of the process.
        arguments: what it was called with.
        code: its exit code; negative: the signal that ended it.
        out: the file of its standard output.
        told: the file of its standard error.
        hung: it did not end by itself, and was ended.
    """

    name: str
    arguments: tuple[str, ...]
    code: int
    out: Path
    told: Path
    hung: bool

    def result(self) -> dict[str, Any] | None:
        """What it printed as JSON, if it did."""
        text = self.out.read_text(encoding="utf-8")
        if not text.strip():
            return None
        values: dict[str, Any] = json.loads(text)
        return values

    def last_words(self) -> str:
        """The end of its standard error."""
        return self.told.read_text(encoding="utf-8", errors="replace")[-1500:]


class Process:
    """A running one. ``end`` must be called."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str],
        circumstances: Circumstances | None,
        debug: bool,
    ) -> None:
        """Start it.

        Args:
            name: of the process; names its files, in the folder ``logs``.
            arguments: of the program.
            folder: where it runs.
            environment: what it finds besides that of this process.
            circumstances: None starts the program as people do.
            debug: whether details are asked for.
        """
        self.name = name
        self.arguments = tuple(map(str, arguments))
        logs = folder / "logs"
        logs.mkdir(exist_ok=True)
        self.out, self.told = logs / f"{name}.out", logs / f"{name}.err"
        program = [_PROGRAM] if circumstances is None else [sys.executable, "-m", "tests.chaos.child"]
        found = {} if circumstances is None else {**circumstances.as_environment(), "PYTHONPATH": str(ROOT)}
        with self.out.open("wb") as out, self.told.open("wb") as told:
            self._process = subprocess.Popen(
                [*program, *self.arguments],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=told,
                env=_clean() | dict(environment) | found | ({"DUB_SOURCE_DEBUG": "1"} if debug else {}),
            )

    @property
    def running(self) -> bool:
        """Whether it still is."""
        return self._process.poll() is None

    def kill(self) -> None:
        """Kill -9."""
        self._process.kill()

    def terminate(self) -> None:
        """SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def watch(self, look: Callable[[], bool]) -> None:
        """Call something again and again until it is content or the process has ended."""
        deadline = time.monotonic() + _LONGEST_S
        while self.running and not look() and time.monotonic() < deadline:
            time.sleep(0.003)

    def end(self) -> Ended:
        """Wait for its end."""
        hung = False
        try:
            self._process.wait(_LONGEST_S)
        except subprocess.TimeoutExpired:
            hung = True
            self._process.kill()
            self._process.wait()
        return Ended(self.name, self.arguments, self._process.returncode, self.out, self.told, hung)


def _clean() -> dict[str, str]:
    """This environment without what decides what the program does."""
    prefixes = ("SOURCES__", "DESTINATION__", "DUB_SOURCE_", "CHAOS_")
    left = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return left | {"RUNTIME__DLTHUB_TELEMETRY": "false"}
