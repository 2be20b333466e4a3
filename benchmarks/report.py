"""Results: one JSON file and one Markdown table each."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.process import ROOT

RESULTS = Path(__file__).parent / "results"
_PACKAGES = (
    "dub-source dlt duckdb pyarrow requests orjson uvicorn httptools uvloop dub jsonpath-python httpx altair"
).split()
_PATHS = ("--results", "--drt-python")
"""Options that say what is where; whoever repeats it has other places."""
Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """A Markdown table; ``digits`` says for each column how many decimals a float is shown with."""

    title: str
    header: tuple[str, ...]
    digits: tuple[int, ...]
    rows: Sequence[tuple[Cell, ...]]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        cells = [
            [_text(cell, digits) for cell, digits in zip(row, self.digits, strict=True)] for row in self.rows
        ]
        numeric = [all(not isinstance(row[i], str) for row in self.rows) for i in range(len(self.header))]
        widths = [max(len(row[i]) for row in [self.header, *cells]) for i in range(len(self.header))]
        rule = [
            "-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, numeric, strict=True)
        ]
        lines = [_line(row, widths, numeric) for row in [self.header, rule, *cells]]
        return "\n".join([f"### {self.title}", "", *lines, *("\n" + note for note in self.notes)])


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark measured: ``rows`` are plain values with every single run in them."""

    rows: Sequence[dict[str, Any]]
    tables: tuple[Table, ...]


def circumstances(arguments: Sequence[str]) -> dict[str, Any]:
    """Where, when and with what it was measured. Names no path and no person."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "command": " ".join(["python -m benchmarks", *_without_paths(arguments)]),
        "commit": commit(),
        "machine": {
            "cores": os.cpu_count(),
            "architecture": platform.machine(),
            "system": platform.system(),
            "load_average_1_min": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}},
    }


def _without_paths(arguments: Sequence[str]) -> list[str]:
    kept = iter(arguments)
    return [
        each
        for each in kept
        if not each.startswith(tuple(f"{option}=" for option in _PATHS))
        and (each not in _PATHS or next(kept, None) is None)
    ]


def write(name: str, result: Result, *, folder: Path, around: dict[str, Any]) -> Path:
    """Write ``<folder>/<name>.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    text = json.dumps({"benchmark": name, **around, "results": list(result.rows)}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def written(name: str, folder: Path) -> dict[str, Any] | None:
    """What is in ``<folder>/<name>.json``; None if there is no such file, or it is not a result."""
    try:
        told = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and isinstance(told.get("results"), list) else None


def note(text: str) -> None:
    """Say how it gets on, on stderr."""
    print(text, file=sys.stderr, flush=True)


def _text(cell: Cell, digits: int) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, float):
        return f"{cell:,.{digits}f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def _line(cells: Iterable[str], widths: Sequence[int], numeric: Sequence[bool]) -> str:
    padded = (
        cell.rjust(width) if right else cell.ljust(width)
        for cell, width, right in zip(cells, widths, numeric, strict=True)
    )
    return "| " + " | ".join(padded) + " |"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """The commit that was measured, marked when files differ from it; None outside a checkout.

    Results do not count: they are written meanwhile.
    """
    head = _git("rev-parse", "--short=7", "HEAD")
    changed = head and _git("status", "--porcelain", "--", ".", f":!{RESULTS.relative_to(ROOT)}")
    return f"{head}-dirty" if changed else head


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
